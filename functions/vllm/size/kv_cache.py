"""What requests keep on one GPU, in bytes: the KV cache, and the state of layers without attention.

full attention  requests x context x bytes of a layer and token
sliding window  the same, with the window's tokens instead of the context, and once a batch's tokens
indexer         as full attention, in the layers that have one (sparse attention)
state           requests x a fixed size

Tensor parallelism divides heads. A GPU has at least one key-value head, the whole latent (MLA), all
of an indexer's keys, and its share of a state.
"""

from __future__ import annotations

from functions.catalog import INDEXER_BYTES, ModelFacts, full_layer_bytes, layer_bytes

__all__ = ["cache_bytes"]


def cache_bytes(
    facts: ModelFacts, context: int, requests: int = 1, gpus: int = 1, batch_tokens: int = 8192
) -> float:
    """Return what requests keep on each GPU.

    Args:
        facts: of the model.
        context: of each request, in tokens.
        requests: at once.
        gpus: the tensor parallel size.
        batch_tokens: computed in one step. Layers with a sliding window hold them beside their windows,
            as in vLLM's check at startup: `SlidingWindowSpec` of vLLM 0.27.
    """
    tokens, full = context * requests, facts.full_attention_layers
    windowed = facts.layers - full if facts.sliding_window else 0
    stateful = facts.shape.state.layers if facts.shape and facts.shape.state else 0
    kept = min(tokens, facts.sliding_window * requests + batch_tokens)
    return (
        _padded(full, windowed or stateful) * tokens * full_layer_bytes(facts) * _full_share(facts, gpus)
        + _padded(windowed, full) * kept * layer_bytes(facts) * _share(facts, gpus)
        + facts.indexed_layers * tokens * INDEXER_BYTES
        + requests * facts.state_bytes * (_padded(stateful, full) / stateful if stateful else 1) / gpus
    )


def _padded(layers: int, beside: int) -> int:
    """Return how many layers of one kind the engine allocates cache for, in a model with two kinds.

    vLLM divides the layers of both kinds into groups of one size: that of the rarer kind, or that of
    the other kind where it is less than half as many again
    (`_get_kv_cache_groups_uniform_page_size` of vLLM 0.27).

    Args:
        layers: of this kind.
        beside: layers of the other kind; 0 where there is one kind.
    """
    if not layers or not beside:
        return layers
    few, many = sorted((layers, beside))
    group = many if many < 1.5 * few else few
    return -(-layers // group) * group


def _share(facts: ModelFacts, gpus: int) -> float:
    """Return the part of a layer's cache on each GPU; a latent cannot be divided."""
    return 1.0 if facts.latent_dim else _head_share(facts.kv_heads, gpus)


def _full_share(facts: ModelFacts, gpus: int) -> float:
    return _head_share(facts.full_kv_heads, gpus) if facts.full_kv_heads else _share(facts, gpus)


def _head_share(kv_heads: int, gpus: int) -> float:
    """Return the part on each GPU of a cache that is divided by heads, of which none can be divided."""
    return max(1.0 / gpus, 1.0 / kv_heads)
