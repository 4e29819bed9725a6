"""Tensor parallel sizes that vLLM takes for a model: each of these rules stands for a refusal at its start.

Only powers of two are offered. vLLM pads a vocabulary to a multiple of 64, which other numbers seldom
divide (phi-4 on 5 GPUs), as is so of MLPs and experts; nodes have 1, 2, 4, 8 or 16 GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from functions.catalog import ModelFacts

__all__ = ["tensor_parallel_sizes"]


def tensor_parallel_sizes(facts: ModelFacts, gpus_per_node: int) -> list[int]:
    """Return the tensor parallel sizes within a node that vLLM takes for a model, smallest first."""
    shape = facts.shape
    state = shape.state if shape else None
    split = (shape.intermediate_size, shape.shared_size) if shape else ()
    # Mamba's only group is copied; other groups and heads are divided.
    groups = state.groups if state and state.groups > 1 else 0
    heads = (facts.attention_heads, *((state.heads, groups) if state else ()))
    blocks = facts.expert_block
    return list(_sizes(heads, facts.kv_heads, tuple(split), blocks, gpus_per_node))


@cache
def _sizes(
    heads: tuple[int, ...], kv_heads: int, split: tuple[int, ...], block: int, most: int
) -> tuple[int, ...]:
    """Return the sizes that divide a model.

    Args:
        heads: numbers of heads and groups, of which each GPU gets as many.
        kv_heads: which are divided, or copied where there are more GPUs.
        split: widths of MLPs and shared experts, which are divided.
        block: width of the weights that share a scale, which cannot be divided; 0: no limit. Routed
            experts can be kept whole (`expert_parallel`), MLPs and shared experts cannot.
        most: GPUs.
    """
    return tuple(
        n
        for n in _powers_of_two(most)
        if all(number % n == 0 for number in (*heads, *split))
        and (kv_heads % n == 0 or n % kv_heads == 0)
        and (n == 1 or not block or all(width // n % block == 0 for width in split))
    )


def _powers_of_two(most: int) -> Iterator[int]:
    size = 1
    while size <= most:
        yield size
        size *= 2
