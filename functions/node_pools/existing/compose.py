"""A cluster that existed before its claim: ProviderConfigs and declared node pools, nothing in any cloud."""

from __future__ import annotations

from dataclasses import replace

from functions.api import ClusterSpec, Distribution, Existing, NodeImage, NodePoolsInput
from functions.base import (
    Condition,
    Outcome,
    Progress,
    Request,
    Resource,
    Status,
    Whose,
    condition_true,
    remote,
)

from .. import allowed, reach
from ..models.in_use import InUse
from ..place import Place
from ..pools.pool import Pool, recorded, summary
from . import identity, nodes, pools

__all__ = ["PLACE"]


def compose(request: Request, spec: ClusterSpec, given: NodePoolsInput, in_use: InUse) -> Outcome:
    """Take the cluster over.

    Raises:
        Invalid: for pools that cannot be.
    """
    place = spec.existing
    assert place is not None, "chosen by the spec"
    declared = pools.pools(spec.node_pools, recorded(request).pools, in_use)
    who = identity.identity(request, _way(request, place, given))
    way, other = who.way, identity.held_by(request)
    found = nodes.find(request, way, declared)
    sure = identity.is_held(request) and not isinstance(who.problem, Condition)
    reached = [_gated(r, open_=sure) if r.name == reach.REACHABLE else r for r in reach.resources(way)]
    conditions = {c.type: c for c in (*_conditions(way, declared), found.condition)}
    if who.problem is not None:
        conditions["Planned"] = who.problem
    if who.closed is not None:
        conditions["ControlPlaneReady"] = who.closed
    if other:
        conditions |= {c.type: c for c in identity.taken(other)}
    return Outcome(
        resources=[*reached, *identity.holder(request, way), *who.tried, *found.resources],
        conditions=list(conditions.values()),
        status={
            "access": way.status.plain(),
            "nodePools": [pool.plain() for pool in found.pools],
            "sharedStorage": place.shared_storage,
            "storageClassName": place.storage_class_name,
            "deletedWithClaim": False,
            "clusterUID": who.uid or None,
            "heldBy": other or None,
            "distribution": place.distribution.value,
            "nodeImage": _node_image(place.distribution),
        },
        gone=[*found.gone, *who.gone],
        notes=[*_notes(spec), *found.notes],
    )


def _gated(reachable: Resource, *, open_: bool) -> Resource:
    """Have the components wait until the cluster is known to be this claim's."""
    return replace(reachable, ready=lambda seen: open_ and condition_true()(seen))


def _node_image(distribution: Distribution) -> dict[str, bool] | None:
    """Return what nodes of a distribution come with; None where that is not known."""
    if distribution is not Distribution.GKE:
        return None
    return NodeImage(driver=True, container_toolkit=False).plain()


def _way(request: Request, place: Existing, given: NodePoolsInput) -> reach.Way:
    """Reach it by a Secret next to the claim: any other would not be the claim's to use."""
    secret, namespace = place.kubeconfig_secret_ref, reach.platform_namespace(request, given)
    if secret is None:
        return reach.Way(request.name, namespace, kubeconfig=None)
    beside = request.claim.namespace or namespace
    return reach.Way(request.name, namespace, remote.SecretKey(beside, secret.name, secret.key))


def _conditions(way: reach.Way, pools: tuple[Pool, ...]) -> tuple[Condition | Progress, ...]:
    return (
        Condition("Planned", Status.TRUE, "Planned", summary(pools), Whose.PLATFORM),
        Condition(
            "NetworkReady",
            Status.TRUE,
            "NothingToCreate",
            "the cluster existed before its claim, and so did its network",
            Whose.PLATFORM,
        ),
        Progress(
            "ControlPlaneReady",
            (reach.KUBERNETES, reach.HELM, identity.HOLDER, reach.REACHABLE),
            "the cluster's API answers",
            Whose.PLATFORM,
            _hint(way.kubeconfig),
        ),
    )


def _hint(kubeconfig: remote.SecretKey | None) -> str:
    """Say what to look at where the API does not answer."""
    if kubeconfig is None:
        return (
            "Check that the service accounts of provider-kubernetes and provider-helm may do everything in "
            "the control plane's cluster"
        )
    return (
        f"Check that Secret {kubeconfig.namespace}/{kubeconfig.name} holds a kubeconfig under key "
        f"{kubeconfig.key}, that its server can be reached from the control plane, and that its user may do "
        "everything"
    )


def _notes(spec: ClusterSpec) -> tuple[str, ...]:
    notes = []
    if spec.kubernetes_version is not None:
        notes.append("spec.kubernetesVersion has no effect: an existing cluster keeps its version")
    if spec.owner is not None:
        notes.append("spec.owner has no effect: nothing in any cloud is created for an existing cluster")
    return tuple(notes)


def _refusal(namespace: str, spec: ClusterSpec, given: NodePoolsInput) -> Condition | None:
    place = spec.existing
    assert place is not None, "chosen by the spec"
    asked = allowed.kubeconfig if place.control_plane is None else allowed.control_plane
    return asked(namespace, given)


PLACE = Place("existing", False, _refusal, compose)
