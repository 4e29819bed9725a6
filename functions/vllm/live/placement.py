"""The placement of a Model, as its status records it, and the sizing that led to it."""

from __future__ import annotations

from typing import Any, NamedTuple

from functions.api import (
    Certainty,
    ClusterStatus,
    Fabric,
    KVCacheType,
    ModelSpec,
    OfferedGateway,
    Placement,
    PoolStatus,
    RunnerUp,
    Sizing,
)
from functions.base import Claim, Condition, Request, Status, Whose, digest, unique_name
from functions.catalog import bytes_per_token

from ..place.choose import Choices
from ..place.devices import describe, resource
from ..place.machine import requests
from ..place.pools import Choice
from ..size.memory import WEIGHTS_FACTOR, Fit, total_cache_gib
from ..size.need import Need
from ..source import source_of

__all__ = [
    "Placed",
    "gateway_of",
    "placed_on",
    "placement_of",
    "sized_by",
    "sizing_of",
    "storage_of",
    "takes",
    "where",
]


class Placed(NamedTuple):
    """A Model that has a placement."""

    placement: Placement
    condition: Condition | None
    """The condition Placed; None leaves the one that the composite has."""
    sizing: Sizing | None
    """None where the status has lost it."""
    known: bool = True
    """Whether its cluster was asked and exists; while it is not, nothing is given up."""


