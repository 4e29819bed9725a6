"""From the spec of a cluster that existed before its claim to composed resources, conditions and status."""

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
    """Compose what reaches the cluster, what marks it as this claim's, and the search for its nodes.

    Raises:
        Invalid: for a node pool that the cluster cannot have, or that Models keep from changing.
    """
    place = spec.existing
    assert place is not None, "chosen by the spec"
    declared = pools.pools(spec.node_pools, recorded(request).pools, in_use)
    cluster = identity.identity(request, _access(request, place, given))
    access, other = cluster.access, identity.held_by(request)
    found = nodes.find(request, access, declared)
    sure = identity.is_held(request) and not isinstance(cluster.problem, Condition)
    reached = [_gated(r, open_=sure) if r.name == reach.REACHABLE else r for r in reach.resources(access)]
    conditions = {c.type: c for c in (*_conditions(access, declared), found.condition)}
    if cluster.problem is not None:
        conditions["Planned"] = cluster.problem
    if cluster.closed is not None:
        conditions["ControlPlaneReady"] = cluster.closed
    if other:
        conditions |= {c.type: c for c in identity.taken(other)}
    return Outcome(
        resources=[*reached, *identity.holder(request, access), *cluster.tried, *found.resources],
        conditions=list(conditions.values()),
        status={
            "access": access.status.plain(),
            "nodePools": [pool.plain() for pool in found.pools],
            "sharedStorage": place.shared_storage,
            "storageClassName": place.storage_class_name,
            "deletedWithClaim": False,
            "clusterUID": cluster.uid or None,
            "heldBy": other or None,
            "distribution": place.distribution.value,
            "nodeImage": _node_image(place.distribution),
        },
        gone=[*found.gone, *cluster.gone],
        notes=[*_notes(spec), *found.notes],
    )


def _gated(reachable: Resource, *, open_: bool) -> Resource:
    """Return the Object that components wait for: ready only once the cluster is known to be this claim's."""
    return replace(reachable, ready=lambda seen: open_ and condition_true()(seen))


def _node_image(distribution: Distribution) -> dict[str, bool] | None:
    """Return what the node image of a distribution contains; None where that is not known."""
    if distribution is not Distribution.GKE:
        return None
    return NodeImage(driver=True, container_toolkit=False).plain()


def _access(request: Request, place: Existing, given: NodePoolsInput) -> reach.ClusterAccess:
    """Return how the spec asks to reach the cluster. The Secret stands in the claim's namespace alone."""
    secret, namespace = place.kubeconfig_secret_ref, reach.platform_namespace(request, given)
    if secret is None:
        return reach.ClusterAccess(request.name, namespace, kubeconfig=None)
    beside = request.claim.namespace or namespace
    return reach.ClusterAccess(request.name, namespace, remote.SecretKey(beside, secret.name, secret.key))


def _conditions(access: reach.ClusterAccess, pools: tuple[Pool, ...]) -> tuple[Condition | Progress, ...]:
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
            _hint(access.kubeconfig),
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
