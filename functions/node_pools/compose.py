"""function-node-pools: from an InferenceCluster to a cluster that can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from functions.api import ClusterSpec, ClusterStatus, NodePoolsInput, PoolStatus, Summary, contract
from functions.base import Condition, Function, Invalid, Outcome, Progress, Request, Status, Whose

from . import gateway_host, reach
from .created import CLUSTER
from .models import guards, offer
from .models.in_use import InUse, read
from .place import Place
from .pools.pool import recorded
from .providers import with_known_kinds
from .registry import PLACES

__all__ = ["FUNCTION", "function"]


def function(places: Sequence[Place], model: type[ClusterSpec]) -> Function:
    """Return the function for clusters in some places.

    Args:
        places: each is a field of the spec.
        model: of the spec.
    """

    def compose(request: Request) -> Outcome:
        return _compose(places, request, request.spec(model))

    return Function(
        name="node-pools",
        conditions=("Planned", "NetworkReady", "ControlPlaneReady", "NodePoolsReady"),
        status=(
            "access",
            "nodePools",
            "summary",
            "network",
            "autoscaler",
            "cloud",
            "nodeImage",
            "clusterUID",
            "heldBy",
            "deletedWithClaim",
            "gateway",
            "distribution",
            "kubernetesVersion",
            "storageClassName",
            "sharedStorage",
            "sharedStorageClassName",
        ),
        author=Whose.PLATFORM,
        compose=compose,
    )


def _compose(places: Sequence[Place], request: Request, spec: ClusterSpec) -> Outcome:
    """Compose the cluster in the place that the spec names.

    Raises:
        Invalid: when the spec asks for what cannot be.
    """
    given = request.parameters(NodePoolsInput)
    place = next(place for place in places if getattr(spec, place.name) is not None)
    namespace = request.claim.namespace
    # A composite without a claim is an administrator's, who may use anything.
    refusal = place.refusal(namespace, spec, given) if namespace else None
    if refusal is not None and not request.observed:
        return Outcome(conditions=[refusal])
    _refuse_a_move(request, place)
    in_use = read(request, reach.platform_namespace(request, given))
    if refusal is not None:
        # What lives goes on as it was, and new Models may be placed on it: they are guarded, too.
        guarded, unguarded = guards.guards(request, in_use), guards.unguarded(request, in_use)
        return Outcome(resources=guarded, conditions=[refusal], gone=unguarded)
    outcome = with_known_kinds(request, place.compose(request, spec, given, in_use))
    return _with_models(request, spec, outcome, in_use)


def _refuse_a_move(request: Request, place: Place) -> None:
    """Refuse a spec that names another place than the one where the live cluster is.

    Raises:
        Invalid: it says how to have both clusters.
    """
    provider_config = request.resource(reach.KUBERNETES)
    labelled = provider_config is not None and bool(
        provider_config.text("metadata", "labels", contract.CREATED_BY_CLAIM)
    )
    created = labelled or request.resource(CLUSTER) is not None
    cloud = recorded(request).cloud
    if created and not place.creates:
        was = "this claim created a cluster in a cloud"
    elif created and cloud not in ("", place.name):
        was = f"this claim created a cluster in {cloud}"
    elif provider_config is not None and not created and place.creates:
        was = "this claim has taken a cluster that existed before"
    else:
        return
    raise Invalid(
        f"spec.{place.name}",
        f"{was}, and everything in that cluster would be lost to the claim",
        "Restore the claim as it was, and claim the other cluster under another name",
    )


def _with_models(request: Request, spec: ClusterSpec, outcome: Outcome, in_use: InUse) -> Outcome:
    """Add what is between a cluster and its Models in any place: offer, guards and GPUs in use."""
    status = ClusterStatus.model_validate(outcome.status)
    if status.access is None:
        return outcome  # nothing was decided, so that everything is carried on
    kept = guards.kept_pools(request, spec, in_use)
    pools = in_use.counted(request, [*(status.node_pools or []), *guards.statuses(request, kept)])
    host = gateway_host.decide(request, spec.gateway, status.access.namespace)
    offered = offer.gateway(request, spec.gateway, taken=host.taken is not None)
    status = status.model_copy(update={"node_pools": pools, "gateway": offered})
    problem = _problem(outcome.conditions, guards.missing(kept) if kept else None, host.taken)
    planned = [problem] if problem else []
    return replace(
        outcome,
        # The offer goes first: a Model may be placed as soon as the cluster answers.
        resources=[
            offer.resource(request.name, request.claim, spec.allowed_namespaces, status),
            *outcome.resources,
            *guards.guards(request, in_use),
            *host.resources,
        ],
        conditions=[*(c for c in outcome.conditions if not (planned and c.type == "Planned")), *planned],
        gone=[*outcome.gone, *guards.unguarded(request, in_use), *host.gone],
        status={
            **outcome.status,
            "nodePools": [pool.plain() for pool in pools],
            "summary": _summary(pools).plain(),
            "gateway": status.gateway.plain() if status.gateway else None,
        },
    )


def _problem(
    conditions: Sequence[Condition | Progress], kept: Condition | None, taken: Condition | None
) -> Condition | None:
    """Return what stands in the place of Planned: a host that is taken only where all else is fine."""
    fine = any(
        c.type == "Planned" and isinstance(c, Condition) and c.status == Status.TRUE for c in conditions
    )
    return kept or (taken if fine else None)


def _summary(pools: Sequence[PoolStatus]) -> Summary:
    """Return what kubectl prints of the node pools."""
    several = (f"{pool.gpus_per_node} x " if pool.gpus_per_node > 1 else "" for pool in pools)
    return Summary(
        node_pools=", ".join(pool.name for pool in pools),
        gpus=", ".join(f"{count}{pool.gpu_model}" for count, pool in zip(several, pools, strict=True)),
    )


FUNCTION = function(PLACES, ClusterSpec)
