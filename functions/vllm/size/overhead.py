"""What a GPU needs beside weights and cache, in GiB: libraries, CUDA graphs and the activations of one batch.

libraries    CUDA context, kernels, and buffers of GPUs that exchange activations
graphs       what vLLM sets aside for them when it starts
positions    a table with a row for each token of the model's longest context
activations  the larger of: one layer's; the vision encoder's; or the sampler's numbers of each sequence
             beside what all layers share
margin       a share of the sum, by how sure it is

The figures were fitted to start-up logs: 20 runs of vLLM 0.19 on H100 that llm-d-planner publishes
(accuracy/results/v0.19.0), kept as `tests/vllm/size/measured.tsv`. Later versions need less.
"""

from __future__ import annotations

from typing import NamedTuple

from functions.catalog import ModelFacts, Shape

from ..engine import Batch, Device

__all__ = ["Overhead", "overhead"]

_GIB = 2**30
_LIBRARIES_GIB = 0.3
"""On one GPU; 0.24 to 0.27 measured."""
_EXCHANGE_GIB = {True: 1.9, False: 0.5}
"""What NCCL and vLLM's own all-reduce add, by whether the GPU is a Hopper or newer.

1.8 to 1.95 measured on H100 with NVLink; older GPUs lack the kernels with the large buffers
(llm-d-planner: 0.6 in all).
"""
_HOPPER = (9, 0)
_GRAPHS_GIB = 0.9
"""0.5 to 1.1 measured of dense models on one GPU."""
_GRAPHS_OF_EXPERTS_GIB = 1.4
"""1.2 to 1.4 measured of mixtures of experts; states have as many kernels in a graph."""
_GRAPHS_EXCHANGE_GIB = 0.8
"""0.6 to 1.9 in all measured on several GPUs."""
_FP8_CACHE_GIB = 0.4
"""FlashInfer's workspace of 394 MiB: before Hopper it reads a KV cache in fp8, on later GPUs it may."""
_SAMPLER_BYTES = 15
"""Of each sequence and word of the vocabulary: logits at 16 and 32 bits, sorted with their places."""
_LATENT_ROTATED = 64
"""Numbers of a latent that carry positions: `qk_rope_head_dim` of every model in the catalog."""
_SHARED_GIB = 0.1
_SHARED_VECTORS = 1.25
"""Vectors of the hidden size, of each token of a batch, that stay while the sampler runs."""
_EXPERTS_SHARE = 1.2
"""Part of the experts' working memory that stays while the sampler runs: 1.1 to 1.5 measured."""
_VISION_KEPT_GIB = 0.3
"""0.1 to 0.3 measured: outputs of the vision encoder that stay while the layers are computed."""
_VISION_GIB = 1.8
"""A vision encoder at work on an image of 16384 tokens (Qwen3.5): 65536 patches of some 9 kB each in two
layers' vectors, by its dimensions; no figure is published."""
_LARGEST_VOCABULARY = 262_208
"""Of a model whose dimensions are not known, the largest of the catalog."""
_MARGIN = {True: 0.05, False: 0.15}
"""By whether start-up logs of the model's kind were compared.

Published figures of others: 8.1 GiB of Qwen3-235B-FP8 on four H100 (vllm-project/vllm#21348).
"""


class Overhead(NamedTuple):
    """What one GPU needs beside weights and cache."""

    gib: float
    measured: bool
    """Whether start-up logs of models of this kind were compared: dense ones on one node."""


def overhead(
    facts: ModelFacts,
    batch: Batch,
    device: Device,
    tensor_parallel: int = 1,
    nodes: int = 1,
    data_parallel: int = 1,
) -> Overhead:
    """Return what one GPU needs beside weights and cache.

    Args:
        facts: of the model.
        batch: the most that the engine computes in one step.
        device: the GPU.
        tensor_parallel: the tensor parallel size.
        nodes: the pipeline parallel size.
        data_parallel: the data parallel size.
    """
    # GPUs exchange activations, whatever is divided among them.
    several = tensor_parallel * nodes * data_parallel > 1
    dense = facts.shape is not None and not facts.shape.moe_layers and facts.shape.state is None
    libraries, graphs = _LIBRARIES_GIB, _GRAPHS_GIB if dense else _GRAPHS_OF_EXPERTS_GIB
    if several:
        libraries += _EXCHANGE_GIB[device.compute_capability >= _HOPPER]
        graphs += _GRAPHS_EXCHANGE_GIB
    if facts.cache_number_bytes == 1:
        libraries += _FP8_CACHE_GIB
    needed = libraries + graphs + _positions_gib(facts) + _activations_gib(facts, batch, tensor_parallel)
    measured = dense and nodes == 1 and not facts.latent_dim and facts.task == "generate"
    return Overhead(needed * (1 + _MARGIN[measured]), measured)


def _positions_gib(facts: ModelFacts) -> float:
    """Return the table of rotary positions: 2.7 GiB of a context of ten million tokens (Llama 4)."""
    rotated = min(facts.latent_dim, _LATENT_ROTATED) or facts.head_dim
    return 0.0 if facts.encoder else facts.max_context * rotated * 2 / _GIB


def _activations_gib(facts: ModelFacts, batch: Batch, tensor_parallel: int) -> float:
    shape, hidden = facts.shape, facts.hidden_size or facts.attention_heads * (facts.head_dim or 128)
    vocabulary = shape.vocab_size if shape else _LARGEST_VOCABULARY
    experts = _experts_vectors(shape, hidden, tensor_parallel) if shape else 0.0
    dense = 3 * (shape.intermediate_size if shape else 4 * hidden) / tensor_parallel
    of_a_token = 2 * batch.tokens / _GIB
    layer = of_a_token * (4 * hidden + max(dense, experts))
    shared = _SHARED_GIB + of_a_token * (_SHARED_VECTORS * hidden + _EXPERTS_SHARE * experts)
    # Embedding models and rerankers sample nothing.
    sampler = batch.sequences * vocabulary * _SAMPLER_BYTES / _GIB if facts.task in ("", "generate") else 0.0
    if not _sees(facts):
        return max(layer, sampler + shared)
    return max(layer + _VISION_KEPT_GIB, sampler + shared + _VISION_KEPT_GIB, _VISION_GIB)


def _sees(facts: ModelFacts) -> bool:
    return not {"image", "video"}.isdisjoint(facts.serving.modalities)


def _experts_vectors(shape: Shape, hidden: int, tensor_parallel: int) -> float:
    """Return the numbers that experts hold of one token.

    Of each expert that a token takes, vLLM holds the output or two intermediate vectors, whichever is
    larger, and a third intermediate vector (vLLM 0.27, `fused_moe.py`).
    """
    third = shape.expert_size / tensor_parallel
    width = shape.expert_width or hidden
    routed = shape.experts_per_token * (max(width, 2 * third) + third)
    return routed + 3 * shape.shared_size / tensor_parallel
