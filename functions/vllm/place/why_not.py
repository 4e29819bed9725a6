"""Why no node pool holds a Model, in words, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.api import GpuChoice, ModelSpec, Quantization, Replicas
from functions.base import Condition, Status, Whose

from ..engine import Device
from ..size.memory import LEAST_CONTEXT, longest_context, most_requests
from ..size.need import Need, need
from .choose import choose
from .clusters import Cluster
from .devices import sure_pods
from .pools import Choice, Refusal

__all__ = ["no_pool", "not_placed"]

_MOST_REASONS = 8
"""Different reasons in one message, which keep it below some 1500 characters."""


def no_pool(
    spec: ModelSpec, model: Need, clusters: Sequence[Cluster], refusals: Sequence[Refusal]
) -> Condition:
    """Return the condition of a Model that no pool holds, or only pools that are full."""
    full = next((r for r in refusals if r.full), None)
    if full is None:
        remedy = (
            _without(spec, model, clusters)
            or _as_fp8(spec, model, clusters, refusals)
            or _nearest(model, refusals)
        )
        text = f"{_listed(refusals)}. {remedy}"
        return not_placed(Whose.MODEL, "NothingFits", text)
    message = (
        f"{_listed(refusals)}. The Model waits until enough are free: delete a Model that nobody needs, or "
        f"ask the platform team to raise nodes.max of a node pool, such as {full.cluster}/{full.pool}"
    )
    return not_placed(Whose.PLATFORM, "NoFreeGPUs", message)


def not_placed(whose: Whose, reason: str, message: str) -> Condition:
    """Return the condition of a Model that is not placed as its spec wants.

    It does not decide whether the Model is Ready: a Model that serves goes on serving, and one that was
    never placed is not Ready by its other conditions.
    """
    return Condition("Placed", Status.FALSE, reason, message, whose, decides_ready=False)


def _without(spec: ModelSpec, model: Need, clusters: Sequence[Cluster]) -> str:
    """Offer to leave out spec.gpu, or replicas beyond the first, where a pool would then hold the Model."""
    if spec.gpu != GpuChoice():
        found = choose(spec.model_copy(update={"gpu": GpuChoice()}), model, clusters).best
        if found is not None:
            return f"Without spec.gpu, it would fit {_where(found)} on {found.takes}"
    if spec.replicas.min > 1:
        found = choose(spec.model_copy(update={"replicas": Replicas(min=1)}), model, clusters).best
        if found is not None:
            return f"It would fit {_where(found)} with replicas.min: {_room(found)}"
    return ""


def _as_fp8(spec: ModelSpec, model: Need, clusters: Sequence[Cluster], refusals: Sequence[Refusal]) -> str:
    """Offer to quantise weights that are too large for every node, where a pool would then hold the Model."""
    tried = [r.closest for r in refusals if r.closest is not None]
    weights_fit = any(fit.least_gib < fit.usable_gib for fit in tried)
    if not model.facts.fp8_gib or model.facts.loading_gib or weights_fit:
        return ""
    quantised = spec.model_copy(update={"quantization": Quantization.FP8})
    found = choose(quantised, need(quantised, model.facts), clusters).best
    return f"It would fit {_where(found)} with quantization: FP8, on {found.takes}" if found else ""


def _room(choice: Choice) -> int:
    """Return how many replicas a pool has room for; one where only one node can mount the weights."""
    if not choice.cluster.shares_storage:
        return 1
    fit, pool = choice.fit, choice.pool
    return sure_pods(pool, fit.gpus) // fit.nodes


def _where(choice: Choice) -> str:
    return f"{choice.cluster.claim.name}/{choice.pool.name}"


def _listed(refusals: Sequence[Refusal]) -> str:
    """Give each reason once, with the pools that it excludes; full pools come first.

    Pools that differ from what the spec wants are one reason, whatever each of them has.
    """
    alike: dict[object, list[Refusal]] = {}
    for refusal in sorted(refusals, key=lambda r: not r.full):
        differs = refusal.differs
        alike.setdefault((differs.what, differs.wants) if differs else refusal.why, []).append(refusal)
    reasons = [f"{_some([f'{r.cluster}/{r.pool}' for r in same])}: {_why(same)}" for same in alike.values()]
    more = len(reasons) - _MOST_REASONS
    return "; ".join([*reasons[:_MOST_REASONS], *([f"and {more} more reasons"] if more > 0 else [])])


def _why(alike: Sequence[Refusal]) -> str:
    """Say why some pools, which are refused for one reason, do not hold the Model."""
    differs = alike[0].differs
    if differs is None or len(alike) == 1:
        return alike[0].why
    *others, last = dict.fromkeys(r.differs.has for r in alike if r.differs)
    has = f"{', '.join(others)} and {last}" if others else last
    return f"their {differs.what} {has}, and {differs.wants}"


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _nearest(model: Need, refusals: Sequence[Refusal]) -> str:
    """Offer the longest context that fits a pool, or fewer requests of the spec's context."""
    short = [(r, r.closest) for r in refusals if r.closest is not None]
    if not short:
        return "Ask the platform team for a node pool that can run this model"
    roomy = [(r, tried) for r, tried in short if tried.least_gib < tried.usable_gib]
    if not roomy:
        return _too_heavy(model, "do not fit any node")
    kinds = {(tried.device, tried.gpus) for _, tried in roomy}
    contexts = {(device, gpus): longest_context(model, device, gpus) for device, gpus in kinds}
    refusal, tried = max(roomy, key=lambda pair: contexts[pair[1].device, pair[1].gpus])
    context = contexts[tried.device, tried.gpus]
    offers = list(_offers(model, tried.device, tried.gpus, context))
    if not offers:
        return _too_heavy(model, "leave no room for a cache on any node")
    return f"It would fit {refusal.cluster}/{refusal.pool} with {', or with '.join(offers)}"


def _too_heavy(model: Need, why: str) -> str:
    return (
        f"The weights of {model.facts.weights_gib:.1f} GiB {why}: "
        "ask the platform team for a node pool with more GPU memory, or name a quantised or smaller model"
    )


def _offers(model: Need, device: Device, gpus: int, context: int) -> Iterator[str]:
    requests = most_requests(model, device, gpus)
    if context >= LEAST_CONTEXT:
        yield f"contextLength: {context}"
    if requests:
        yield f"concurrency: {requests} at {model.context} tokens"
    if context < LEAST_CONTEXT and not requests:
        alone = longest_context(model._replace(concurrency=1), device, gpus)
        if alone >= LEAST_CONTEXT:
            yield f"contextLength: {alone} and concurrency: 1"
