"""The dimensions that a model's weights follow from, as config.json has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functions.catalog.shapes import Attention, Shape, State

from .config import OWN_FILE, Config
from .layers import Layers, indexed_layers
from .refused import NotUnderstood

__all__ = ["attention_of", "shape_of", "state_of"]

_INDEXER_HEAD = 128
_GATED_TOWERS = {"pixtral", "qwen2_5_vl"}
_SHARED_EMBEDDINGS = ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "nemotron_h", "glm4_moe", "mimo")
"""Types whose layers for speculative decoding have no embeddings of their own."""


def attention_of(config: Config, layers: Layers, head_dim: int, heads: tuple[int, int]) -> Attention:
    """Return the dimensions of a model's attention.

    Args:
        config: the model's.
        layers: the model's.
        head_dim: size of a head; 0 where one latent is cached for all heads.
        heads: attention heads and key-value heads.
    """
    latent = config.kind.cache == "latent" and config.get("kv_lora_rank") is not None
    full_head_dim = config.optional("global_head_dim")
    return Attention(
        layers=layers.attending,
        full_layers=layers.full,
        hidden_size=config.number("hidden_size"),
        heads=heads[0],
        kv_heads=heads[1],
        head_dim=head_dim,
        kv_lora_rank=config.number("kv_lora_rank") if latent else 0,
        rope_dim=config.number("qk_rope_head_dim") if latent else 0,
        full_kv_heads=config.optional("num_global_key_value_heads") or (heads[1] if full_head_dim else 0),
        full_head_dim=full_head_dim,
        whole_other=bool(config.get("index_topk")),
    )


def state_of(config: Config, layers: Layers) -> State | None:
    """Return what the layers without attention keep; None where they keep none that counts.

    Raises:
        NotUnderstood: where the file does not say how large the state is.
    """
    kind, count = config.kind.state, layers.stateful
    # A convolution keeps three tokens: too little to count.
    if not count or kind == "conv":
        return None
    if kind == "kda":
        kimi = config.get("linear_attn_config")
        heads, size = (kimi.get("num_heads"), kimi.get("head_dim")) if isinstance(kimi, Mapping) else (0, 0)
        if not (isinstance(heads, int) and isinstance(size, int) and heads > 0 and size > 0):
            raise config.missing("linear_attn_config", " num_heads or head_dim")
        return State("kda", count, heads, size, heads, size)
    if kind == "delta":
        keys = (
            "linear_num_key_heads",
            "linear_key_head_dim",
            "linear_num_value_heads",
            "linear_value_head_dim",
        )
        # Qwen3-Next has no such key, and vLLM keeps its state at 16 bits.
        said = config.get("mamba_ssm_dtype") or ("" if config.model_type == "qwen3_next" else "float32")
        wide = said == "float32"
        return replace(State("delta", count, *map(config.number, keys)), number_bytes=4 if wide else 2)
    if kind == "mamba":
        # Granite's names, then Nemotron's.
        granite = ("mamba_n_groups", "mamba_d_state", "mamba_n_heads", "mamba_d_head")
        nemotron = ("n_groups", "ssm_state_size", "mamba_num_heads", "mamba_head_dim")
        if config.get("mamba_n_heads") is not None:
            return replace(State("mamba", count, *map(config.number, granite)), number_bytes=2)
        narrow = config.get("mamba_ssm_cache_dtype") in ("float16", "bfloat16")
        state = State("mamba", count, *map(config.number, nemotron))
        return replace(state, number_bytes=2 if narrow else 4)
    if kind == "mamba1":
        inner = config.number("mamba_expand") * config.number("hidden_size")
        return State("mamba1", count, 0, config.number("mamba_d_state"), inner, 1)
    # Lightning attention keeps a square for each head.
    heads = config.number("num_attention_heads")
    size = config.optional("head_dim") or config.number("hidden_size") // heads
    return State(kind, count, heads, size, heads, size)


def shape_of(config: Config, layers: Layers, vision: Mapping[str, Any], *, headless: bool) -> Shape | None:
    """Return the dimensions beside attention; None where the file does not say them all.

    Args:
        config: the model's.
        layers: the model's.
        vision: dimensions of the vision tower, as the report has them.
        headless: whether the model generates nothing, so that it has no head.
    """
    kind = config.kind
    dense, moe = _mlp_layers(config, layers)
    experts, vocabulary = config.first("experts"), config.optional("vocab_size")
    expert_size = config.optional("moe_intermediate_size") or config.optional("intermediate_size")
    if config.model_type == "phi3":
        expert_size = 0
    intermediate = _intermediate(config)
    if not vocabulary or (dense and not intermediate) or (moe and not (experts and expert_size)):
        return None
    if kind.state in ("conv", "mamba1", "lightning") or kind.cache == "expanded":
        return None
    return Shape(
        vocab_size=vocabulary,
        tied_embeddings=config.tied or headless,
        mlp_matrices=kind.mlp_matrices,
        dense_layers=dense,
        intermediate_size=intermediate if dense else 0,
        moe_layers=moe,
        experts=experts if moe else 0,
        experts_per_token=config.first("experts_per_token") if moe else 0,
        expert_size=expert_size if moe else 0,
        expert_width=config.first("expert_width") if moe else 0,
        shared_size=_shared(config, expert_size) if moe else 0,
        q_lora_rank=config.optional("q_lora_rank") if kind.cache == "latent" else 0,
        qk_nope_head_dim=config.optional("qk_nope_head_dim") if kind.cache == "latent" else 0,
        v_head_dim=config.optional("v_head_dim") if kind.cache == "latent" else 0,
        output_gate=_gated(config),
        state=state_of(config, layers),
        speculative_layers=(ahead := _speculative(config)),
        speculative_embeddings=ahead > 0 and config.model_type not in _SHARED_EMBEDDINGS,
        other=_tower(vision, config) + _indexer(config, layers) + _positions(config),
    )


def _gated(config: Config) -> bool:
    """Tell whether attention has a gate. Qwen3.5 says so; Qwen3-Next and Kimi K3 have one unsaid."""
    stated = config.get("attn_output_gate")
    return config.model_type in ("qwen3_next", "kimi_linear") if stated is None else bool(stated)


def _speculative(config: Config) -> int:
    # MiniMax-M2 announces layers that its checkpoints do not hold.
    return 0 if config.model_type == "minimax_m2" else config.first("speculative_layers")


def _intermediate(config: Config) -> int:
    if config.kind.layers == "chunks":
        return config.optional("intermediate_size_mlp")
    return config.optional("intermediate_size")


def _mlp_layers(config: Config, layers: Layers) -> tuple[int, int]:
    """Return the layers with an MLP, and those with experts."""
    if layers.mlp is not None:
        moe = layers.moe or 0
        return layers.mlp - moe, moe
    count, experts = layers.count, config.first("experts")
    if not experts:
        return count, 0
    if config.model_type == "gemma4_text":
        # Experts beside the MLP, in every layer.
        return count, count
    frequency = config.count("moe_layer_freq")
    if frequency is not None:
        moe = frequency.get("1", 0)
    elif config.get("first_k_dense_replace") is not None or config.get("num_dense_layers") is not None:
        moe = count - config.optional("first_k_dense_replace") - config.optional("num_dense_layers")
    elif config.get("interleave_moe_layer_step") is not None:
        moe = count // config.number("interleave_moe_layer_step")
    else:
        step = config.optional("decoder_sparse_step") or 1
        moe = count // step - config.optional("mlp_only_layers")
    if not 0 <= moe <= count:
        raise NotUnderstood(
            "config.json: num_hidden_layers", f"{moe} of {count} layers would have experts", OWN_FILE
        )
    return count - moe, moe


def _shared(config: Config, expert_size: int) -> int:
    """Return the intermediate size of all shared experts of a layer."""
    if config.kind.layers == "chunks":
        return config.number("intermediate_size")
    stated, shared = config.first("shared_size"), config.first("shared_experts")
    if stated and config.model_type not in ("deepseek_v3", "kimi_k2"):
        return stated * (shared or 1) if config.model_type == "nemotron_h" else stated
    return shared * expert_size


def _indexer(config: Config, layers: Layers) -> int:
    """Return the parameters of sparse attention's indexers, in the layers that have one."""
    heads, rank = config.optional("index_n_heads"), config.optional("q_lora_rank")
    size = config.optional("index_head_dim") or _INDEXER_HEAD
    if not heads:
        return 0
    hidden = config.number("hidden_size")
    return indexed_layers(config, layers.count) * (rank * heads * size + hidden * size + hidden * heads)


def _tower(vision: Mapping[str, Any], config: Config) -> int:
    """Return about the parameters of a vision tower and its projection; 0 where its size is not said."""
    width, depth = vision.get("hidden_size"), vision.get("layers")
    if not isinstance(width, int) or not isinstance(depth, int):
        return 0
    inner = vision.get("intermediate_size")
    ratio = vision.get("mlp_ratio")
    inner = inner if isinstance(inner, int) else int(width * (ratio if isinstance(ratio, int | float) else 4))
    gated = {str(vision.get("model_type")), config.model_type.removesuffix("_text")} & _GATED_TOWERS
    matrices = 3 if gated else 2
    layers = depth * (4 * width * width + matrices * width * inner)
    # Four merged patches are projected to the text model, in Qwen3-VL those of some layers too.
    merged, projections = 4 * width, 1 + int(vision.get("stacked") or 0)
    return layers + projections * merged * (merged + config.number("hidden_size"))


def _positions(config: Config) -> int:
    """Return the parameters of an encoder's position embeddings; other kinds of models compute positions."""
    if config.kind.cache != "none":
        return 0
    return config.number("max_position_embeddings") * config.number("hidden_size")
