"""Where a Model is, or why it is nowhere: placed once, then kept.

A Model without a place looks at every cluster that it may use. A placed one asks for
its own cluster alone, and goes on from its record when that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.api import ModelSpec, Placement, Sizing, VLLMInput
from functions.base import Condition, Invalid, Request, Status, Unanswered, Whose
from functions.catalog import ModelFacts, models, nearest

from . import clusters, sizing
from .placement import Candidate, Choice, choose, explain, judge
from .plan import namespace_of, weights_id

__all__ = ["PLACEMENT_ANNOTATION", "Placed", "place", "recorded_placement"]

PLACEMENT_ANNOTATION = "freehold.dev/placement"
"""On the Deployment's Object: the placement, should the composite's status be lost."""


@dataclass(frozen=True)
class Placed:
    """Where the Model is, and what there is to say about it."""

    placement: Placement
    condition: Condition | None
    """None leaves the standing one."""
    sizing: Sizing | None
    complete: bool = True


def place(request: Request, spec: ModelSpec, given: VLLMInput) -> Placed | Condition:
    """Place a Model, or keep it in its place; a condition alone says why it is carried on as it is.

    Raises:
        Invalid: for a spec that no cluster could serve.
        Unanswered: when the clusters are not known yet.
    """
    recorded = recorded_placement(request)
    facts = _facts(spec, given)
    if recorded is not None:
        return _go_on(request, spec, facts, recorded)
    if facts is None:
        raise _unknown_model(spec.model)
    return _place(request, spec, sizing.need(spec, facts))


def recorded_placement(request: Request) -> Placement | None:
    """Return the placement from the status or, if that is lost, from the Deployment's Object."""
    placement = request.status(Placement, "placement")
    if placement is not None:
        return placement
    live = request.resource("vllm/deployment")
    text = live.text("metadata", "annotations", PLACEMENT_ANNOTATION) if live else None
    try:
        return Placement.model_validate_json(text) if text else None
    except ValueError:
        return None


def _facts(spec: ModelSpec, given: VLLMInput) -> ModelFacts | None:
    architecture = spec.architecture or given.architectures.get(spec.model)
    if architecture is not None:
        return sizing.of_architecture(spec.model, architecture)
    return models().get(spec.model)


def _unknown_model(name: str) -> Invalid:
    close = nearest(name, list(models()))
    hint = f"Did you mean {' or '.join(close)}? If not, add" if close else "Add"
    return Invalid(
        "spec.model",
        f"{name} is not in the catalog, so its size is not known",
        f"{hint} spec.architecture with parametersBillions, layers, attentionHeads, kvHeads, headDim and "
        "maxContextLength from the model's config.json",
        reason="UnknownModel",
    )


def _place(request: Request, spec: ModelSpec, what: sizing.Need) -> Placed | Condition:
    """Choose a place among all clusters, or say why there is none.

    Raises:
        Unanswered: when the clusters are not known yet.
    """
    namespace = request.claim.namespace
    found = clusters.all_clusters(request, spec)
    admitted = [c for c in found if c.admits(namespace)]
    usable = [c for c in admitted if not c.waiting_for]
    if not usable:
        return _no_cluster(spec, namespace, found, admitted)
    choice, refusals = choose(spec, what, usable)
    if choice is None:
        return _waiting(Whose.MODEL, "NothingFits", explain(what, refusals))
    placement = _placement(request, choice, weights_id(spec))
    return Placed(placement, _placed_on(placement), _sizing(what, choice))


def _no_cluster(
    spec: ModelSpec, namespace: str, found: list[Candidate], admitted: list[Candidate]
) -> Condition:
    if admitted:
        waiting = "; ".join(f"{c.claim.name}: {c.waiting_for}" for c in admitted)
        return _waiting(Whose.INFRASTRUCTURE, "ClusterNotReady", f"waits for a cluster. {waiting}")
    if found:
        those = ", ".join(f"{c.claim.namespace}/{c.claim.name}" for c in found)
        return _waiting(
            Whose.PLATFORM,
            "NamespaceNotAllowed",
            f"namespace {namespace} may not use {those}: "
            f"ask its owner to add {namespace} to spec.allowedNamespaces",
        )
    if spec.cluster is not None:
        wanted = spec.cluster.name or f"labels {spec.cluster.match_labels}"
        return _waiting(
            Whose.MODEL,
            "ClusterNotFound",
            f"there is no InferenceCluster {wanted}: correct spec.cluster, or leave it out to use any",
        )
    return _waiting(
        Whose.PLATFORM, "NoCluster", "there is no InferenceCluster yet: ask the platform team to claim one"
    )


