"""Where a new Model goes, or why it goes nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from functions.api import (
    ClusterChoice,
    ClusterStatus,
    Fabric,
    ModelSpec,
    Placement,
    PoolStatus,
    RunnerUp,
    Sizing,
    VLLMInput,
)
from functions.base import Condition, Invalid, Request, Status, Whose
from functions.catalog import ModelFacts, models, nearest

from . import clusters, sizing
from .capacity import in_words, resource, unit_memory_mib, utilization
from .engine_flags import engine_flags
from .explain import nowhere
from .placement import Candidate, Choice, Choices, choose
from .plan import asked, namespace_of, weights_id

__all__ = [
    "Placed",
    "facts_of",
    "place",
    "placed_on",
    "placement_of",
    "sizing_of",
    "storage_of",
    "trusted",
    "unknown_model",
    "waiting",
]


@dataclass(frozen=True)
class Placed:
    """Where the Model is, and what there is to say about it."""

    placement: Placement
    condition: Condition | None
    """None leaves the standing one."""
    sizing: Sizing | None
    complete: bool = True


def place(request: Request, spec: ModelSpec, given: VLLMInput) -> Placed | Condition:
    """Choose a place among all clusters, or say why there is none.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    facts = facts_of(spec, given)
    if facts is None:
        raise unknown_model(spec.model)
    what = sizing.need(spec, facts)
    namespace = request.claim.namespace
    found = [c for c in clusters.all_clusters(request, spec) if trusted(c, spec, given, namespace)]
    owners = {c.claim.namespace for c in found}
    if spec.cluster is not None and spec.cluster.name is not None and len(owners) > 1:
        return waiting(
            Whose.MODEL,
            "ClusterAmbiguous",
            f"there is an InferenceCluster {spec.cluster.name} in each of {', '.join(sorted(owners))}: "
            "say which in spec.cluster.namespace",
        )
    admitted = [c for c in found if c.admits(namespace)]
    usable = [c for c in admitted if not c.waiting_for]
    if not usable:
        return _no_cluster(spec.cluster, namespace, found, admitted)
    choices = choose(spec, what, usable)
    if choices.best is None:
        return nowhere(spec, what, usable, choices.refusals)
    placement = placement_of(request, choices.best, spec, what, runners_up(choices))
    return Placed(placement, placed_on(placement), sizing_of(what, choices.best))


def trusted(candidate: Candidate, spec: ModelSpec, given: VLLMInput, namespace: str) -> bool:
    """Tell whether a Model may go to a cluster unasked: its owner reads what runs there."""
    owner = candidate.claim.namespace
    if spec.cluster is not None and spec.cluster.namespace == owner:
        return True
    return owner == namespace or any(fnmatchcase(owner, p) for p in given.cluster_namespaces)


def facts_of(spec: ModelSpec, given: VLLMInput) -> ModelFacts | None:
    """Return the model's numbers: the spec's, the platform's or the catalog's."""
    architecture = spec.architecture or given.architectures.get(spec.model)
    if architecture is not None:
        return sizing.of_architecture(spec.model, architecture)
    return models().get(spec.model)


def unknown_model(name: str) -> Invalid:
    """Say what to add for a model whose numbers nobody gave."""
    close = nearest(name, list(models()))
    hint = f"Did you mean {' or '.join(close)}? If not, add" if close else "Add"
    return Invalid(
        "spec.model",
        f"{name} is not in the catalog, so its size is not known",
        f"{hint} spec.architecture with parametersBillions, layers, attentionHeads, kvHeads, headDim and "
        "maxContextLength from the model's config.json",
        reason="UnknownModel",
    )


def _no_cluster(
    wanted: ClusterChoice | None, namespace: str, found: list[Candidate], admitted: list[Candidate]
) -> Condition:
    """Say why no cluster takes the Model, naming only clusters that admit it or that it names."""
    if admitted:
        reasons = "; ".join(f"{c.claim.name}: {c.waiting_for}" for c in admitted)
        return waiting(Whose.INFRASTRUCTURE, "ClusterNotReady", f"waits for a cluster. {reasons}")
    if found:
        those = wanted.name if wanted and wanted.name else "any InferenceCluster"
        return waiting(
            Whose.PLATFORM,
            "NamespaceNotAllowed",
            f"namespace {namespace} may not use {those}: ask its owner to add {namespace} to "
            "spec.allowedNamespaces",
        )
    if wanted is not None:
        return waiting(
            Whose.MODEL,
            "ClusterNotFound",
            f"there is no InferenceCluster {_in_words(wanted)} in this namespace or one that the platform "
            "shares: correct spec.cluster, say its namespace in spec.cluster.namespace, or leave it out",
        )
    return waiting(
        Whose.PLATFORM,
        "NoCluster",
        "there is no InferenceCluster in this namespace or one that the platform shares: ask the platform "
        "team to claim one, or name another in spec.cluster",
    )


