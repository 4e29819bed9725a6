"""Data parallel attention: every GPU of a node has all of the attention, and caches requests of its own.

For mixtures of experts with a latent cache (MLA), which tensor parallelism would hold on every GPU
again. The experts are divided, each whole on one GPU:
https://docs.vllm.ai/en/latest/serving/data_parallel_deployment/
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .activations import batch
from .kv_cache import cache_bytes
from .memory import WEIGHTS_FACTOR, Fit, Need, usable_gib

__all__ = ["over_ranks"]

_GIB = 2**30


def over_ranks(what: Need, memory_mib: int, counts: Sequence[int]) -> Fit | None:
    """Return the fewest GPUs of a node that hold the model with a rank of requests on each."""
    facts = what.facts
    # While vLLM quantises them, it is not known how its experts are divided.
    if not facts.latent_dim or not facts.experts_gib or facts.loading_gib or facts.shape is None:
        return None
    divide = (n for n in counts if n > 1 and facts.shape.experts % n == 0)
    return next((fit for fit in (_ranked(what, memory_mib, n) for n in divide) if fit.fits), None)


def _ranked(what: Need, memory_mib: int, gpus: int) -> Fit:
    facts = what.facts
    requests = math.ceil(what.concurrency / gpus)
    weights = facts.weights_gib - facts.experts_gib + facts.experts_gib / gpus
    cache = cache_bytes(facts, what.context, requests, batch_tokens=batch(memory_mib).tokens)
    return Fit(
        gpus=gpus,
        weights_gib=weights * WEIGHTS_FACTOR,
        cache_gib=cache / _GIB,
        # As of GPUs that exchange, of which none has only a part of a layer.
        usable_gib=usable_gib(facts, memory_mib, 1, gpus),
        ranks=gpus,
    )
