"""A live Model keeps its placement; a condition says what of its spec or its cluster does not agree with it.

It requires the offer of its own cluster alone, and is rendered from its recorded placement where the
offer is missing.
"""

from __future__ import annotations

from dataclasses import replace

from functions.api import ModelSpec, Placement, PoolStatus, Sizing, VLLMInput, contract
from functions.base import Condition, Request, Unanswered, Whose

from ..engine import engine_of
from ..hub.read import Known
from ..place.choose import Choices
from ..place.clusters import Cluster, offered_cluster
from ..place.devices import most_replicas
from ..place.machine import exceeding
from ..place.pools import Choice, fit_pool
from ..place.why_not import not_placed
from ..plan import PLACEMENT_ANNOTATION, image_of, latest_image, newer
from ..serve import live_workload
from ..serve.endpoint import CONNECTION, HANDED_OUT
from ..serve.objects import LABEL
from ..size.need import need
from ..source import source_of
from .move import GOES_ON, Moving, goes_on, leave, names_another
from .names import only, tags
from .placement import (
    Placed,
    gateway_of,
    placed_on,
    placement_of,
    sized_by,
    sizing_of,
    storage_of,
    takes,
    where,
)

__all__ = [
    "CLUSTER_MISSING",
    "is_sized_again",
    "placement_is_lost",
    "recorded_placement",
    "startable",
    "stay",
    "storage",
]

CLUSTER_MISSING = "ClusterMissing"
"""Reason of the condition Placed of a Model whose cluster has no offer."""


def recorded_placement(request: Request) -> Placement | None:
    """Return the placement from the status or, where that is lost, from an annotation of what is live.

    The workload's annotation says what is served; the namespace's exists before the workload. Of two
    placements the one counts that the connection Secret names.
    """
    placement = request.status(Placement, "placement")
    if placement is not None:
        return placement
    connection = request.resource(HANDED_OUT) or request.resource(CONNECTION)
    told = connection.text("metadata", "labels", LABEL) if connection else None
    noted = [n for n in (_annotated(only(request, tag)) for tag in tags(request)) if n is not None]
    return next((n for n in noted if n.namespace == told), noted[0] if noted else None)


def _annotated(request: Request) -> Placement | None:
    workload, namespace = live_workload(request.observed), "vllm/namespace"
    return _annotation(request, workload) or _annotation(request, namespace)


def _annotation(request: Request, name: str) -> Placement | None:
    live = request.resource(name)
    text = live.text("metadata", "annotations", PLACEMENT_ANNOTATION) if live else None
    try:
        return Placement.model_validate_json(text) if text else None
    except ValueError:
        return None


def startable(request: Request, spec: ModelSpec, recorded: Placement | None) -> Placement | None:
    """Return a placement without its image where that is too old to be started and no pod runs it.

    Args:
        request: the Model's.
        spec: the Model's.
        recorded: the Model's placement, if any.
    """
    if recorded is None or live_workload(only(request, recorded.tag_in_names).observed):
        return recorded
    return recorded.model_copy(update={"image": ""}) if engine_of(spec).too_old(recorded.image) else recorded


def placement_is_lost(request: Request) -> bool:
    """Tell whether something is live whose placement the status has lost."""
    live = any(name.startswith("vllm/") for name in request.observed)
    return live and request.status(Placement, "placement") is None


def is_sized_again(request: Request, spec: ModelSpec, recorded: Placement) -> bool:
    """Tell whether a placed Model has to be sized: its spec has changed, or its sizing is lost."""
    sized = recorded.sized_by == sized_by(spec) and request.status(Sizing, "sizing") is not None
    return not sized or names_another(spec, recorded)


