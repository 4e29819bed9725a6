"""What requests keep on one GPU, in bytes: the KV cache, and the state of layers without attention.

full attention  requests x context x bytes of a layer and token
sliding window  the same, with the window instead of the context, and once the tokens in flight
indexer         as full attention, in the layers that have one (sparse attention)
state           one block of a fixed size for each request

Tensor parallelism divides heads. A GPU has at least one key-value head, the whole latent (MLA), all
of an indexer's keys, and its share of a state.

vLLM hands the cache out in blocks, and every block has the same size for every layer. Beside layers
with a state, a block holds as many tokens as it takes for the state of one layer to fit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from functions.catalog import INDEXER_BYTES, ModelFacts, full_layer_bytes, layer_bytes, state_bytes_per_layer

__all__ = ["cache_bytes", "sequence_bytes"]

_BLOCK = 16
"""Tokens of a block, of most attention backends."""
_LATENT_BLOCK = 64
"""Tokens of a block where attention caches one latent (MLA): `flashmla.py` of vLLM 0.27."""
_STATE_LATENT_BLOCK = 128
"""The same beside layers with a state: `_align_hybrid_block_size` of vLLM 0.27."""


def cache_bytes(
    facts: ModelFacts, context: int, requests: int = 1, gpus: int = 1, in_flight: int = 16384
) -> float:
    """Return what requests keep on each GPU, as vLLM's check at startup counts one request.

    Args:
        facts: of the model.
        context: of each request, in tokens.
        requests: at once.
        gpus: the tensor parallel size.
        in_flight: tokens that are computed and not settled yet. Layers with a sliding window hold them
            beside their windows: `SlidingWindowSpec` of vLLM 0.27.
    """
    if facts.encoder:
        return 0.0
    if facts.shape and facts.shape.state:
        pages = _pages(facts, gpus)
        attention = math.ceil(context / pages.tokens) * pages.attention_groups
        return float(pages.block_bytes * requests * (attention + pages.state_groups))
    full, block = facts.full_attention_layers, _LATENT_BLOCK if facts.latent_dim else _BLOCK
    windowed = facts.layers - full if facts.sliding_window else 0
    tokens = requests * _whole(context, block)
    # A window may begin in the middle of a block, so that vLLM counts one block more.
    kept = min(
        tokens + requests * block,
        requests * _whole(facts.sliding_window - 1 + block, block) + _whole(in_flight, block),
    )
    return (
        _padded(full, windowed) * tokens * full_layer_bytes(facts) * _full_share(facts, gpus)
        + _padded(windowed, full) * kept * layer_bytes(facts) * _share(facts, gpus)
        + facts.indexed_layers * tokens * INDEXER_BYTES
        + requests * facts.state_bytes / gpus
    )


def sequence_bytes(facts: ModelFacts, gpus: int) -> float:
    """Return what each sequence of a batch needs at least on a GPU, in bytes; 0 where that is nothing.

    vLLM does not start with fewer blocks than sequences in a model with a state: "max_num_seqs exceeds
    available Mamba cache blocks" (`config/compilation.py` of vLLM 0.27). Of a model whose dimensions
    are not known, the whole state counts, which is more than a block.
    """
    if facts.shape and facts.shape.state:
        return float(_pages(facts, gpus).block_bytes)
    return facts.state_bytes / gpus


class _Pages(NamedTuple):
    """How vLLM divides the cache of a model in which some layers keep a state."""

    tokens: int
    """Tokens of a layer with attention that a block holds."""
    block_bytes: int
    """Size of a block, which one layer of each group shares with one layer of every other group."""
    attention_groups: int
    """Groups of layers with attention; each needs blocks of its own."""
    state_groups: int


def _pages(facts: ModelFacts, gpus: int) -> _Pages:
    """Return the blocks of a model with a state: `_align_hybrid_block_size` of vLLM 0.27."""
    assert facts.shape is not None
    assert facts.shape.state is not None
    state = facts.shape.state
    token = round(full_layer_bytes(facts) * _full_share(facts, gpus))
    step = _STATE_LATENT_BLOCK if facts.latent_dim else _BLOCK
    tokens = step * math.ceil(state_bytes_per_layer(state, gpus) / (step * token))
    size = _group_size(facts.full_attention_layers, state.layers)
    return _Pages(
        tokens,
        tokens * token * size,
        math.ceil(facts.full_attention_layers / size),
        math.ceil(state.layers / size),
    )


def _group_size(layers: int, others: int) -> int:
    """Return how many layers vLLM puts into one group, in a model with two kinds of layers.

    As many as there are of the rarer kind, or of the other kind where that is less than half as many
    again (`_get_kv_cache_groups_uniform_page_size` of vLLM 0.27).
    """
    few, many = sorted((layers, others))
    return many if many < 1.5 * few else few


def _padded(layers: int, beside: int) -> int:
    """Return how many layers of one kind vLLM allocates cache for: whole groups.

    Args:
        layers: of this kind.
        beside: layers of the other kind; 0 where there is one kind.
    """
    if not layers or not beside:
        return layers
    size = _group_size(layers, beside)
    return math.ceil(layers / size) * size


def _whole(tokens: int, block: int) -> int:
    """Round tokens up to whole blocks."""
    return math.ceil(tokens / block) * block


def _share(facts: ModelFacts, gpus: int) -> float:
    """Return the part of a layer's cache on each GPU; a latent cannot be divided."""
    return 1.0 if facts.latent_dim else _head_share(facts.kv_heads, gpus)


def _full_share(facts: ModelFacts, gpus: int) -> float:
    return _head_share(facts.full_kv_heads, gpus) if facts.full_kv_heads else _share(facts, gpus)


def _head_share(kv_heads: int, gpus: int) -> float:
    """Return the part on each GPU of a cache that is divided by heads, of which none can be divided."""
    return max(1.0 / gpus, 1.0 / kv_heads)