def _in_words(wanted: ClusterChoice) -> str:
    if wanted.name:
        return f"{wanted.namespace}/{wanted.name}" if wanted.namespace else wanted.name
    return "with labels " + ", ".join(f"{k}={v}" for k, v in sorted((wanted.match_labels or {}).items()))


def placement_of(
    request: Request,
    choice: Choice,
    spec: ModelSpec,
    what: sizing.Need,
    others: list[RunnerUp] | None = None,
) -> Placement:
    """Return what to record of a choice."""
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
        resource=resource(pool),
        fabric=fabric_of(pool, fit),
        namespace=namespace_of(request.claim),
        provider_config=access.kubernetes_provider_config,
        provider_config_namespace=access.namespace,
        **storage_of(cluster.status, spec.replicas.min > 1 or fit.nodes > 1),
        node_selector=pool.node_selector,
        taints=pool.taints,
        sharing=pool.sharing.mode if pool.sharing else None,
        gpu_memory_utilization=utilization(pool.sharing),
        price_usd_per_hour=None if hourly is None else round(hourly, 4),
        runners_up=others,
        engine_flags=engine_flags(spec, what.facts, choice.fit.gpus) or None,
        weights=weights_id(spec),
        asked=asked(spec),
    )


def fabric_of(pool: PoolStatus, fit: sizing.Fit) -> Fabric | None:
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


def runners_up(choices: Choices) -> list[RunnerUp] | None:
    """Return the next best pools and why they are behind; None without any."""
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


def sizing_of(what: sizing.Need, choice: Choice) -> Sizing:
    """Return the arithmetic of a choice, as numbers and in words."""
    fit, memory_gib = choice.fit, unit_memory_mib(choice.pool) / 1024
    loaded, stored = round(what.facts.weights_gib, 2), round(what.facts.checkpoint_gib, 2)
    split = f"{fit.gpus}" if fit.nodes == 1 else f"{fit.gpus}, the largest of {fit.nodes} stages,"
    overhead = sizing.OVERHEAD_GIB[choice.units > 1]
    explanation = (
        f"{memory_gib:.1f} GiB x {sizing.UTILIZATION} - {overhead} "
        f"overhead = {fit.usable_gib:.1f} GiB usable on each of {choice.takes}; needed: weights "
        f"{what.facts.weights_gib:.1f} x {sizing.WEIGHTS_FACTOR} / {split} = {fit.weights_gib:.1f}, cache "
        f"of {what.concurrency} x {what.context} tokens = {fit.cache_gib:.1f}, together "
        f"{fit.needed_gib:.1f} GiB"
    )
    return Sizing(
        weights_gib=loaded,
        checkpoint_gib=None if loaded == stored else stored,
        kv_cache_bytes_per_token=sizing.bytes_per_token(what.facts),
        context_length=what.context,
        concurrency=what.concurrency,
        kv_cache_gib=round(what.cache_gib * what.concurrency, 2),
        usable_gib_per_gpu=round(fit.usable_gib, 2),
        needed_gib_per_gpu=round(fit.needed_gib, 2),
        explanation=explanation,
    )


def waiting(whose: Whose, reason: str, message: str) -> Condition:
    """The condition of a Model that is not where its spec wants it."""
    return Condition("Placed", Status.FALSE, reason, message, whose)


def placed_on(placement: Placement) -> Condition:
    """The condition of a Model in its place."""
    shared = placement.sharing is not None
    gpus = in_words(placement.gpus, placement.nodes, placement.gpu_model, shared=shared)
    message = f"on {placement.claim}, node pool {placement.node_pool}, {gpus} a replica"
    return Condition("Placed", Status.TRUE, "Placed", message, Whose.MODEL)
