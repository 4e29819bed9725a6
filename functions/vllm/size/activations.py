"""What a GPU needs beside weights and cache, in GiB: the activations of one batch, and the runtime.

runtime     = 1.3, and 0.45 for the buffers of GPUs that exchange activations
activations = the larger of one layer's (tokens of a batch x numbers of a token) and the logits'
overhead    = runtime + activations, at least 2.5, or 3.0 where GPUs exchange activations
"""

from __future__ import annotations

from functions.catalog import ModelFacts, Shape

from ..engine import Batch

__all__ = ["overhead_gib"]

_GIB = 2**30
_RUNTIME_GIB = 1.3
"""CUDA context and libraries 0.15, CUDA graphs about 0.6, and memory that fragmentation loses.

llm-d's planner: 0.15 on one GPU, 0.6 on several; vLLM's logs: graphs of 0.3 to 0.6.
"""
_EXCHANGE_GIB = 0.45
_LEAST_GIB = {False: 2.5, True: 3.0}
"""By whether GPUs exchange activations.

KAITO 0.12 takes 2.3 GiB for every model; llm-d's planner adds 0.45 to 0.6 for NCCL.
"""


def overhead_gib(facts: ModelFacts, batch: Batch, gpus: int, nodes: int = 1) -> float:
    """Return what one GPU needs beside weights and cache.

    Args:
        facts: of the model.
        batch: the most that the engine computes in one step.
        gpus: the tensor parallel size.
        nodes: the pipeline parallel size.
    """
    several = gpus * nodes > 1
    least = _LEAST_GIB[several]
    if facts.shape is None:
        return least
    layer = batch.tokens * 2 * (4 * facts.hidden_size + _widest(facts.shape, facts.hidden_size, gpus))
    # Logits of each sequence, at 16 and at 32 bits; embedding models and rerankers compute none.
    logits = batch.sequences * facts.shape.vocab_size * (2 + 4) if facts.task == "generate" else 0
    runtime = _RUNTIME_GIB + (_EXCHANGE_GIB if several else 0.0)
    return max(least, runtime + max(layer, logits) / _GIB)


def _widest(shape: Shape, hidden: int, gpus: int) -> float:
    """Return the numbers that the widest layer holds of one token, beside four of the hidden size.

    An MLP holds three vectors of its intermediate size, which tensor parallelism divides. Of each
    expert that a token takes, vLLM holds the output or two intermediate vectors, whichever is
    larger, and a third intermediate vector (vLLM 0.27, `fused_moe.py`).
    """
    third = shape.expert_size / gpus
    width = shape.expert_width or hidden
    experts = shape.experts_per_token * (max(width, 2 * third) + third)
    return max(3 * shape.intermediate_size / gpus, experts + 3 * shape.shared_size / gpus)
