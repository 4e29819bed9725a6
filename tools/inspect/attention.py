"""Which layers of a model keep the whole context, which a window, and which nothing that grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tools.inspect.checkpoint import Refused
from tools.inspect.config import Config

__all__ = ["Layers", "layers_of"]

_FULL = ("full_attention", "attention")
_WINDOWED = ("sliding_attention", "chunked_attention")
_WITHOUT = ("linear_attention", "mamba", "conv")
_ALL_WINDOWED = ("mistral", "mixtral", "phi3", "phimoe", "starcoder2")
"""Types whose sliding_window counts for every layer."""
_LLAMA4_INTERVAL = 4
"""Every fourth layer of Llama 4 has no chunks: transformers' Llama4TextConfig, where the file is silent."""
_BEYOND = {
    "num_kv_shared_layers": "layers that share the cache of others",
    "num_global_key_value_heads": "layers with other key-value heads than the rest",
    "global_head_dim": "layers with heads of another size than the rest",
    "block_configs": "layers with heads of their own",
    "index_topk": "a second cache, of sparse attention's indexer",
    "compress_ratios": "a compressed cache",
}
"""Keys of what the columns cannot say, and what that is."""
_BEYOND_TYPES = ("gemma4_text", "gemma4", "falcon_h1", "zamba2")


@dataclass(frozen=True)
class Layers:
    """A model's layers by what they cache."""

    count: int
    full: int
    """Layers that keep the whole context."""
    window: int = 0
    """Tokens that the others keep; 0 where they keep none, or there are none."""
    hybrid: bool = False
    """The others have no cache that grows."""
    stateful: int = 0
    """Those of the others that keep a state of a fixed size instead (linear attention, Mamba)."""


def layers_of(config: Config, max_context: int) -> Layers:
    """Read the layers.

    Args:
        config: the model's.
        max_context: tokens; a window as long as this is none.

    Raises:
        Refused: for what the catalog's columns cannot say, or a window with no word on whose it is.
    """
    count = config.number("num_hidden_layers")
    _require_sayable(config)
    attending = _with_attention(config, count)
    if attending is not None and not 0 < attending <= count:
        raise _contradiction("num_hidden_layers", f"{attending} of {count} layers would have attention")
    if attending is not None:
        return Layers(
            count, attending, hybrid=attending < count, stateful=_with_state(config, count, attending)
        )
    windowed = _with_window(config, count)
    window = _window(config) if windowed else 0
    if not windowed or window >= max_context:
        return Layers(count, count)
    return Layers(count, count - windowed, window)


def _require_sayable(config: Config) -> None:
    for key, what in _BEYOND.items():
        if config.get(key):
            raise _beyond(key, what)
    if config.model_type in _BEYOND_TYPES:
        raise _beyond("model_type", f"{config.model_type}, whose layers have heads of several sizes or kinds")


def _beyond(key: str, what: str) -> Refused:
    return Refused(
        f"config.json: {key}",
        f"the catalog cannot express {what}, so the KV cache would be wrong",
        "Take another model, or ask for this kind to be supported",
    )


def _with_attention(config: Config, count: int) -> int | None:
    """Count the layers with attention of a hybrid; None where every layer has it."""
    kinds = _kinds(config, count)
    if kinds is not None:
        none = sum(kinds[kind] for kind in _WITHOUT)
        if none and any(kinds[kind] for kind in _WINDOWED):
            raise _beyond("layer_types", "windowed layers beside layers without attention")
        return count - none if none else None
    pattern = config.get("hybrid_override_pattern")
    if pattern is not None:
        if len(str(pattern)) != count or set(str(pattern)) - set("M*-E"):
            raise _contradiction("hybrid_override_pattern", f"{pattern} is not {count} of M, *, - and E")
        return str(pattern).count("*")
    kimi = config.get("linear_attn_config")
    if isinstance(kimi, dict) and isinstance(kimi.get("full_attn_layers"), list):
        return len(kimi["full_attn_layers"])
    if isinstance(config.get("attn_layer_indices"), list):
        return len(config.get("attn_layer_indices"))
    if config.get("attn_layer_period") is not None:
        first = config.number("attn_layer_offset") if config.get("attn_layer_offset") else 0
        return len(range(first, count, config.number("attn_layer_period")))
    if config.get("full_attention_interval") is not None:
        return count // config.number("full_attention_interval")
    return None


def _with_state(config: Config, count: int, attending: int) -> int:
    """Count the layers that keep a state; an MLP has none, and a convolution's is too small to count."""
    kinds = _kinds(config, count)
    if kinds is not None:
        return kinds["linear_attention"] + kinds["mamba"]
    pattern = config.get("hybrid_override_pattern")
    return count - attending if pattern is None else str(pattern).count("M")


def _with_window(config: Config, count: int) -> int:
    """Count the windowed layers of a model that has attention in all."""
    kinds = _kinds(config, count)
    if kinds is not None:
        return sum(kinds[kind] for kind in _WINDOWED)
    if config.get("attention_chunk_size") is not None:
        return count - _unchunked(config, count)
    if config.get("sliding_window") is None or config.get("use_sliding_window") is False:
        return 0
    if config.get("sliding_window_pattern") is not None:
        return count - count // config.number("sliding_window_pattern")
    if config.model_type in _ALL_WINDOWED:
        return count
    raise Refused(
        "config.json: sliding_window",
        f"there is a window of {config.get('sliding_window')} tokens, and neither layer_types nor "
        f"sliding_window_pattern says which layers of {config.model_type or 'this model'} have it",
        "Add layer_types as transformers has them for this model",
    )


def _unchunked(config: Config, count: int) -> int:
    """Count the layers of Llama 4 that see everything: those without rotary embeddings."""
    rope = config.get("no_rope_layers")
    if isinstance(rope, list) and rope:
        return rope.count(0)
    for key in ("no_rope_layer_interval", "nope_layer_interval"):
        if config.get(key) is not None:
            return count // config.number(key)
    return count // _LLAMA4_INTERVAL


def _window(config: Config) -> int:
    chunk = config.get("attention_chunk_size")
    return config.number("sliding_window" if chunk is None else "attention_chunk_size")


def _kinds(config: Config, count: int) -> Counter[str] | None:
    """Count layer_types by kind."""
    found = config.get("layer_types")
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != count:
        raise _contradiction("layer_types", f"it does not name {count} layers, as num_hidden_layers says")
    kinds = Counter(map(str, found))
    unknown = sorted(kinds.keys() - {*_FULL, *_WINDOWED, *_WITHOUT})
    if unknown:
        raise _beyond("layer_types", f"layers of {', '.join(unknown)}")
    return kinds


def _contradiction(key: str, problem: str) -> Refused:
    return Refused(f"config.json: {key}", problem, "Take the model's own config.json")
