"""Which pool of which cluster a Model goes to, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

from functions.api import ClusterStatus, ModelSpec, PoolStatus
from functions.base import Claim
from functions.catalog import gpus

from .sizing import LEAST_CONTEXT, Fit, Need, fit, fits_precision, gpu_counts, longest_context, most_requests

__all__ = ["Candidate", "Choice", "Refusal", "choose", "explain", "judge"]

_Known: TypeAlias = dict[tuple[str, int, int], tuple[Fit | None, str]]
"""Fits by GPU model, GPUs and memory of one GPU: among many pools there are few kinds of nodes."""


@dataclass(frozen=True)
class Candidate:
    """A cluster that a Model may know of."""

    name: str
    """The XInferenceCluster's name."""
    claim: Claim
    allowed_namespaces: tuple[str, ...] | None
    """Patterns; None is the claim's own namespace."""
    status: ClusterStatus
    waiting_for: str
    """Why it cannot take a Model now; empty when it can."""

    def admits(self, namespace: str) -> bool:
        """Tell whether the cluster's owner lets Models of a namespace in."""
        allowed = self.allowed_namespaces
        patterns = (self.claim.namespace,) if allowed is None else allowed
        return any(fnmatchcase(namespace, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Choice:
    """A pool, and how the model sits on it."""

    candidate: Candidate
    pool: PoolStatus
    fit: Fit

    @property
    def hourly_usd(self) -> float | None:
        """Listed price of the GPUs that it takes, in US dollars an hour; a part of the node's."""
        price = self.pool.price_usd_per_hour
        return None if price is None else price * self.fit.gpus / self.pool.gpus_per_node

    @property
    def order(self) -> tuple[int, float, int, str, str]:
        """Fewest GPUs first, then the cheapest, then the smallest GPU, then by name."""
        hourly = self.hourly_usd
        dear = float("inf") if hourly is None else hourly
        return (self.fit.gpus, dear, self.pool.gpu_memory_mib, self.candidate.name, self.pool.name)

    def behind(self, best: Choice) -> str:
        """Say why another choice goes first."""
        if self.fit.gpus > best.fit.gpus:
            return f"fits on {self.fit.gpus} GPUs, and {best.fit.gpus} will do"
        if self.order[1] > best.order[1]:
            dear = "has no listed price" if self.hourly_usd is None else f"costs {self.hourly_usd:.2f} USD/h"
            return f"fits, and {dear} against {best.order[1]:.2f}"
        if self.pool.gpu_memory_mib > best.pool.gpu_memory_mib:
            return "fits at the same price, on a larger GPU"
        return "fits as well, and comes later by name"


@dataclass(frozen=True)
class Refusal:
    """Why a pool cannot take the Model."""

    cluster: str
    pool: str
    why: str
    closest: Fit | None = None
    """The largest number of GPUs tried, where only memory is short."""
    memory_mib: int = 0


def choose(
    spec: ModelSpec, what: Need, candidates: Iterable[Candidate]
) -> tuple[Choice | None, list[Refusal]]:
    """Return the best pool of these clusters, and a refusal for each that cannot."""
    choices: list[Choice] = []
    refusals: list[Refusal] = []
    known: _Known = {}
    for candidate in candidates:
        for pool in candidate.status.node_pools or []:
            judged = judge(spec, what, candidate, pool, known)
            if isinstance(judged, Choice):
                choices.append(judged)
            else:
                refusals.append(judged)
    return min(choices, key=lambda choice: choice.order, default=None), refusals


def judge(
    spec: ModelSpec, what: Need, candidate: Candidate, pool: PoolStatus, known: _Known | None = None
) -> Choice | Refusal:
    """Fit the model on the fewest GPUs of a pool, or say why not.

    `known` keeps what was worked out of other pools for the same spec and need.
    """

    def refuse(why: str, closest: Fit | None = None) -> Refusal:
        return Refusal(candidate.claim.name, pool.name, why, closest, pool.gpu_memory_mib)

    nodes = (pool.gpu_model, pool.gpus_per_node, pool.gpu_memory_mib)
    if known is None:
        known = {}
    if nodes not in known:
        known[nodes] = _on_nodes(spec, what, *nodes)
    found, why = known[nodes]
    if found is None:
        return refuse(why)
    replicas = spec.replicas.min
    if replicas > 1 and not candidate.status.shared_storage:
        return refuse(f"{replicas} replicas read one volume, and its cluster has no shared storage")
    if why:
        return refuse(why, found)
    if replicas > pool.nodes.max * (pool.gpus_per_node // found.gpus):
        return refuse(f"{replicas} replicas of {found.gpus} GPUs exceed its {pool.nodes.max} nodes")
    return Choice(candidate, pool, found)


def _on_nodes(
    spec: ModelSpec, what: Need, model: str, gpus_per_node: int, memory_mib: int
) -> tuple[Fit | None, str]:
    """Fit the model on the fewest GPUs of a kind of node; else say why not, with the most GPUs if tried."""
    gpu = gpus().get(model)
    if gpu is None:
        return None, f"its GPU {model} is not in this version's catalog"
    if spec.gpu.model is not None and spec.gpu.model != model:
        return None, f"it has {model}, and spec.gpu.model asks for {spec.gpu.model}"
    unfit = fits_precision(what.facts, gpu)
    if unfit:
        return None, unfit
    counts = gpu_counts(what.facts, gpus_per_node)
    if spec.gpu.count is not None:
        if spec.gpu.count > gpus_per_node:
            return None, f"its nodes have {gpus_per_node} GPUs, and spec.gpu.count asks for {spec.gpu.count}"
        counts = [spec.gpu.count]
    tried = [fit(what, memory_mib, n) for n in counts]
    found = next((attempt for attempt in tried if attempt.fits), None)
    return (found, "") if found else (tried[-1], _arithmetic(tried[-1]))


def _arithmetic(attempt: Fit) -> str:
    return (
        f"on {attempt.gpus} GPU{'s' if attempt.gpus > 1 else ''} each needs {attempt.needed_gib:.1f} GiB "
        f"(weights {attempt.weights_gib:.1f} + cache {attempt.cache_gib:.1f}) and has "
        f"{attempt.usable_gib:.1f} GiB usable"
    )


def explain(what: Need, refusals: list[Refusal]) -> str:
    """Say what excluded every pool, and the nearest change that would fit."""
    lines = [f"{r.cluster}/{r.pool}: {r.why}" for r in refusals]
    return "; ".join(lines) + ". " + _nearest(what, refusals)


def _nearest(what: Need, refusals: list[Refusal]) -> str:
    """Offer the longest context that fits somewhere, or as many requests of the one asked for."""
    short = [(r, r.closest) for r in refusals if r.closest is not None]
    if not short:
        return "Ask the platform team for a node pool that this model can use"
    roomy = [(r, tried) for r, tried in short if tried.weights_gib < tried.usable_gib]
    if not roomy:
        return (
            f"The weights of {what.facts.weights_gib:.1f} GiB do not fit any node: "
            "ask the platform team for a larger pool, or take a quantised or smaller model"
        )
    kinds = {(r.memory_mib, tried.gpus) for r, tried in roomy}
    contexts = {(memory, count): longest_context(what, memory, count) for memory, count in kinds}
    refusal, tried = max(roomy, key=lambda pair: contexts[pair[0].memory_mib, pair[1].gpus])
    context = contexts[refusal.memory_mib, tried.gpus]
    requests = most_requests(what, refusal.memory_mib, tried.gpus)
    offers = [f"contextLength: {context}"] if context >= LEAST_CONTEXT else []
    offers += [f"concurrency: {requests} at {what.context} tokens"] if requests else []
    if not offers:
        alone = longest_context(Need(what.facts, what.context, 1), refusal.memory_mib, tried.gpus)
        offers = [f"contextLength: {alone} with concurrency: 1"]
    return f"Nearest fit, on {refusal.cluster}/{refusal.pool}: {', or '.join(offers)}"
