"""function-vllm: from a Model to its serving pods.

A Model without a place looks at every cluster that it may use. A placed one asks for
its own cluster alone, and goes on from the placement in its status when that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.api import ModelSpec, Placement, Sizing, VLLMInput
from functions.base import (
    Condition,
    Function,
    Invalid,
    Outcome,
    Progress,
    Request,
    Resource,
    Status,
    Unanswered,
    Whose,
)
from functions.catalog import ModelFacts, models, nearest

from . import clusters, sizing
from .endpoint import connection, endpoint
from .namespace import namespace, network_policies, service
from .placement import Candidate, Choice, choose, explain, judge
from .plan import Plan, make_plan, namespace_of, weights_id
from .weights import download, names, token, volume
from .workload import PLACEMENT_ANNOTATION, deployment

__all__ = ["FUNCTION", "compose"]


@dataclass(frozen=True)
class Placed:
    """Where the Model is, and what there is to say about it."""

    placement: Placement
    condition: Condition | None
    """None leaves the standing one."""
    sizing: Sizing | None
    complete: bool = True


def compose(request: Request) -> Outcome:
    """Place the Model, or go on from its place, and compose everything around it."""
    spec, given = request.spec(ModelSpec), request.parameters(VLLMInput)
    recorded = _recorded(request)
    facts = _facts(spec, given)
    if recorded is None:
        if facts is None:
            raise _unknown_model(spec.model)
        placed = _place(request, spec, sizing.need(spec, facts))
    else:
        placed = _go_on(request, spec, facts, recorded)
    if isinstance(placed, Condition):
        # No place, or a spec that its place cannot serve: what exists stays as it is.
        return Outcome(conditions=(placed,), complete=False)
    return _outcome(request, spec, given, placed)


def _recorded(request: Request) -> Placement | None:
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

    def keep(whose: Whose, reason: str, message: str) -> Placed | Condition:
        condition = _waiting(whose, reason, f"{message}. The Model goes on as it was")
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
            Whose.PLATFORM,
            "ClusterMissing",
            f"InferenceCluster {recorded.claim} is gone: restore it, or delete this Model",
        )
    if not cluster.admits(request.claim.namespace):
        return keep(
            Whose.PLATFORM,
            "NamespaceNotAllowed",
            f"{recorded.claim} no longer admits namespace {request.claim.namespace}: ask its owner to add "
            "it to spec.allowedNamespaces, or delete this Model",
        )
    if facts is None:
        return keep(Whose.MODEL, "UnknownModel", str(_unknown_model(spec.model)).rstrip("."))
    pool = next((p for p in cluster.status.node_pools or [] if p.name == recorded.node_pool), None)
    if pool is None or cluster.status.access is None:
        return keep(
            Whose.PLATFORM,
            "PoolMissing",
            f"node pool {recorded.node_pool} of {recorded.claim} is gone: restore it, or delete this Model",
        )
    what = sizing.need(spec, facts)
    judged = judge(spec, what, cluster, pool)
    if not isinstance(judged, Choice):
        return keep(Whose.MODEL, "NothingFits", explain(what, [judged]))
    placement = _placement(request, judged, weights_id(spec))
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


def _outcome(request: Request, spec: ModelSpec, given: VLLMInput, placed: Placed) -> Outcome:
    size = placed.sizing
    if size is None:
        # Nothing was recorded to render from, and there is nothing to compute it with.
        return Outcome(conditions=(placed.condition,) if placed.condition else (), complete=False)
    plan = make_plan(
        request, spec, given, placed.placement, _volume_basis(request, size), size.context_length
    )
    resources = _resources(request, plan)
    status = {
        "endpoint": endpoint(plan).plain(),
        "placement": _served(request, plan).plain(),
        "sizing": size.plain(),
    }
    said = (placed.condition,) if placed.condition else ()
    return Outcome(resources, (*said, *_progress(plan)), status, placed.complete)


def _volume_basis(request: Request, size: Sizing) -> float:
    """Return the weights' size in GiB, never less than recorded: a volume cannot shrink."""
    before = request.status(Sizing, "sizing")
    return max(size.weights_gib, before.weights_gib if before else 0.0)


def _resources(request: Request, plan: Plan) -> list[Resource]:
    """Everything around a placed Model; while new weights arrive, the old ones are served."""
    serving = deployment(plan)
    old = _old_weights(request, plan)
    kept: list[Resource] = []
    if old:
        kept = [Resource(f"vllm/{names(old)[0]}", None, waits_for="nothing: it is being replaced")]
        serving = Resource(
            serving.name, None, serving.after, serving.ready, waits_for=f"the weights of {plan.spec.model}"
        )
    return [
        namespace(plan),
        *network_policies(plan),
        *token(plan),
        *kept,
        volume(plan),
        download(plan),
        serving,
        service(plan),
        *connection(plan),
    ]


def _old_weights(request: Request, plan: Plan) -> str:
    """Return the weights being served while others are still downloaded, else nothing."""
    recorded = _recorded(request)
    if recorded is None or recorded.weights in ("", plan.placement.weights):
        return ""
    new = request.resource(f"vllm/{names(plan.placement.weights)[1]}")
    arrived = new.condition("Ready") if new else None
    return "" if arrived is not None and arrived.text("status") == "True" else recorded.weights


def _served(request: Request, plan: Plan) -> Placement:
    """Return the placement to record, with the weights that are being served."""
    old = _old_weights(request, plan)
    return plan.placement.model_copy(update={"weights": old}) if old else plan.placement


def _progress(plan: Plan) -> tuple[Progress, Progress]:
    store, fetch = names(plan.placement.weights)
    return (
        Progress(
            "WeightsReady",
            ("vllm/namespace", f"vllm/{store}", f"vllm/{fetch}"),
            f"{plan.spec.model} at {plan.spec.revision} is downloaded",
            hint="If this lasts: check that the model and revision exist and, for a gated model, "
            "that spec.source.huggingFace.tokenSecretRef names a Secret with access",
        ),
        Progress(
            "Serving",
            ("vllm/deployment", "vllm/service"),
            "the Model answers at its endpoint",
            hint=f"Loading takes up to {plan.startup_seconds // 60} minutes",
        ),
    )


def _waiting(whose: Whose, reason: str, message: str) -> Condition:
    return Condition("Placed", Status.FALSE, reason, message, whose)


def _placed_on(placement: Placement) -> Condition:
    gpus = f"{placement.gpus} {placement.gpu_model}"
    message = f"on {placement.claim}, node pool {placement.node_pool}, {gpus} a replica"
    return Condition("Placed", Status.TRUE, "Placed", message, Whose.MODEL)


FUNCTION = Function(
    name="vllm",
    conditions=("Placed", "WeightsReady", "Serving"),
    status=("endpoint", "placement", "sizing"),
    author=Whose.MODEL,
    compose=compose,
)
