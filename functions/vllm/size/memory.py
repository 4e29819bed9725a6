"""How much memory of each GPU a model needs, and how many GPUs hold it. Sizes in GiB (2**30 bytes).

usable per GPU = memory that the engine sees * its utilization - overhead (`overhead`)
needed per GPU = weights * WEIGHTS_FACTOR / GPUs + what all requests keep (`kv_cache`)

Everything is sized for one batch, which `fit` decides and which is passed to the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from functions.catalog import ModelFacts

from ..engine import Batch, Device
from .kv_cache import cache_bytes, sequence_bytes
from .need import Need
from .overhead import overhead

__all__ = [
    "LEAST_CONTEXT",
    "WEIGHTS_FACTOR",
    "Fit",
    "fit",
    "longest_context",
    "most_requests",
    "total_cache_gib",
]

WEIGHTS_FACTOR = 1.01
"""Loaded weights over their computed size: norms, biases and the allocator's rests."""
LEAST_CONTEXT = 256
"""Tokens. A shorter context is never offered as a remedy, and offers are multiples of it."""

_GIB = 2**30
_SPARE = 0.2
"""Part of the memory beside the weights that is left out when it is divided among sequences.

The overhead is an estimate, and vLLM does not start with fewer blocks than sequences.
"""
_SEQUENCES_STEP = 8
"""Batches with fewer sequences than the engine's default are multiples of it."""


class Fit(NamedTuple):
    """One replica on a number of GPUs of one kind."""

    device: Device
    """One of the GPUs."""
    batch: Batch
    """What it is sized for, and what is passed to the engine."""
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
    measured: bool = False
    """Whether the overhead was compared with start-up logs of models of this kind."""
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


def total_cache_gib(need: Need, batch: Batch) -> float:
    """Return the KV cache of all requests, as one GPU would hold it alone."""
    in_flight = batch.tokens * need.engine.batches_in_flight(need.facts, 1)
    return cache_bytes(need.facts, need.context, need.concurrency, in_flight=in_flight) / _GIB


def fit(need: Need, device: Device, gpus: int, nodes: int = 1, data_parallel: int = 1) -> Fit:
    """Divide a replica among GPUs, with the first of the engine's batches with which it fits, else the last.

    Args:
        need: of the replica.
        device: one of the GPUs.
        gpus: on each node: the tensor parallel size, or the data parallel size where that is more than 1.
        nodes: the pipeline parallel size. The node with the most layers counts: where layers do not
            divide evenly, some nodes have one more (`get_pp_indices` of vllm/distributed/utils.py).
        data_parallel: GPUs that each have all of the attention, and requests of their own.
    """
    requests = math.ceil(need.concurrency / data_parallel)
    batches = need.engine.batches(need.facts, device, need.context, requests)
    for batch in batches:
        found = _fit(need, device, batch, gpus, nodes, data_parallel)
        if found.fits:
            break
    return found


def _fit(need: Need, device: Device, batch: Batch, gpus: int, nodes: int, data_parallel: int) -> Fit:
    facts = need.facts
    requests, tensor_parallel = math.ceil(need.concurrency / data_parallel), gpus // data_parallel
    share = math.ceil(facts.layers / nodes) / facts.layers if nodes > 1 else 1.0
    weights = _weights_gib(facts, tensor_parallel) * share
    if data_parallel > 1:
        weights -= facts.experts_gib * (1 - 1 / data_parallel)
    weights *= WEIGHTS_FACTOR
    beside = overhead(facts, batch, device, tensor_parallel, nodes, data_parallel)
    usable = device.granted_gib - beside.gib
    in_flight = batch.tokens * need.engine.batches_in_flight(facts, nodes)
    return Fit(
        device=device,
        batch=_with_room(facts, batch, usable - weights, requests, tensor_parallel, share),
        gpus=gpus,
        weights_gib=weights,
        cache_gib=cache_bytes(facts, need.context, requests, tensor_parallel, in_flight) * share / _GIB,
        usable_gib=usable,
        nodes=nodes,
        data_parallel=data_parallel,
        measured=beside.measured,
        loading_gib=facts.loading_gib * share * WEIGHTS_FACTOR / tensor_parallel,
    )


def _weights_gib(facts: ModelFacts, tensor_parallel: int) -> float:
    """Return the weights on one GPU, some of which are on every GPU."""
    known, place = facts.weights_per_gpu_gib, tensor_parallel.bit_length() - 1
    return known[place] if place < len(known) else facts.weights_gib / tensor_parallel


def _with_room(
    facts: ModelFacts, batch: Batch, free_gib: float, requests: int, tensor_parallel: int, share: float
) -> Batch:
    """Return a batch with no more sequences than there is room for, and at least the requests to hold."""
    each = sequence_bytes(facts, tensor_parallel) * share / _GIB
    if not each:
        return batch
    most = math.floor(free_gib * (1 - _SPARE) / each) // _SEQUENCES_STEP * _SEQUENCES_STEP
    return batch._replace(sequences=max(requests, min(batch.sequences, most)))


def longest_context(need: Need, device: Device, gpus: int) -> int:
    """Return the longest context that fits at the same concurrency, in tokens; 0 if none does."""

    def fits(context: int) -> bool:
        return fit(need._replace(context=context), device, gpus).fits

    return _most(need.context, fits) // LEAST_CONTEXT * LEAST_CONTEXT


def most_requests(need: Need, device: Device, gpus: int) -> int:
    """Return how many requests of the same context fit, at most the Model's concurrency; 0 if none does."""
    return _most(need.concurrency, lambda n: fit(need._replace(concurrency=n), device, gpus).fits)


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
