"""The facts of a model from the report of its files. Keys: https://huggingface.co/docs/transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from functions.catalog.models import ModelFacts, sized_by_shape
from functions.catalog.precision import BYTES_PER_PARAMETER, FP8_WHEN_LOADED_BYTES
from functions.catalog.serving import UNKNOWN
from functions.catalog.shapes import Attention, Shape, loaded_parameters, state_bytes

from .config import OWN_FILE, Config
from .layers import Layers, indexed_layers, layers_of
from .limits import require_mapping, require_within
from .precision import Stored, stored
from .refused import NotUnderstood
from .report import INDEX
from .shape import attention_of, shape_of, state_of

__all__ = ["Entry", "read"]

_GIB = 2**30
_TOLERANCE = 0.03
"""How far the sizes that follow from the dimensions may be from the files before only the files count."""
_CLASSIFIES = "ForSequenceClassification"
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")
"""Keys of the longest context, the first that is there."""


@dataclass(frozen=True)
class Entry:
    """What a model's files say."""

    facts: ModelFacts
    attention: str
    """gqa, mla, hybrid or encoder, as the catalog's column."""
    latent: tuple[int, int] | None
    """MLA: kv_lora_rank and qk_rope_head_dim."""
    stored: Stored
    files_gib: float
    """Size of the weights' files; 0 where no file says it."""
    model_type: str = ""


def read(name: str, report: Mapping[str, Any]) -> Entry:
    """Read the facts of a model.

    Args:
        name: of the model on the Hub.
        report: of its files.

    Raises:
        NotUnderstood: for what is unknown, missing or contradicts itself.
    """
    keys = report.get("config") or {}
    config = Config(keys if isinstance(keys, Mapping) else {})
    _require_decoder(config)
    kind = config.kind
    context = _max_context(config)
    layers = layers_of(config, context)
    precision = stored(config, require_mapping("quantization_config", report.get("quantization")))
    heads = config.number("num_attention_heads")
    latent = _latent(config)
    kv_heads, full_kv_heads, head_dim, full_head_dim = _cached_heads(config, layers, heads)
    attention = attention_of(config, layers, head_dim, (heads, kv_heads))
    task = _task(report, config)
    vision = require_mapping("config.json: vision_config", report.get("vision"))
    shape = shape_of(config, layers, vision, headless=task != "generate")
    state = state_of(config, layers)
    bare = ModelFacts(
        name=name,
        parameters_billions=0.0,
        weights_gib=0.0,
        layers=layers.count,
        attention_heads=heads,
        kv_heads=kv_heads,
        head_dim=0 if latent else head_dim,
        latent_dim=sum(latent) if latent else 0,
        sliding_window=layers.window,
        full_attention_layers=0 if kind.cache == "none" else layers.full,
        max_context=context,
        precision=precision.precision,
        task=task,
        state_bytes=state_bytes(state) if state else 0,
        full_kv_heads=full_kv_heads,
        full_head_dim=full_head_dim,
        indexed_layers=indexed_layers(config, layers.count),
        encoder=kind.cache == "none",
        hidden_size=attention.hidden_size,
        shape=shape,
        expert_block=int(precision.group_size or 0) if precision.precision == "fp8" else 0,
        serving=replace(UNKNOWN, modalities=_modalities(report)),
    )
    weights = require_mapping(INDEX, report.get("weights"))
    copied = _copied_head(config, shape, weights, precision)
    size = int(weights.get("bytes") or 0) - copied
    facts = _sized(bare, attention, precision, max(size, 0), weights)
    require_within("config.json", "parameters of the dimensions", facts.parameters_billions * 1e9)
    require_within("config.json", "GiB of weights", facts.checkpoint_gib)
    require_within("config.json", "state of a request", facts.state_bytes)
    named = "encoder" if bare.encoder else "hybrid" if layers.hybrid else "mla" if latent else "gqa"
    return Entry(facts, named, latent, precision, max(size, 0) / _GIB, kind.model_type)


def _require_decoder(config: Config) -> None:
    if config.get("is_encoder_decoder"):
        raise NotUnderstood(
            "config.json: is_encoder_decoder",
            f"{config.model_type} has an encoder beside its decoder, whose cache cannot be sized",
            "Name a model without one",
        )


def _task(report: Mapping[str, Any], config: Config) -> str:
    """Return the task that the files tell; empty where the spec has to tell it."""
    first = str(report.get("architectures") or "")[:200]
    if not first:
        raise config.missing("architectures")
    if first.endswith(_CLASSIFIES) or config.kind.cache == "none":
        return ""
    if report.get("embeds"):
        return "embed"
    return "generate" if not first.endswith("Model") or "Chat" in first else ""