def stay(
    request: Request, spec: ModelSpec, given: VLLMInput, recorded: Placement, known: Known
) -> Placed | Moving | Condition:
    """Keep a Model where it is placed; a condition alone says why everything is carried on as it is.

    Args:
        request: the Model's.
        spec: the Model's.
        given: the function's input.
        recorded: its placement.
        known: what is known of the model.

    Raises:
        Invalid: for a changed spec that no cluster could serve.
        Unanswered: when its cluster is not known yet and the spec asks for other weights.
    """
    with_image = recorded.model_copy(update={"image": image_of(spec, given, recorded)})
    same_weights = recorded.weights == source_of(spec).identity(spec, recorded.engine_flags or ())
    moves = names_another(spec, recorded)
    old = engine_of(spec).too_old(with_image.image)
    if old and (moves or not same_weights or recorded.sized_by != sized_by(spec)):
        to = newer(engine_of(spec), latest_image(spec, given))
        text = f"{old}. What the spec asks for now needs other pods: set spec.engine.image to {to} as well"
        return _refuse("ImageTooOld", text)
    if moves:
        why = f"this Model runs on {where(recorded)}, and spec.cluster names another cluster or node pool"
        return leave(request, spec, given, recorded, known, why)
    size = request.status(Sizing, "sizing")
    try:
        cluster = offered_cluster(request, recorded.cluster, recorded.provider_config_namespace)
    except Unanswered:
        if not same_weights:
            raise
        return Placed(with_image, None, size, known=False)
    pool = _pool(cluster, recorded)
    missing = _missing(request, cluster, pool, recorded)
    if missing is not None:
        return Placed(with_image, missing, size, known=False) if same_weights else missing
    assert cluster is not None, "it is not missing"
    assert pool is not None, "it is not missing"
    shared = recorded.shared_storage if same_weights else cluster.shares_storage
    if spec.replicas.min > 1 and not shared:
        return _refuse(
            "VolumeNotShared",
            f"{spec.replicas.min} replicas need a volume that several nodes can mount, and this Model's "
            "volume can be mounted on one: set spec.replicas.min to 1, or name a node pool of a cluster with "
            "shared storage in spec.cluster",
        )
    most = most_replicas(pool, recorded.gpus, recorded.nodes)
    if spec.replicas.min > most:
        return _refuse(
            "PoolTooSmall",
            f"{spec.replicas.min} replicas of {takes(recorded)} do not fit node pool {pool.name}, which "
            f"holds {most}: lower spec.replicas.min, or ask the owner of {recorded.claim} for more nodes",
        )
    if too_much := exceeding(pool, spec.engine.resources):
        return _refuse("MachineTooSmall", f"{too_much}: ask for less")
    if recorded.sized_by == sized_by(spec):
        # A newer catalog may size the Model otherwise; that is no reason to move or to restart what runs.
        size = size or _lost_sizing(spec, recorded, known, cluster, pool)
        refreshed = _refreshed(request, spec, with_image, cluster, pool)
        if size is not None and recorded.context_length is None:
            # An older version did not record it.
            refreshed = refreshed.model_copy(update={"context_length": size.context_length})
        return Placed(refreshed, placed_on(recorded), size)
    return _sized_again(request, spec, given, recorded, known, cluster, pool)


def _pool(cluster: Cluster | None, recorded: Placement) -> PoolStatus | None:
    pools = cluster.status.node_pools if cluster else None
    return next((pool for pool in pools or [] if pool.name == recorded.node_pool), None)


def _missing(
    request: Request, cluster: Cluster | None, pool: PoolStatus | None, recorded: Placement
) -> Condition | None:
    """Return the condition of a Model whose cluster or node pool is missing or no longer admits it."""
    claim, namespace = recorded.claim, request.claim.namespace
    if cluster is None:
        return _keep(
            CLUSTER_MISSING,
            f"InferenceCluster {claim} publishes no node pools: if it was deleted, delete this Model and "
            "create it again; if it exists, ask its owner what its conditions say",
        )
    if not cluster.admits(namespace):
        return _keep(
            "NamespaceNotAllowed",
            f"InferenceCluster {claim} no longer admits Models of namespace {namespace}: ask its owner to "
            f"add {namespace} to its spec.allowedNamespaces, or delete this Model",
        )
    if pool is None:
        return _keep(
            "PoolMissing",
            f"InferenceCluster {claim} has no node pool {recorded.node_pool} any more: ask its owner to "
            "restore it, or name another cluster and its nodePool in spec.cluster",
        )
    return None


