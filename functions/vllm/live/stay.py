"""A live Model stays where it is; what no longer agrees with that becomes a condition.

It asks for its own cluster alone, and goes on from its record when that is gone.
"""

from __future__ import annotations

from dataclasses import replace

from functions.api import ModelSpec, Placement, PoolStatus, Sizing, VLLMInput, contract
from functions.base import Condition, Request, Unanswered, Whose

from ..place import clusters
from ..place.choose import Candidate, Choice, Choices, judge
from ..place.search import facts_of, unknown_model
from ..place.units import most_replicas
from ..plan import PLACEMENT_ANNOTATION, asked, weights_id
from ..serve.deployment import serving
from ..serve.remote import LABEL
from ..size import memory
from .move import GOES_ON, Moving, leave, names_another
from .names import CONNECTION, only, tags
from .recorded import Placed, placed_on, placement_of, sizing_of, storage_of, takes, waiting, where

__all__ = ["CLUSTER_MISSING", "record_is_lost", "recorded_placement", "stay"]

CLUSTER_MISSING = "ClusterMissing"
"""Reason of the condition of a Model whose cluster offers nothing."""


def recorded_placement(request: Request) -> Placement | None:
    """Return the placement from the status or, if that is lost, from what was composed for it.

    The workload's says what is served; the namespace's is there before that is. Of two places
    the one counts that apps are told of.
    """
    placement = request.status(Placement, "placement")
    if placement is not None:
        return placement
    connection = request.resource(CONNECTION)
    told = connection.text("metadata", "labels", LABEL) if connection else None
    noted = [n for n in (_noted_in(only(request, tag)) for tag in tags(request)) if n is not None]
    return next((n for n in noted if n.namespace == told), noted[0] if noted else None)


def _noted_in(request: Request) -> Placement | None:
    return _noted_on(request, serving(request.observed)) or _noted_on(request, "vllm/namespace")


def record_is_lost(request: Request) -> bool:
    """Tell whether something is live that the status knows nothing of."""
    live = any(name.startswith("vllm/") for name in request.observed)
    return live and request.status(Placement, "placement") is None


def _noted_on(request: Request, name: str) -> Placement | None:
    live = request.resource(name)
    text = live.text("metadata", "annotations", PLACEMENT_ANNOTATION) if live else None
    try:
        return Placement.model_validate_json(text) if text else None
    except ValueError:
        return None


def stay(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement
) -> Placed | Moving | Condition:
    """Keep a Model in its place; a condition alone says why everything is carried on as it is.

    Raises:
        Invalid: for a changed spec that no cluster could serve.
        Unanswered: when its cluster is not known yet and other weights are wanted.
    """
    if names_another(spec, recorded):
        why = f"this Model runs on {where(recorded)}, and spec.cluster names another"
        return leave(request, spec, given, recorded, why)
    size = request.status(Sizing, "sizing")
    same_weights = recorded.weights == weights_id(spec)
    try:
        cluster = clusters.one_cluster(request, recorded.cluster, recorded.provider_config_namespace)
    except Unanswered:
        if not same_weights:
            raise
        return Placed(recorded, None, size, known=False)
    pool = _pool(cluster, recorded)
    missing = _missing(request, cluster, pool, recorded)
    if missing is not None:
        return Placed(recorded, missing, size, known=False) if same_weights else missing
    assert cluster is not None, "it is not missing"
    assert pool is not None, "it is not missing"
    shared = recorded.shared_storage if same_weights else cluster.shares_storage
    if spec.replicas.min > 1 and not shared:
        return _refuse(
            "VolumeNotShared",
            f"{spec.replicas.min} replicas need a volume that several nodes can read, and this Model's is "
            "for one: keep spec.replicas.min at 1, or name another node pool in spec.cluster",
        )
    most = most_replicas(pool, recorded.gpus, recorded.nodes)
    if spec.replicas.min > most:
        return _refuse(
            "PoolTooSmall",
            f"{spec.replicas.min} replicas of {takes(recorded)} do not fit node pool {pool.name}, which "
            f"holds {most}: lower spec.replicas.min, or ask the owner of {recorded.claim} for more nodes",
        )
    if recorded.asked == asked(spec) and size is not None:
        # A newer catalog would size it otherwise; that is no reason to move what runs.
        return Placed(_refreshed(spec, recorded, cluster, pool), placed_on(recorded), size)
    return _placed_again(request, spec, given, recorded, cluster, pool)