def placement_of(
    request: Request, choices: Choices, spec: ModelSpec, need: Need, *, image: str, tag: str = ""
) -> Placement:
    """Return what to record of the best choice and of those behind it.

    Args:
        request: the Model's.
        choices: of which there is a best one.
        spec: the Model's.
        need: of one replica.
        image: of the engine.
        tag: of a placement that the Model moves to.
    """
    choice = _best(choices)
    cluster, pool, fit = choice.cluster, choice.pool, choice.fit
    access = cluster.status.access
    assert access is not None, "a usable cluster has published its access"
    flags = need.engine.model_arguments(spec, need.facts, fit.gpus // fit.data_parallel)
    hourly, share = choice.hourly_usd, requests(pool, fit.gpus)
    return Placement(
        cluster=cluster.name,
        claim=f"{cluster.claim.namespace}/{cluster.claim.name}",
        node_pool=pool.name,
        gpu_model=pool.gpu_model,
        gpus=fit.gpus,
        nodes=fit.nodes,
        data_parallel=fit.data_parallel if fit.data_parallel > 1 else None,
        resource=resource(pool),
        cpu=share.cpu,
        memory=share.memory,
        fabric=_fabric(pool, fit),
        namespace=_namespace_of(request.claim, tag),
        tag=tag or None,
        provider_config=access.kubernetes_provider_config,
        provider_config_namespace=access.namespace,
        **storage_of(cluster.status, pool, several_nodes=spec.replicas.min > 1 or fit.nodes > 1),
        node_selector=pool.node_selector,
        taints=pool.taints,
        sharing=pool.sharing.mode if pool.sharing else None,
        gpu_memory_utilization=fit.device.utilization,
        price_usd_per_hour=None if hourly is None else round(hourly, 4),
        runners_up=_runners_up(choices),
        gateway=gateway_of(spec, cluster.status.gateway, request.claim.namespace),
        image=image,
        engine_flags=[*flags, *need.engine.memory_arguments(fit.batch, need.facts)],
        context_length=need.context,
        weights=source_of(spec).identity(spec, flags),
        sized_by=sized_by(spec),
    )


def gateway_of(
    spec: ModelSpec,
    offered: OfferedGateway | None,
    namespace: str,
    before: OfferedGateway | None = None,
) -> OfferedGateway | None:
    """Return a cluster's gateway as a Model of a namespace may know it: placements are recorded.

    Of its issuers with those that the Model names, and with the ceiling of no other namespace.

    Args:
        spec: of the Model.
        offered: the gateway, as the cluster offers it.
        namespace: of the claim.
        before: the gateway that is recorded. An offer that says nothing of issuers, and not that there are
            none, is of a function that knows none yet, or no more: those that are known stay.
    """
    offered = offered and offered.seen_by(namespace)
    if offered is None:
        return None
    known = offered.issuers if offered.issuers is not None or before is None else before.issuers
    named = {tokens.issuer for tokens in spec.access.jwt}
    issuers = [issuer for issuer in known or () if issuer.name in named]
    return offered.model_copy(update={"issuers": issuers or None})


def _best(choices: Choices) -> Choice:
    assert choices.best is not None, "a search without a best choice returns a condition"
    return choices.best


def _namespace_of(claim: Claim, tag: str) -> str:
    """Name the Model's own namespace in its cluster, by what a tenant cannot choose for another.

    The digest separates tenants, so it is long enough that nobody finds a second name with the same one.
    """
    return unique_name(claim.namespace, claim.name, *([tag] if tag else []), digits=16)


def sized_by(spec: ModelSpec) -> str:
    """Return a digest of the fields that a Model is sized by: only when it changes is it sized again.

    Without defaults: a field that a newer version adds sizes nothing again.
    """
    sized = {
        "model",
        "base_model",
        "context_length",
        "concurrency",
        "gpu",
        "architecture",
        "task",
        "quantization",
        "tool_calling",
        "reasoning",
        "multimodal",
    }
    engine = ["remote code"] if spec.engine.trust_remote_code else []
    if spec.engine.kv_cache_type is not KVCacheType.AUTO:
        engine.append(f"KV cache in {spec.engine.kv_cache_type.value}")
    return digest(spec.canonical(include=sized), *engine)


def _fabric(pool: PoolStatus, fit: Fit) -> Fabric | None:
    """Return the RDMA devices of a replica's pod; only pods that exchange data with other nodes need them."""
    if fit.nodes == 1 or pool.fabric is None:
        return None
    devices = max(1, pool.fabric.per_node * fit.gpus // pool.gpus_per_node)
    return pool.fabric.model_copy(update={"per_node": devices})


def storage_of(status: ClusterStatus, pool: PoolStatus, *, several_nodes: bool) -> dict[str, Any]:
    """Return the storage of a new volume, as fields of a placement.

    Args:
        status: of the cluster.
        pool: whose nodes mount the volume.
        several_nodes: whether several of them do.
    """
    # A volume of one zone would keep the Model from coming back where the pool's next node is in another.
    several_zones = len(pool.zones or ()) != 1
    if (several_nodes or several_zones) and status.shared_storage_class_name:
        return {"storage_class_name": status.shared_storage_class_name, "shared_storage": True}
    return {"storage_class_name": status.storage_class_name, "shared_storage": status.shared_storage}


def _runners_up(choices: Choices) -> list[RunnerUp] | None:
    best = choices.best
    if best is None or not choices.runners_up:
        return None
    return [
        RunnerUp(
            claim=f"{c.cluster.claim.namespace}/{c.cluster.claim.name}",
            node_pool=c.pool.name,
            gpus=c.takes,
            why=c.behind(best),
        )
        for c in choices.runners_up
    ]


def sizing_of(need: Need, choices: Choices) -> Sizing:
    """Return the arithmetic of the best choice, as numbers and in words."""
    choice = _best(choices)
    fit = choice.fit
    loaded, stored = round(need.facts.weights_gib, 2), round(need.facts.checkpoint_gib, 2)
    visible, utilization = fit.device.visible_gib, fit.device.utilization
    overhead = fit.device.granted_gib - fit.usable_gib
    requests = -(-need.concurrency // fit.data_parallel)
    explanation = (
        f"{choice.takes} per replica. Usable on each GPU: {visible:.1f} GiB x {utilization} - "
        f"{overhead:.1f} overhead = {fit.usable_gib:.1f} GiB. Needed on each GPU: weights "
        f"{_weights_in_words(need, fit)} = {fit.weights_gib:.1f}, KV cache of {requests} x {need.context} "
        f"tokens = {fit.cache_gib:.1f}, together {fit.needed_gib:.1f} GiB"
    )
    return Sizing(
        weights_gib=loaded,
        checkpoint_gib=None if loaded == stored else stored,
        kv_cache_bytes_per_token=bytes_per_token(need.facts),
        context_length=need.context,
        concurrency=need.concurrency,
        kv_cache_gib=round(total_cache_gib(need, fit.batch), 2),
        usable_gib_per_gpu=round(fit.usable_gib, 2),
        needed_gib_per_gpu=round(fit.needed_gib, 2),
        certainty=Certainty.MEASURED if fit.measured else Certainty.MODELLED,
        explanation=explanation,
    )


def _weights_in_words(need: Need, fit: Fit) -> str:
    """Say how the weights are divided."""
    whole, tensor_parallel = need.facts.weights_gib, fit.gpus // fit.data_parallel
    layers = need.facts.layers
    words = f"{whole:.1f}"
    if fit.data_parallel > 1:
        words += f" with experts divided by {fit.data_parallel}"
    if tensor_parallel > 1:
        words += f" divided by {tensor_parallel}"
    if fit.nodes > 1:
        words += f", {-(-layers // fit.nodes)} of {layers} layers"
    return f"{words}, x {WEIGHTS_FACTOR}"


def placed_on(placement: Placement) -> Condition:
    """Return the condition of a Model that is placed as its spec wants."""
    message = f"on {where(placement)}, {takes(placement)} per replica"
    return Condition("Placed", Status.TRUE, "Placed", message, Whose.MODEL)


def where(placement: Placement) -> str:
    """Name the cluster and the node pool."""
    return f"{placement.claim}, node pool {placement.node_pool}"


def takes(placement: Placement) -> str:
    """Say what a replica takes."""
    shared = placement.sharing is not None
    return describe(placement.gpus, placement.nodes, placement.gpu_model, shared=shared)
