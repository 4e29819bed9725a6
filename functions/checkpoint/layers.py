"""Which layers of a model keep the whole context, which a window, and which a state that does not grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .config import OWN_FILE, Config
from .limits import LAYERS
from .refused import NotUnderstood

__all__ = ["Layers", "indexed_layers", "layers_of"]

_FULL = ("full_attention", "attention", "deepseek_sparse_attention")
_WINDOWED = ("sliding_attention", "chunked_attention", "sliding_window")
_STATEFUL = ("linear_attention", "mamba", "mamba2", "conv", "short_conv")
_MLP = ("moe", "mlp", "-", "E")
_PATTERN = {"*": "attention", "M": "mamba", "-": "mlp", "E": "moe"}
"""Letters of hybrid_override_pattern (Nemotron)."""
_LLAMA4_INTERVAL = 4
"""Every fourth layer of Llama 4 has no chunks: transformers' Llama4TextConfig, where the file is silent."""
_BEYOND = {
    "num_kv_shared_layers": "layers that share the cache of others",
    "hidden_size_per_layer_input": "embeddings of each layer's own",
    "block_configs": "layers with heads of their own",
    "attention_other_setting": "windowed layers with heads of their own",
    "compress_ratios": "a compressed cache",
    "sparse_attention_config": "a second cache, of sparse attention's index",
}
"""Keys of what cannot be sized, and what that is."""


@dataclass(frozen=True)
class Layers:
    """A model's layers by what they cache."""

    count: int
    full: int
    """Layers that keep the whole context."""
    window: int = 0
    """Tokens that the windowed layers keep; 0 where there are none."""
    stateful: int = 0
    """Layers that keep a state of a fixed size instead: linear attention, Mamba, convolution."""
    mlp: int | None = None
    """Layers that are an MLP or experts alone; None where every layer has one."""
    moe: int | None = None
    """Those with experts, where the pattern says them."""

    @property
    def hybrid(self) -> bool:
        """Whether some layers have no cache that grows."""
        return self.full < self.count and not self.window

    @property
    def attending(self) -> int:
        """Layers with attention."""
        return self.full if self.hybrid else self.count


def layers_of(config: Config, max_context: int) -> Layers:
    """Read the layers.

    Args:
        config: the model's.
        max_context: tokens; a window as long as this is none.

    Raises:
        NotUnderstood: for what cannot be sized, or a window with no word on whose it is.
    """
    count = _count(config)
    for key, what in _BEYOND.items():
        if config.get(key):
            raise _beyond(key, what)
    kinds = _kinds(config, count)
    if config.kind.layers == "hybrid" or any(kinds.get(kind) for kind in _STATEFUL):
        return _hybrid(config, count, kinds)
    windowed = _windowed(config, count, kinds)
    if not 0 <= windowed <= count:
        raise _contradiction("num_hidden_layers", f"{windowed} of {count} layers would have a window")
    window = _window(config) if windowed else 0
    if not windowed or window >= max_context:
        return Layers(count, count)
    return Layers(count, count - windowed, window)


def _count(config: Config) -> int:
    """Count the layers; Nemotron 3 Ultra names its layers and does not say how many there are.

    Raises:
        NotUnderstood: for more than any model has.
    """
    if config.get("num_hidden_layers") is not None:
        return config.number("num_hidden_layers")
    named = config.count("layers_block_type")
    if named:
        if sum(named.values()) > LAYERS:
            raise _contradiction("layers_block_type", f"it names more than {LAYERS} layers")
        return sum(named.values())
    return config.optional("num_layers") or config.number("num_hidden_layers")


def _beyond(key: str, what: str) -> NotUnderstood:
    return NotUnderstood(
        f"config.json: {key}",
        f"the model has {what}, and this version cannot size the KV cache of such a model",
        "Name another model, or ask for this kind to be supported",
    )


def _contradiction(key: str, problem: str) -> NotUnderstood:
    return NotUnderstood(f"config.json: {key}", problem, OWN_FILE)


def _kinds(config: Config, count: int) -> Mapping[str, int]:
    """Count the layers by what the file calls them; empty where the file has no word for each layer."""
    for key in ("layer_types", "layers_block_type"):
        found = config.count(key)
        if found is None:
            continue
        if sum(found.values()) != count:
            raise _contradiction(key, f"it does not name {count} layers, as num_hidden_layers says")
        unknown = sorted(found.keys() - {*_FULL, *_WINDOWED, *_STATEFUL, *_MLP})
        if unknown:
            raise _beyond(key, f"layers of {', '.join(unknown)}")
        return found
    pattern = config.count("hybrid_override_pattern")
    if pattern is None:
        return {}
    if sum(pattern.values()) != count or pattern.keys() - _PATTERN.keys():
        raise _contradiction("hybrid_override_pattern", f"it is not {count} of M, *, - and E")
    return {_PATTERN[letter]: layers for letter, layers in pattern.items()}


