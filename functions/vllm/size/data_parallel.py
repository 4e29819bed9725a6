"""Data parallel attention: each GPU of a node has all of the attention, and requests of its own.

It serves mixtures of experts whose attention caches one latent (MLA): tensor parallelism would keep
that whole latent on every GPU. The experts are divided, each whole on one GPU:
https://docs.vllm.ai/en/latest/serving/data_parallel_deployment/
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .kv_cache import cache_bytes
from .memory import WEIGHTS_FACTOR, Fit, usable_gib
from .need import Need

__all__ = ["fewest_data_parallel"]

_GIB = 2**30


def fewest_data_parallel(need: Need, memory_mib: int, sizes: Sequence[int]) -> Fit | None:
    """Return the fewest GPUs of a node that hold a replica by data parallel attention.

    Args:
        need: of the replica.
        memory_mib: of one GPU.
        sizes: numbers of GPUs to try, smallest first.
    """
    facts = need.facts
    # How vLLM divides experts that it quantises when it loads them is not known.
    if not facts.latent_dim or not facts.experts_gib or facts.loading_gib or facts.shape is None:
        return None
    divide = (n for n in sizes if n > 1 and facts.shape.experts % n == 0)
    return next((fit for fit in (_data_parallel(need, memory_mib, n) for n in divide) if fit.fits), None)


def _data_parallel(need: Need, memory_mib: int, gpus: int) -> Fit:
    facts = need.facts
    requests = math.ceil(need.concurrency / gpus)
    weights = facts.weights_gib - facts.experts_gib + facts.experts_gib / gpus
    tokens = need.engine.batch(memory_mib).tokens
    return Fit(
        gpus=gpus,
        weights_gib=weights * WEIGHTS_FACTOR,
        cache_gib=cache_bytes(facts, need.context, requests, batch_tokens=tokens) / _GIB,
        # No layer of the attention is divided, so as on one GPU; but GPUs exchange, as nodes do.
        usable_gib=usable_gib(need, memory_mib, 1, gpus),
        data_parallel=gpus,
    )