def _go_on(
    request: Request, spec: ModelSpec, facts: ModelFacts | None, recorded: Placement
) -> Placed | Condition:
    """Keep a placed Model where it is; what no longer agrees becomes a condition.

    Raises:
        Unanswered: when its cluster is not known yet and other weights are wanted.
    """
    same_weights = recorded.weights == weights_id(spec)

    def refuse(reason: str, message: str) -> Condition:
        return _waiting(Whose.MODEL, reason, f"{message}. The Model goes on as it was")

    def keep(reason: str, message: str) -> Placed | Condition:
        condition = _waiting(Whose.PLATFORM, reason, f"{message}. The Model goes on as it was")
        if not same_weights:
            return condition
        return Placed(recorded, condition, request.status(Sizing, "sizing"), complete=False)

    try:
        cluster = clusters.one_cluster(request, recorded.cluster)
    except Unanswered:
        if not same_weights:
            raise
        return Placed(recorded, None, request.status(Sizing, "sizing"), complete=False)
    if cluster is None:
        return keep(
            "ClusterMissing",
            f"InferenceCluster {recorded.claim} is gone: restore it, or delete this Model",
        )
    if not cluster.admits(request.claim.namespace):
        return keep(
            "NamespaceNotAllowed",
            f"{recorded.claim} no longer admits namespace {request.claim.namespace}: ask its owner to add "
            "it to spec.allowedNamespaces, or delete this Model",
        )
    if facts is None:
        return refuse("UnknownModel", str(_unknown_model(spec.model)).rstrip("."))
    pool = next((p for p in cluster.status.node_pools or [] if p.name == recorded.node_pool), None)
    if pool is None or cluster.status.access is None:
        return keep(
            "PoolMissing",
            f"node pool {recorded.node_pool} of {recorded.claim} is gone: restore it, or delete this Model",
        )
    what = sizing.need(spec, facts)
    judged = judge(spec, what, cluster, pool)
    if not isinstance(judged, Choice):
        return refuse("NothingFits", explain(what, [judged]))
    placement = _placement(request, judged, weights_id(spec))
    if same_weights:
        # A volume's class and access mode are those that it was made with.
        kept = {"storage_class_name": recorded.storage_class_name, "shared_storage": recorded.shared_storage}
        placement = placement.model_copy(update=kept)
    if spec.replicas.min > 1 and not placement.shared_storage:
        return refuse(
            "VolumeNotShared",
            f"{spec.replicas.min} replicas need a volume that several nodes can read, and this Model's was "
            "made for one: keep spec.replicas.min at 1, or delete this Model and claim it again",
        )
    return Placed(placement, _placed_on(placement), _sizing(what, judged))


def _placement(request: Request, choice: Choice, weights: str) -> Placement:
    cluster, pool = choice.candidate, choice.pool
    access = cluster.status.access
    assert access is not None, "a usable cluster has published its access"
    return Placement(
        cluster=cluster.name,
        claim=f"{cluster.claim.namespace}/{cluster.claim.name}",
        node_pool=pool.name,
        gpu_model=pool.gpu_model,
        gpus=choice.fit.gpus,
        namespace=namespace_of(request.claim),
        provider_config=access.kubernetes_provider_config,
        provider_config_namespace=access.namespace,
        storage_class_name=cluster.status.storage_class_name,
        shared_storage=cluster.status.shared_storage,
        node_selector=pool.node_selector,
        weights=weights,
    )


def _sizing(what: sizing.Need, choice: Choice) -> Sizing:
    fit = choice.fit
    total = what.cache_gib() * what.concurrency
    return Sizing(
        weights_gib=round(what.facts.weights_gib, 2),
        kv_cache_bytes_per_token=sizing.bytes_per_token(what.facts),
        context_length=what.context,
        concurrency=what.concurrency,
        kv_cache_gib=round(total, 2),
        usable_gib_per_gpu=round(fit.usable_gib, 2),
        needed_gib_per_gpu=round(fit.needed_gib, 2),
        explanation=_in_words(what, choice),
    )


def _in_words(what: sizing.Need, choice: Choice) -> str:
    fit, pool = choice.fit, choice.pool
    return (
        f"{pool.gpu_memory_mib / 1024:.1f} GiB x {sizing.UTILIZATION} - {sizing.OVERHEAD_GIB[fit.gpus > 1]} "
        f"overhead = {fit.usable_gib:.1f} GiB usable on each of {fit.gpus} {pool.gpu_model}; needed: weights "
        f"{what.facts.weights_gib:.1f} x {sizing.WEIGHTS_FACTOR} / {fit.gpus} = {fit.weights_gib:.1f}, cache "
        f"of {what.concurrency} x {what.context} tokens = {fit.cache_gib:.1f}, together "
        f"{fit.needed_gib:.1f} GiB"
    )


def _waiting(whose: Whose, reason: str, message: str) -> Condition:
    return Condition("Placed", Status.FALSE, reason, message, whose)


def _placed_on(placement: Placement) -> Condition:
    gpus = f"{placement.gpus} {placement.gpu_model}"
    message = f"on {placement.claim}, node pool {placement.node_pool}, {gpus} a replica"
    return Condition("Placed", Status.TRUE, "Placed", message, Whose.MODEL)