def _lost_sizing(
    spec: ModelSpec, recorded: Placement, known: Known, cluster: Cluster, pool: PoolStatus
) -> Sizing | None:
    """Return the sizing that a status has lost; None where this catalog would not place the Model here.

    The context is the recorded one, with which the Model runs: the catalog, or the model's files, may say
    another longest context by now.
    """
    facts, context = known.facts, recorded.context_length
    if facts is None:
        return None
    if context is None:
        replica = need(spec, facts)
    else:
        longest = max(facts.max_context, context)
        replica = need(spec, replace(facts, max_context=longest))._replace(context=context)
    result = fit_pool(spec, replica, _complete(cluster), pool)
    return sizing_of(replica, Choices(result)) if isinstance(result, Choice) else None


def _complete(cluster: Cluster) -> Cluster:
    """Return a cluster with every component: an offer does not name them, and one that is missing is told."""
    status = cluster.status.model_copy(update={"components": [contract.LEADER_WORKER_SET]})
    return cluster._replace(status=status)


def _sized_again(
    request: Request,
    spec: ModelSpec,
    given: VLLMInput,
    recorded: Placement,
    known: Known,
    cluster: Cluster,
    pool: PoolStatus,
) -> Placed | Moving | Condition:
    """Size a Model with a changed spec on its node pool."""
    if known.facts is None:
        return goes_on(known.unknown)
    engine_of(spec).refuse_model(spec, image_of(spec, given, recorded), known.facts)
    replica = need(spec, known.facts)
    result = fit_pool(spec, replica, _complete(cluster), pool)
    if not isinstance(result, Choice):
        why = f"the changed spec does not fit {where(recorded)}: {result.why}"
        return leave(request, spec, given, recorded, known, why)
    if (result.fit.nodes > 1) != (recorded.nodes > 1):
        why = f"the changed spec needs {result.takes}, and the Model runs on {takes(recorded)}"
        return leave(request, spec, given, recorded, known, why)
    choices = Choices(result)
    image, tag = image_of(spec, given, recorded), recorded.tag_in_names
    placement = placement_of(request, choices, spec, replica, image=image, tag=tag)
    if recorded.weights == placement.weights:
        placement = placement.model_copy(update=storage(recorded))
    return Placed(placement, placed_on(placement), sizing_of(replica, choices))


def storage(placement: Placement) -> dict[str, object]:
    """Return the storage that a volume was created with and keeps, as fields of a placement."""
    return {"storage_class_name": placement.storage_class_name, "shared_storage": placement.shared_storage}


def _refreshed(
    request: Request, spec: ModelSpec, recorded: Placement, cluster: Cluster, pool: PoolStatus
) -> Placement:
    """Update a placement by what the cluster says of its access and nodes, and the spec of the weights."""
    access = cluster.status.access
    weights = source_of(spec).identity(spec, recorded.engine_flags or ())
    assert access is not None, "an offer has the cluster's access"
    update: dict[str, object] = {
        "provider_config": access.kubernetes_provider_config,
        "provider_config_namespace": access.namespace,
        "node_selector": pool.node_selector,
        "taints": pool.taints,
        "weights": weights,
        "gateway": gateway_of(spec, cluster.status.gateway, request.claim.namespace, recorded.gateway),
    }
    if recorded.weights != weights:
        update |= storage_of(cluster.status, pool, several_nodes=spec.replicas.min > 1 or recorded.nodes > 1)
    return recorded.model_copy(update=update)


def _keep(reason: str, message: str) -> Condition:
    return not_placed(Whose.PLATFORM, reason, f"{message}. {GOES_ON}")


def _refuse(reason: str, message: str) -> Condition:
    return not_placed(Whose.MODEL, reason, f"{message}. {GOES_ON}")