def _modalities(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the model reads beside text; a file does not say whether what sees images sees videos."""
    sees = ("image", "video") if report.get("vision") else ()
    return (*sees, "audio") if report.get("hears") else sees


def _max_context(config: Config) -> int:
    """Return the longest context; with YaRN what vLLM takes, its factor times the original."""
    stated = config.optional("model_max_length")
    if stated:
        return stated
    key = next((key for key in _CONTEXT if config.get(key) is not None), _CONTEXT[0])
    longest = config.number(key)
    if config.kind.cache == "none" and config.model_type != "bert":
        # RoBERTa begins to count behind its padding token.
        longest = longest - longest % 256 or longest
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping) or rope.get("rope_type", rope.get("type")) != "yarn":
        return longest
    factor, original = rope.get("factor"), rope.get("original_max_position_embeddings")
    if isinstance(factor, int | float) and isinstance(original, int) and factor > 0 and original > 0:
        longest = max(int(factor * original), 1)
        require_within("config.json", "max_position_embeddings", longest)
    return longest


def _latent(config: Config) -> tuple[int, int] | None:
    """Return the parts of an MLA cache; None where keys and values of heads are cached."""
    if config.kind.cache != "latent":
        if config.kind.cache != "expanded" and config.get("kv_lora_rank") is not None:
            raise NotUnderstood(
                "config.json: kv_lora_rank",
                f"this version does not know whether vLLM caches the latent of {config.model_type} or "
                "whole heads",
                "Name another model, or ask for this type to be supported",
            )
        return None
    if config.get("kv_lora_rank") is None and config.model_type == "deepseek_v2":
        return None
    return config.number("kv_lora_rank"), config.number("qk_rope_head_dim")


def _cached_heads(config: Config, layers: Layers, heads: int) -> tuple[int, int, int, int]:
    """Return key-value heads and size of a head: of most layers, and of full ones where they differ."""
    if config.kind.cache == "expanded":
        # vLLM pads the values to the keys.
        return heads, 0, config.number("qk_nope_head_dim") + config.number("qk_rope_head_dim"), 0
    kv_heads = heads if config.kind.cache == "none" else config.first("kv_heads")
    if not kv_heads:
        kv_heads = config.number("num_key_value_heads")
    if config.kind.cache == "latent":
        return kv_heads, 0, 0, 0
    if heads % kv_heads:
        raise NotUnderstood(
            "config.json: num_key_value_heads",
            f"{heads} attention heads are no multiple of {kv_heads} key-value heads",
            OWN_FILE,
        )
    head_dim = _head_dim(config, heads)
    if config.get("swa_num_key_value_heads") is not None and layers.window:
        # Keys and values of two sizes (MiMo-V2): their mean.
        windowed = config.number("swa_head_dim")
        values = config.optional("swa_v_head_dim") or config.optional("v_head_dim") or windowed
        full = (head_dim + (config.optional("v_head_dim") or head_dim)) // 2
        return config.number("swa_num_key_value_heads"), kv_heads, (windowed + values) // 2, full
    if config.optional("global_head_dim"):
        full_kv_heads = config.optional("num_global_key_value_heads") or kv_heads
        return kv_heads, full_kv_heads, head_dim, config.number("global_head_dim")
    return kv_heads, 0, head_dim, 0


def _head_dim(config: Config, heads: int) -> int:
    """Return the size of a head: not always the quotient, which transformers takes where it is left out."""
    hidden = config.number("hidden_size")
    for key in ("head_dim", "attention_head_dim"):
        if config.get(key) is not None:
            return config.number(key)
    if hidden % heads:
        raise config.missing("head_dim", f" and {hidden} / {heads} heads is no whole number")
    if config.kind.states_head_dim:
        raise config.missing("head_dim", f" and {config.model_type} does not take hidden_size / heads")
    return hidden // heads


def _copied_head(config: Config, shape: Shape | None, weights: Mapping[str, Any], precision: Stored) -> int:
    """Return the bytes of a copy of the embeddings that is stored as the head: vLLM does not load it."""
    if not config.tied or not weights.get("head"):
        return 0
    if weights["head"] is not True:
        return int(weights["head"])
    vocabulary = shape.vocab_size if shape else config.number("vocab_size")
    stored_as = precision.precision if not precision.quantized else "bf16"
    return int(vocabulary * config.number("hidden_size") * BYTES_PER_PARAMETER[stored_as])


def _sized(
    bare: ModelFacts, attention: Attention, precision: Stored, size: int, weights: Mapping[str, Any]
) -> ModelFacts:
    """Add the sizes: those of the dimensions, made to agree with the files; else the files' alone.

    Raises:
        NotUnderstood: where neither tells the size of the weights.
    """
    if bare.shape is not None:
        computed = sized_by_shape(bare, attention, precision.quantized, precision.group_size)
        counted = loaded_parameters(bare.shape, attention).total / 1e9
        ratio = size / _GIB / computed.checkpoint_gib if size else 1.0
        if abs(ratio - 1) <= _TOLERANCE:
            return replace(
                computed,
                parameters_billions=counted,
                weights_gib=computed.weights_gib * ratio,
                weights_per_gpu_gib=tuple(gib * ratio for gib in computed.weights_per_gpu_gib),
                checkpoint_gib=computed.checkpoint_gib * ratio,
                experts_gib=computed.experts_gib * ratio,
            )
        bare = replace(bare, parameters_billions=counted, shape=None)
    if not size:
        raise NotUnderstood(
            INDEX,
            "no file tells the size of the weights",
            "Name a model with safetensors files",
        )
    gib = size / _GIB
    billions = float(weights.get("parameters") or 0) / 1e9 or size / BYTES_PER_PARAMETER[bare.precision] / 1e9
    fp8 = (
        min(billions * 1e9 * FP8_WHEN_LOADED_BYTES / _GIB, gib) if bare.precision in ("bf16", "fp16") else 0.0
    )
    return replace(
        bare,
        parameters_billions=billions,
        # vLLM serves float32 checkpoints at 16 bits: --dtype auto.
        weights_gib=gib / 2 if bare.precision == "fp32" else gib,
        checkpoint_gib=gib,
        fp8_gib=fp8,
        expert_block=0,
    )
