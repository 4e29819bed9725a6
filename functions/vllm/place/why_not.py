"""Why a Model fits nowhere, in words, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.api import GpuChoice, ModelSpec, Quantization, Replicas
from functions.base import Condition, Status, Whose

from ..size.memory import LEAST_CONTEXT, Need, longest_context, most_requests, need
from .choose import Candidate, Choice, Refusal, choose
from .units import free_units, most_replicas

__all__ = ["nowhere"]

_MOST_REASONS = 8
"""Different reasons that one message gives; it stays below some 1500 characters."""


def nowhere(
    spec: ModelSpec, what: Need, candidates: Sequence[Candidate], refusals: Sequence[Refusal]
) -> Condition:
    """The condition of a Model that no pool takes: none is good enough, or those that are, are full."""
    full = next((r for r in refusals if r.full), None)
    if full is None:
        relaxed = (
            _without(spec, what, candidates)
            or _as_fp8(spec, what, candidates, refusals)
            or _nearest(what, refusals)
        )
        text = f"{_listed(refusals)}. {relaxed}"
        return Condition("Placed", Status.FALSE, "NothingFits", text, Whose.MODEL)
    message = (
        f"{_listed(refusals)}. Waits until enough are free: delete a Model that nobody needs, or ask the "
        f"platform team for more nodes, such as in {full.cluster}/{full.pool}"
    )
    return Condition("Placed", Status.FALSE, "NoFreeGPUs", message, Whose.PLATFORM)


def _without(spec: ModelSpec, what: Need, candidates: Sequence[Candidate]) -> str:
    """Offer to leave out what the spec asks for beyond the model, if that would do."""
    if spec.gpu != GpuChoice():
        free = spec.model_copy(update={"gpu": GpuChoice()})
        found = choose(free, what, candidates).best
        if found is not None:
            return f"Nearest fit, on {_where(found)}: {found.takes}, without spec.gpu"
    if spec.replicas.min > 1:
        one = spec.model_copy(update={"replicas": Replicas(min=1)})
        found = choose(one, what, candidates).best
        if found is not None:
            return f"Nearest fit, on {_where(found)}: replicas.min: {_room(found)}"
    return ""


def _as_fp8(spec: ModelSpec, what: Need, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> str:
    """Offer to quantise weights that are too large for every node, if that would do."""
    tried = [r.closest for r in refusals if r.closest is not None]
    if (
        not what.facts.fp8_gib
        or what.facts.loading_gib
        or any(fit.least_gib < fit.usable_gib for fit in tried)
    ):
        return ""
    asked = spec.model_copy(update={"quantization": Quantization.FP8})
    found = choose(asked, need(asked, what.facts), candidates).best
    return f"Nearest fit, on {_where(found)}: {found.takes}, with quantization: FP8" if found else ""


def _room(choice: Choice) -> int:
    """Return how many replicas there is room for; one where only one node may read the weights."""
    if not choice.candidate.shares_storage:
        return 1
    fit, pool = choice.fit, choice.pool
    return min(most_replicas(pool, fit.gpus, fit.nodes), free_units(pool) // choice.units)


def _where(choice: Choice) -> str:
    return f"{choice.candidate.claim.name}/{choice.pool.name}"


def _listed(refusals: Sequence[Refusal]) -> str:
    """Give each reason once, with the pools that it excluded; those that are full go first."""
    pools: dict[str, list[str]] = {}
    for refusal in sorted(refusals, key=lambda r: not r.full):
        pools.setdefault(refusal.why, []).append(f"{refusal.cluster}/{refusal.pool}")
    reasons = [f"{_some(names)}: {why}" for why, names in pools.items()]
    more = len(reasons) - _MOST_REASONS
    return "; ".join([*reasons[:_MOST_REASONS], *([f"and {more} more reasons"] if more > 0 else [])])


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _nearest(what: Need, refusals: Sequence[Refusal]) -> str:
    """Offer the longest context that fits somewhere, or as many requests of the one asked for."""
    short = [(r, r.closest) for r in refusals if r.closest is not None]
    if not short:
        return "Ask the platform team for a node pool that this model can use"
    roomy = [(r, tried) for r, tried in short if tried.least_gib < tried.usable_gib]
    if not roomy:
        return _too_heavy(what, "do not fit any node")
    kinds = {(r.memory_mib, tried.gpus) for r, tried in roomy}
    contexts = {(memory, count): longest_context(what, memory, count) for memory, count in kinds}
    refusal, tried = max(roomy, key=lambda pair: contexts[pair[0].memory_mib, pair[1].gpus])
    context = contexts[refusal.memory_mib, tried.gpus]
    offers = list(_offers(what, refusal.memory_mib, tried.gpus, context))
    if not offers:
        return _too_heavy(what, "leave no room for a cache on any node")
    return f"Nearest fit, on {refusal.cluster}/{refusal.pool}: {', or '.join(offers)}"


def _too_heavy(what: Need, why: str) -> str:
    return (
        f"The weights of {what.facts.weights_gib:.1f} GiB {why}: "
        "ask the platform team for a larger pool, or take a quantised or smaller model"
    )


def _offers(what: Need, memory_mib: int, gpus: int, context: int) -> Iterator[str]:
    requests = most_requests(what, memory_mib, gpus)
    if context >= LEAST_CONTEXT:
        yield f"contextLength: {context}"
    if requests:
        yield f"concurrency: {requests} at {what.context} tokens"
    if context < LEAST_CONTEXT and not requests:
        alone = longest_context(Need(what.facts, what.context, 1), memory_mib, gpus)
        if alone >= LEAST_CONTEXT:
            yield f"contextLength: {alone} with concurrency: 1"
