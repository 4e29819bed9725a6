"""How much memory of each GPU a model needs, and how many GPUs hold it. Sizes in GiB (2**30 bytes).

usable per GPU = memory * the engine's utilization - overhead (`activations`)
needed per GPU = weights * WEIGHTS_FACTOR / GPUs + what all requests keep (`kv_cache`)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .activations import overhead_gib
from .kv_cache import cache_bytes
from .need import Need

__all__ = [
    "LEAST_CONTEXT",
    "WEIGHTS_FACTOR",
    "Fit",
    "fit",
    "longest_context",
    "most_requests",
    "total_cache_gib",
    "usable_gib",
]

WEIGHTS_FACTOR = 1.02
"""Loaded weights over checkpoint size. KAITO 0.12's figure."""
LEAST_CONTEXT = 256
"""Tokens. A shorter context is never offered as a remedy, and offers are multiples of it."""

_GIB = 2**30


class Fit(NamedTuple):
    """One replica on a number of GPUs of one kind."""

    gpus: int
    """On each node."""
    weights_gib: float
    """Weights on one GPU."""
    cache_gib: float
    """KV cache of all requests on one GPU."""
    usable_gib: float
    """Memory of one GPU for weights and cache."""
    nodes: int = 1
    """Pipeline parallel size: each node has some of the layers."""
    data_parallel: int = 1
    """GPUs of a node that each have all of the attention, and requests of their own."""
    loading_gib: float = 0.0
    """Weights on one GPU while the engine quantises them, before there is a cache; 0 if it does not."""

    @property
    def least_gib(self) -> float:
        """Memory of one GPU that the weights alone take."""
        return max(self.weights_gib, self.loading_gib)

    @property
    def needed_gib(self) -> float:
        """Weights and cache on one GPU."""
        return self.weights_gib + self.cache_gib

    @property
    def fits(self) -> bool:
        """Whether each GPU has room for its share."""
        return max(self.needed_gib, self.least_gib) <= self.usable_gib


def usable_gib(need: Need, memory_mib: int, gpus: int, nodes: int = 1) -> float:
    """Return the memory of one GPU for weights and cache.

    Args:
        need: of the replica.
        memory_mib: of one GPU.
        gpus: the tensor parallel size.
        nodes: the pipeline parallel size.
    """
    engine = need.engine
    overhead = overhead_gib(need.facts, engine.batch(memory_mib), gpus, nodes)
    return memory_mib / 1024 * engine.memory_utilization - overhead


def total_cache_gib(need: Need, memory_mib: int) -> float:
    """Return the KV cache of all requests, as one GPU of this memory would hold it alone."""
    tokens = need.engine.batch(memory_mib).tokens
    return cache_bytes(need.facts, need.context, need.concurrency, batch_tokens=tokens) / _GIB


def fit(need: Need, memory_mib: int, gpus: int) -> Fit:
    """Divide a replica among GPUs of one node by tensor parallelism."""
    facts, tokens = need.facts, need.engine.batch(memory_mib).tokens
    return Fit(
        gpus=gpus,
        weights_gib=facts.weights_gib * WEIGHTS_FACTOR / gpus,
        cache_gib=cache_bytes(facts, need.context, need.concurrency, gpus, tokens) / _GIB,
        usable_gib=usable_gib(need, memory_mib, gpus),
        loading_gib=facts.loading_gib * WEIGHTS_FACTOR / gpus,
    )


def longest_context(need: Need, memory_mib: int, gpus: int) -> int:
    """Return the longest context that fits at the same concurrency, in tokens; 0 if none does."""

    def fits(context: int) -> bool:
        return fit(need._replace(context=context), memory_mib, gpus).fits

    return _most(need.context, fits) // LEAST_CONTEXT * LEAST_CONTEXT


def most_requests(need: Need, memory_mib: int, gpus: int) -> int:
    """Return how many requests of the same context fit, at most the Model's concurrency; 0 if none does."""
    return _most(need.concurrency, lambda n: fit(need._replace(concurrency=n), memory_mib, gpus).fits)


def _most(high: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to `high` that fits; 0 if none does, and less fits where more does."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