def _pool(cluster: Candidate | None, recorded: Placement) -> PoolStatus | None:
    pools = cluster.status.node_pools if cluster else None
    return next((pool for pool in pools or [] if pool.name == recorded.node_pool), None)


def _missing(
    request: Request, cluster: Candidate | None, pool: PoolStatus | None, recorded: Placement
) -> Condition | None:
    """Say what the Model's place lacks; it goes on from its record."""
    claim, namespace = recorded.claim, request.claim.namespace
    if cluster is None:
        return _keep(
            CLUSTER_MISSING,
            f"InferenceCluster {claim} offers nothing: where it is gone, delete this Model and claim it "
            "again; where it is there, wait until it has been looked at by this version",
        )
    if not cluster.admits(namespace):
        return _keep(
            "NamespaceNotAllowed",
            f"{claim} no longer admits namespace {namespace}: ask its owner to add it to "
            "spec.allowedNamespaces, or delete this Model",
        )
    if pool is None:
        return _keep(
            "PoolMissing",
            f"node pool {recorded.node_pool} of {claim} is gone: ask its owner to restore it, or name "
            "another in spec.cluster, with its nodePool",
        )
    return None


def _placed_again(
    request: Request,
    spec: ModelSpec,
    given: VLLMInput,
    recorded: Placement,
    cluster: Candidate,
    pool: PoolStatus,
) -> Placed | Moving | Condition:
    """Size a changed spec on the pool that the Model is on."""
    facts = facts_of(spec, given)
    if facts is None:
        return _refuse("UnknownModel", str(unknown_model(spec.model)).rstrip("."))
    what = memory.need(spec, facts)
    # What a cluster offers does not tell its components; where one is gone, the provider says so.
    status = cluster.status.model_copy(update={"components": [contract.LEADER_WORKER_SET]})
    judged = judge(spec, what, replace(cluster, status=status), pool)
    if not isinstance(judged, Choice):
        why = f"the spec has changed, and on {where(recorded)} it does not fit: {judged.why}"
        return leave(request, spec, given, recorded, why)
    if (judged.fit.nodes > 1) != (recorded.nodes > 1):
        why = f"the spec has changed, and needs {judged.takes} where it has {takes(recorded)}"
        return leave(request, spec, given, recorded, why)
    choices = Choices(judged)
    placement = placement_of(request, choices, spec, what, recorded.tag_in_names)
    if recorded.weights == placement.weights:
        placement = placement.model_copy(update=storage(recorded))
    return Placed(placement, placed_on(placement), sizing_of(what, choices))


def storage(placement: Placement) -> dict[str, object]:
    """What a volume was made with and keeps, as fields of a placement."""
    return {"storage_class_name": placement.storage_class_name, "shared_storage": placement.shared_storage}


def _refreshed(spec: ModelSpec, recorded: Placement, cluster: Candidate, pool: PoolStatus) -> Placement:
    """Follow the cluster's own words on how it is reached, and the spec's on which weights."""
    access, weights = cluster.status.access, weights_id(spec)
    assert access is not None, "a cluster without it is missing"
    update: dict[str, object] = {
        "provider_config": access.kubernetes_provider_config,
        "provider_config_namespace": access.namespace,
        "node_selector": pool.node_selector,
        "taints": pool.taints,
        "weights": weights,
    }
    if recorded.weights != weights:
        update |= storage_of(cluster.status, spec.replicas.min > 1 or recorded.nodes > 1)
    return recorded.model_copy(update=update)


def _keep(reason: str, message: str) -> Condition:
    return waiting(Whose.PLATFORM, reason, f"{message}. {GOES_ON}")


def _refuse(reason: str, message: str) -> Condition:
    return waiting(Whose.MODEL, reason, f"{message}. {GOES_ON}")
