"""Data parallel attention: each GPU of a node has all of the attention, and requests of its own.

It serves mixtures of experts whose attention caches one latent (MLA): tensor parallelism would keep
that whole latent on every GPU. The experts are divided, each whole on one GPU:
https://docs.vllm.ai/en/latest/serving/data_parallel_deployment/
"""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import Device
from .memory import Fit, fit
from .need import Need

__all__ = ["fewest_data_parallel"]


def fewest_data_parallel(need: Need, device: Device, sizes: Sequence[int]) -> Fit | None:
    """Return the fewest GPUs of a node that hold a replica by data parallel attention.

    Args:
        need: of the replica.
        device: one GPU.
        sizes: numbers of GPUs to try, smallest first.
    """
    facts = need.facts
    # How vLLM divides experts that it quantises when it loads them is not known.
    if not facts.latent_dim or not facts.experts_gib or facts.loading_gib or facts.shape is None:
        return None
    divide = (n for n in sizes if n > 1 and facts.shape.experts % n == 0)
    tried = (fit(need, device, n, data_parallel=n) for n in divide)
    return next((attempt for attempt in tried if attempt.fits), None)
