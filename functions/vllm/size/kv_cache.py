"""What requests keep on one GPU, in bytes: the KV cache, and the state of layers without attention.

full layers     requests x context x bytes of a layer and token
windowed layers the same, with a window's tokens instead of the context, and once a batch's
indexer         as full layers, of which some have it (sparse attention)
state           requests x a fixed size

Tensor parallelism divides heads: a GPU has at least one key-value head, all of a latent (MLA) and of
an indexer's keys, and its share of a state.
"""

from __future__ import annotations

from functions.catalog import INDEX_BYTES, ModelFacts, full_layer_bytes, layer_bytes

__all__ = ["cache_bytes", "cache_share"]


def cache_bytes(
    facts: ModelFacts, context: int, requests: int = 1, gpus: int = 1, batch_tokens: int = 8192
) -> float:
    """Return what requests of this context keep on each of the GPUs that share the model.

    What is computed at once, `batch_tokens`, a windowed layer holds beside its windows, as vLLM's check
    at startup has it: `SlidingWindowSpec` of vLLM 0.27.
    """
    tokens, full = context * requests, facts.full_attention_layers
    windowed = facts.layers - full if facts.sliding_window else 0
    stateful = facts.shape.state.layers if facts.shape and facts.shape.state else 0
    kept = min(tokens, facts.sliding_window * requests + batch_tokens)
    return (
        _padded(full, windowed or stateful) * tokens * full_layer_bytes(facts) * _full_share(facts, gpus)
        + _padded(windowed, full) * kept * layer_bytes(facts) * cache_share(facts, gpus)
        + facts.indexed_layers * tokens * INDEX_BYTES
        + requests * facts.state_bytes * (_padded(stateful, full) / stateful if stateful else 1) / gpus
    )


def _padded(layers: int, beside: int) -> int:
    """Return the layers that memory is taken for, where a model has two kinds.

    vLLM divides both into groups of one size, that of the rarer kind, or of the other where that is
    less than half as many again: `_get_kv_cache_groups_uniform_page_size` of vLLM 0.27.
    """
    if not layers or not beside:
        return layers
    few, many = sorted((layers, beside))
    group = many if many < 1.5 * few else few
    return -(-layers // group) * group


def cache_share(facts: ModelFacts, gpus: int) -> float:
    """Return the part of a layer's cache on each GPU; a latent or a single head cannot be split."""
    return 1.0 if facts.latent_dim else _share(facts.kv_heads, gpus)


def _full_share(facts: ModelFacts, gpus: int) -> float:
    return _share(facts.full_kv_heads, gpus) if facts.full_kv_heads else cache_share(facts, gpus)


def _share(kv_heads: int, gpus: int) -> float:
    return max(1.0 / gpus, 1.0 / kv_heads)
