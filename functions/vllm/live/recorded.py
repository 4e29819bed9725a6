"""A place as it is recorded and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import ClusterStatus, Fabric, ModelSpec, Placement, PoolStatus, RunnerUp, Sizing
from functions.base import Condition, Request, Status, Whose

from ..engine.vllm import engine_flags
from ..place.choose import Choices
from ..place.units import in_words, resource, unit_memory_mib, utilization
from ..plan import asked, namespace_of, weights_id
from ..size import memory

__all__ = [
    "Placed",
    "placed_on",
    "placement_of",
    "sizing_of",
    "storage_of",
    "takes",
    "waiting",
    "where",
]


@dataclass(frozen=True)
class Placed:
    """Where the Model is, and what there is to say about it."""

    placement: Placement
    condition: Condition | None
    """None leaves the standing one."""
    sizing: Sizing | None
    known: bool = True
    """Whether its cluster has been asked and is there; nothing is given up while it is not."""


def placement_of(
    request: Request, choices: Choices, spec: ModelSpec, what: memory.Need, tag: str = ""
) -> Placement:
    """Return what to record of the best choice, and of those behind it.

    Args:
        request: the Model's.
        choices: with a best one.
        spec: the Model's.
        what: what it was sized for.
        tag: of a place that the Model moves to.
    """
    choice = choices.best
    assert choice is not None, "the caller looked"
    cluster, pool, fit = choice.candidate, choice.pool, choice.fit
    access = cluster.status.access
    assert access is not None, "a usable cluster has published its access"
    hourly = choice.hourly_usd
    return Placement(
        cluster=cluster.name,
        claim=f"{cluster.claim.namespace}/{cluster.claim.name}",
        node_pool=pool.name,
        gpu_model=pool.gpu_model,
        gpus=fit.gpus,
        nodes=fit.nodes,
        ranks=fit.ranks if fit.ranks > 1 else None,
        resource=resource(pool),
        fabric=_fabric(pool, fit),
        namespace=namespace_of(request.claim, tag),
        tag=tag or None,
        provider_config=access.kubernetes_provider_config,
        provider_config_namespace=access.namespace,
        **storage_of(cluster.status, spec.replicas.min > 1 or fit.nodes > 1),
        node_selector=pool.node_selector,
        taints=pool.taints,
        sharing=pool.sharing.mode if pool.sharing else None,
        gpu_memory_utilization=utilization(pool.sharing),
        price_usd_per_hour=None if hourly is None else round(hourly, 4),
        runners_up=_runners_up(choices),
        engine_flags=engine_flags(spec, what.facts, fit.gpus // fit.ranks) or None,
        weights=weights_id(spec),
        asked=asked(spec),
    )


def _fabric(pool: PoolStatus, fit: memory.Fit) -> Fabric | None:
    """Return the RDMA devices of a replica's pod; only nodes that talk to one another need them."""
    if fit.nodes == 1 or pool.fabric is None:
        return None
    devices = max(1, pool.fabric.per_node * fit.gpus // pool.gpus_per_node)
    return pool.fabric.model_copy(update={"per_node": devices})


def storage_of(status: ClusterStatus, by_several_nodes: bool) -> dict[str, Any]:
    """Return what a volume is to be made with, as fields of a placement."""
    if by_several_nodes and status.shared_storage_class_name:
        return {"storage_class_name": status.shared_storage_class_name, "shared_storage": True}
    return {"storage_class_name": status.storage_class_name, "shared_storage": status.shared_storage}


def _runners_up(choices: Choices) -> list[RunnerUp] | None:
    best = choices.best
    if best is None or not choices.runners_up:
        return None
    return [
        RunnerUp(
            claim=f"{c.candidate.claim.namespace}/{c.candidate.claim.name}",
            node_pool=c.pool.name,
            gpus=c.takes,
            why=c.behind(best),
        )
        for c in choices.runners_up
    ]


def sizing_of(what: memory.Need, choices: Choices) -> Sizing:
    """Return the arithmetic of the best choice, as numbers and in words."""
    choice = choices.best
    assert choice is not None, "the caller looked"
    fit, memory_gib = choice.fit, unit_memory_mib(choice.pool) / 1024
    loaded, stored = round(what.facts.weights_gib, 2), round(what.facts.checkpoint_gib, 2)
    weights = _in_sum(what, fit)
    overhead = memory_gib * memory.UTILIZATION - fit.usable_gib
    explanation = (
        f"{memory_gib:.1f} GiB x {memory.UTILIZATION} - {overhead:.1f} "
        f"overhead = {fit.usable_gib:.1f} GiB usable on each of {choice.takes}; needed: weights "
        f"{weights} = {fit.weights_gib:.1f}, cache "
        f"of {-(-what.concurrency // fit.ranks)} x {what.context} tokens = {fit.cache_gib:.1f}, together "
        f"{fit.needed_gib:.1f} GiB"
    )
    return Sizing(
        weights_gib=loaded,
        checkpoint_gib=None if loaded == stored else stored,
        kv_cache_bytes_per_token=memory.bytes_per_token(what.facts),
        context_length=what.context,
        concurrency=what.concurrency,
        kv_cache_gib=round(memory.whole_cache_gib(what, unit_memory_mib(choice.pool)), 2),
        usable_gib_per_gpu=round(fit.usable_gib, 2),
        needed_gib_per_gpu=round(fit.needed_gib, 2),
        explanation=explanation,
    )


def _in_sum(what: memory.Need, fit: memory.Fit) -> str:
    """Say how the weights on one GPU follow from all of them."""
    whole, factor = what.facts.weights_gib, memory.WEIGHTS_FACTOR
    if fit.ranks > 1:
        experts = what.facts.experts_gib
        return f"({whole - experts:.1f} + {experts:.1f} of experts / {fit.gpus}) x {factor}"
    stages = f", the largest of {fit.nodes} stages," if fit.nodes > 1 else ""
    return f"{whole:.1f} x {factor} / {fit.gpus}{stages}"


def waiting(whose: Whose, reason: str, message: str) -> Condition:
    """The condition of a Model that is not where its spec wants it."""
    return Condition("Placed", Status.FALSE, reason, message, whose)


def placed_on(placement: Placement) -> Condition:
    """The condition of a Model in its place."""
    message = f"on {where(placement)}, {takes(placement)} a replica"
    return Condition("Placed", Status.TRUE, "Placed", message, Whose.MODEL)


def where(placement: Placement) -> str:
    """Name the cluster and the node pool."""
    return f"{placement.claim}, node pool {placement.node_pool}"


def takes(placement: Placement) -> str:
    """Say what a replica takes."""
    shared = placement.sharing is not None
    return in_words(placement.gpus, placement.nodes, placement.gpu_model, shared=shared)