def _hybrid(config: Config, count: int, kinds: Mapping[str, int]) -> Layers:
    """Read a model of which some layers have no cache that grows."""
    if any(kinds.get(kind) for kind in _WINDOWED):
        raise _beyond("layer_types", "windowed layers beside layers without attention")
    if kinds:
        full = _sum(kinds, _FULL)
        mlp = _sum(kinds, _MLP) or None
        found = Layers(
            count, full, 0, _sum(kinds, _STATEFUL), mlp, None if mlp is None else kinds.get("moe", 0)
        )
    else:
        attending = _attending(config, count)
        found = Layers(count, attending, stateful=count - attending)
    if not 0 < found.full <= count:
        raise _contradiction("num_hidden_layers", f"{found.full} of {count} layers would have attention")
    return found


def _sum(kinds: Mapping[str, int], wanted: tuple[str, ...]) -> int:
    return sum(kinds.get(kind, 0) for kind in wanted)


def _attending(config: Config, count: int) -> int:
    """Count the layers with attention of a hybrid that has no word for each layer."""
    for key in ("full_attn_idxs", "attn_layer_indices"):
        if config.get(key) is not None:
            return config.number(key)
    kimi = config.get("linear_attn_config")
    if isinstance(kimi, Mapping) and isinstance(kimi.get("full_attn_layers"), int):
        return int(kimi["full_attn_layers"])
    if config.get("attn_layer_period") is not None:
        return len(range(config.optional("attn_layer_offset"), count, config.number("attn_layer_period")))
    for key in ("full_attention_interval", "layer_group_size"):
        if config.get(key) is not None:
            return count // config.number(key)
    raise config.missing(
        "layer_types", f", and no other key says which layers of {config.model_type} have attention"
    )


def _windowed(config: Config, count: int, kinds: Mapping[str, int]) -> int:
    """Count the windowed layers of a model that has attention in all."""
    if kinds:
        return _sum(kinds, _WINDOWED)
    pattern = config.count("hybrid_layer_pattern")
    if pattern is not None:
        if sum(pattern.values()) != count or pattern.keys() - {"0", "1"}:
            raise _contradiction("hybrid_layer_pattern", f"it is not {count} of 0 and 1")
        return pattern.get("1", 0)
    if config.kind.layers == "chunks":
        return count - _unchunked(config, count) if config.get("attention_chunk_size") is not None else 0
    if not config.optional("sliding_window") or config.get("use_sliding_window") is False:
        return 0
    if config.get("sliding_window_pattern") is not None:
        return count - count // config.number("sliding_window_pattern")
    if config.kind.layers == "window":
        return count
    raise NotUnderstood(
        "config.json: sliding_window",
        f"there is a window of {config.get('sliding_window')} tokens, and neither layer_types nor "
        f"sliding_window_pattern says which layers of {config.model_type} have it",
        "Add layer_types as transformers has them for this model",
    )


def _unchunked(config: Config, count: int) -> int:
    """Count the layers of Llama 4 that see everything: those without rotary embeddings."""
    rope = config.count("no_rope_layers")
    if rope:
        return rope.get("0", 0)
    for key in ("no_rope_layer_interval", "nope_layer_interval"):
        if config.get(key) is not None:
            return count // config.number(key)
    return count // _LLAMA4_INTERVAL


def _window(config: Config) -> int:
    """Return the window in tokens. MiMo-V2 states a chunk too, which vLLM takes out."""
    chunked = config.kind.layers == "chunks" and config.get("attention_chunk_size") is not None
    return config.number("attention_chunk_size" if chunked else "sliding_window")


def indexed_layers(config: Config, count: int) -> int:
    """Count the layers whose sparse attention has an indexer, with a cache of its own.

    vLLM 0.27.1, deepseek_v2.py: index_topk_pattern, else every index_topk_freq-th layer.
    """
    if not config.get("index_topk"):
        return 0
    for key, word in (("index_topk_pattern", "S"), ("indexer_types", "shared")):
        pattern = config.count(key)
        if pattern:
            return max(count - pattern.get(word, 0), 0)
    frequency, offset = config.optional("index_topk_freq") or 1, config.get("index_skip_topk_offset")
    skip = offset if isinstance(offset, int) else 2
    return sum(max(layer - skip + 1, 0) % frequency == 0 for layer in range(count))
