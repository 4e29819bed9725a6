"""What a GPU needs beside weights and cache: activations of one batch, and the runtime itself, in GiB.

runtime     = 1.3, and 0.45 for the buffers that tensor parallel GPUs exchange by
activations = the larger of a layer's (tokens of a batch x what a layer holds of one) and the logits'
overhead    = runtime + activations, at least 2.5, or 3.0 with tensor parallelism
"""

from __future__ import annotations

from typing import NamedTuple

from functions.catalog import ModelFacts, Shape

__all__ = ["Batch", "batch", "overhead_gib"]

_GIB = 2**30
_LARGE_MIB = 70 * 1024
_RUNTIME_GIB = 1.3
"""CUDA context and libraries 0.15, CUDA graphs about 0.6 and what the allocator cannot hand out.

llm-d's planner: 0.15 on one GPU, 0.6 on several; vLLM's logs: graphs of 0.3 to 0.6.
"""
_EXCHANGE_GIB = 0.45
_LEAST_GIB = {False: 2.5, True: 3.0}
"""KAITO 0.12 takes 2.3 GiB whatever the model; the difference is what llm-d's planner adds for NCCL."""


class Batch(NamedTuple):
    """What vLLM computes at once: its server's defaults, from `get_batch_defaults` of vLLM 0.27."""

    tokens: int
    sequences: int


def batch(memory_mib: int) -> Batch:
    """Return the largest batch on a GPU of this memory; A100 counts as the larger ones, and has less."""
    return Batch(8192, 1024) if memory_mib >= _LARGE_MIB else Batch(2048, 256)


def overhead_gib(facts: ModelFacts, memory_mib: int, gpus: int, nodes: int = 1) -> float:
    """Return what one of the GPUs that share the model needs beside weights and cache."""
    several, most = gpus * nodes > 1, batch(memory_mib)
    least = _LEAST_GIB[several]
    if facts.shape is None:
        return least
    layer = most.tokens * 2 * (4 * facts.hidden_size + _widest(facts.shape, facts.hidden_size, gpus))
    # Of a sequence 16 and 32 bits for each word of the vocabulary.
    logits = most.sequences * facts.shape.vocab_size * (2 + 4) if facts.task == "generate" else 0
    runtime = _RUNTIME_GIB + (_EXCHANGE_GIB if several else 0.0)
    return max(least, runtime + max(layer, logits) / _GIB)


def _widest(shape: Shape, hidden: int, gpus: int) -> float:
    """Return how many numbers of a token the widest layer holds, beside four vectors of the hidden size.

    Three vectors of an MLP's intermediate size, which is divided. Of each expert that a token takes its
    output or two intermediate vectors, whichever is larger, and a third (vLLM 0.27, `fused_moe.py`).
    """
    third = shape.expert_size / gpus
    width = shape.expert_width or hidden
    experts = shape.experts_per_token * (max(width, 2 * third) + third)
    return max(3 * shape.intermediate_size / gpus, experts + 3 * shape.shared_size / gpus)
