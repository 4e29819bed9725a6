"""The catalog entry of a model, from its own config.json and safetensors files in a local folder.

What the catalog's columns cannot say is refused, never guessed: an entry decides how many GPUs
are bought. Keys: https://huggingface.co/docs/transformers/main_classes/configuration
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from functions.catalog.models import ModelFacts
from functions.catalog.precision import BYTES_PER_PARAMETER
from functions.catalog.shapes import State, state_bytes
from tools.inspect.attention import Layers, layers_of
from tools.inspect.checkpoint import INDEX, Checkpoint, Refused, read_checkpoint, read_json
from tools.inspect.config import Config

__all__ = ["Entry", "inspect"]

_GIB = 2**30
_TOLERANCE = 0.01
"""How far parameters times bytes may be from the files before the entry says their size."""
_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_STORED = {"F32": "fp32", "BF16": "bf16", "F16": "fp16"}
_BITS = {"int4": 4, "mxfp4": 4, "int8": 8, "fp8": 8}


@dataclass(frozen=True)
class Entry:
    """What the catalog says of a model."""

    facts: ModelFacts
    hidden_size: int
    attention: str
    """gqa, mla or hybrid, as the catalog's column."""
    latent: tuple[int, int] | None
    """MLA: kv_lora_rank and qk_rope_head_dim."""
    source: str
    """What it was read from."""


def inspect(folder: Path, name: str, parameters_billions: float | None = None) -> Entry:
    """Read a model's entry from its files.

    Args:
        folder: with config.json, and safetensors files or their index.
        name: of the model on the Hub.
        parameters_billions: from its model card, for files that do not say.

    Raises:
        Refused: for what is missing, contradicts itself or cannot be said in the catalog.
    """
    if not folder.is_dir():
        raise Refused(str(folder), "there is no such folder", "Name the folder of the model's files")
    config = Config(read_json(folder / "config.json"))
    _require_generation(folder, config)
    context = _max_context(config)
    layers = layers_of(config, context)
    latent = _latent(config)
    precision = _precision(config)
    checkpoint = read_checkpoint(folder)
    _require_agreement(config, precision, checkpoint)
    parameters, weights, source = _weights(
        folder, config, precision, layers.count, checkpoint, parameters_billions
    )
    hidden, heads, kv_heads = (
        config.number(key) for key in ("hidden_size", "num_attention_heads", "num_key_value_heads")
    )
    if latent is None and heads % kv_heads:
        raise Refused(
            "config.json: num_key_value_heads",
            f"{heads} attention heads are no multiple of {kv_heads} key-value heads",
            "Take the model's own config.json",
        )
    facts = ModelFacts(
        name=name,
        parameters_billions=parameters,
        weights_gib=weights,
        layers=layers.count,
        attention_heads=heads,
        kv_heads=kv_heads,
        head_dim=0 if latent else _head_dim(config, hidden, heads),
        latent_dim=sum(latent) if latent else 0,
        sliding_window=layers.window,
        full_attention_layers=layers.full,
        max_context=context,
        precision=precision,
        checkpoint_gib=weights,
        state_bytes=state_bytes(state) if (state := _state(config, layers)) else 0,
    )
    kind = "hybrid" if layers.hybrid else "mla" if latent else "gqa"
    return Entry(facts, hidden, kind, latent, f"config.json;{source}")


def _require_generation(folder: Path, config: Config) -> None:
    """Refuse models that are not served as a large language model: they have no growing cache."""
    named = config.top.get("architectures")
    first = str(named[0]) if isinstance(named, list) and named else ""
    if not first:
        raise config.missing("architectures")
    generates = first.endswith(("ForCausalLM", "ForConditionalGeneration"))
    if not generates or config.top.get("is_encoder_decoder") or (folder / "modules.json").exists():
        raise Refused(
            "config.json: architectures",
            f"{first} is an encoder, an embedding model or a classifier, whose files this cannot read",
            "Write spec.architecture from config.json; one that caches nothing, as BERT, has encoder: true",
        )


def _state(config: Config, layers: Layers) -> State | None:
    """Return what the layers without attention keep.

    Raises:
        Refused: where the file does not say how large it is.
    """
    count = layers.stateful
    kimi = config.get("linear_attn_config")
    if not count:
        return None
    if isinstance(kimi, Mapping):
        heads, size = kimi.get("num_heads"), kimi.get("head_dim")
        if not (isinstance(heads, int) and isinstance(size, int) and heads > 0 and size > 0):
            raise config.missing("linear_attn_config", " num_heads or head_dim")
        return State("kda", count, heads, size, heads, size)
    if config.get("linear_num_value_heads") is not None:
        keys = (
            "linear_num_key_heads",
            "linear_key_head_dim",
            "linear_num_value_heads",
            "linear_value_head_dim",
        )
        return State("delta", count, *map(config.number, keys))
    # Granite's names, then Nemotron's.
    granite = ("mamba_n_groups", "mamba_d_state", "mamba_n_heads", "mamba_d_head")
    nemotron = ("n_groups", "ssm_state_size", "mamba_num_heads", "mamba_head_dim")
    keys = granite if config.get("mamba_n_heads") is not None else nemotron
    return State("mamba", count, *map(config.number, keys))


def _latent(config: Config) -> tuple[int, int] | None:
    """Return the parts of an MLA cache."""
    if config.get("kv_lora_rank") is None:
        return None
    return config.number("kv_lora_rank"), config.number("qk_rope_head_dim")


def _head_dim(config: Config, hidden: int, heads: int) -> int:
    """Return the size of a head: not always the quotient, which transformers takes where it is left out."""
    if config.get("head_dim") is not None:
        return config.number("head_dim")
    if hidden % heads:
        raise config.missing("head_dim", f" and {hidden} / {heads} heads is no whole number")
    if config.model_type.startswith(("qwen3", "gemma", "gpt_oss")):
        raise config.missing("head_dim", f" and {config.model_type} does not take hidden_size / heads")
    return hidden // heads


def _max_context(config: Config) -> int:
    """Return the longest context; with YaRN what vLLM takes, its factor times the original."""
    longest = config.number("max_position_embeddings")
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping) or rope.get("rope_type", rope.get("type")) != "yarn":
        return longest
    factor, original = rope.get("factor"), rope.get("original_max_position_embeddings")
    if isinstance(factor, int | float) and isinstance(original, int) and factor > 0 and original > 0:
        return int(factor * original)
    return longest


def _precision(config: Config) -> str:
    """Return how the checkpoint stores its weights, in the catalog's words."""
    given = config.get("quantization_config")
    if given is None:
        dtype = config.get("dtype") or config.get("torch_dtype")
        if dtype is None:
            raise config.missing("torch_dtype")
        if str(dtype) not in _DTYPES:
            raise _unknown_precision("torch_dtype", str(dtype))
        return _DTYPES[str(dtype)]
    if not isinstance(given, Mapping):
        raise _unknown_precision("quantization_config", str(given))
    method = str(given.get("quant_method"))
    bits = given.get("bits", 4 if method == "awq" else None)
    found = {
        ("fp8", None): "fp8",
        ("fbgemm_fp8", None): "fp8",
        ("mxfp4", None): "mxfp4",
        ("awq", 4): "int4",
        ("gptq", 4): "int4",
        ("gptq", 8): "int8",
    }.get((method, bits))
    if method == "compressed-tensors":
        found = _compressed(given)
    if found is None:
        raise _unknown_precision("quantization_config", f"{method}{f' of {bits} bits' if bits else ''}")
    return found


def _compressed(given: Mapping[str, Any]) -> str:
    """Return the precision of compressed-tensors, where all groups have the same."""
    groups = given.get("config_groups") or {}
    found = groups.values() if isinstance(groups, Mapping) else []
    weights = [group.get("weights") for group in found if isinstance(group, Mapping)]
    kinds = {(str(w.get("type")), w.get("num_bits")) for w in weights if isinstance(w, Mapping)}
    known = {("float", 8): "fp8", ("int", 8): "int8", ("int", 4): "int4"}
    said = " and ".join(sorted(f"{type_} of {bits} bits" for type_, bits in kinds)) or "no groups"
    if len(kinds) != 1 or (kind := kinds.pop()) not in known:
        raise _unknown_precision("quantization_config", f"compressed-tensors with {said}")
    return known[kind]


def _unknown_precision(key: str, found: str) -> Refused:
    return Refused(
        f"config.json: {key}",
        f"{found} is none of the precisions that can be sized: {', '.join(BYTES_PER_PARAMETER)}",
        "Take a checkpoint in one of these",
    )


def _require_agreement(config: Config, precision: str, checkpoint: Checkpoint | None) -> None:
    """Refuse files in another precision than the config's: vLLM would convert them to a size of its own."""
    stored = _STORED.get(checkpoint.dtype) if checkpoint else None
    if stored is None or config.get("quantization_config") is not None or stored == precision:
        return
    raise Refused(
        "config.json: torch_dtype",
        f"it says {precision} and most of the weights are {stored}",
        "Take a checkpoint whose config agrees with its files",
    )


def _weights(
    folder: Path,
    config: Config,
    precision: str,
    layers: int,
    found: Checkpoint | None,
    given: float | None,
) -> tuple[float, float, str]:
    """Return parameters in billions, the weights in GiB and what said so."""
    if found is None:
        if given is None:
            raise Refused(
                str(folder),
                "it has no safetensors files, so the size of the weights is not known",
                f"Add the model's {INDEX}, or say --parameters-billions",
            )
        return given, given * 1e9 * BYTES_PER_PARAMETER[precision] / _GIB, "parameters as given"
    found = _without_tied_head(config, precision, found)
    if given is None:
        given = _parameters(folder, precision, layers, found) / 1e9
    return given, found.size / _GIB, found.source


def _parameters(folder: Path, precision: str, layers: int, found: Checkpoint) -> float:
    if found.tensors:
        return found.parameters(layers, _BITS.get(precision, 16))
    if found.stated_parameters:
        return found.stated_parameters
    if precision in _BITS:
        raise Refused(
            str(folder / INDEX),
            f"its total size does not tell the number of {precision} parameters: scales and layers that are "
            "not quantised are in it",
            "Say --parameters-billions from the model card, or add the *.safetensors files",
        )
    return found.size / BYTES_PER_PARAMETER[precision]


def _without_tied_head(config: Config, precision: str, found: Checkpoint) -> Checkpoint:
    """Leave out a copy of the embeddings that is stored as the head, and that vLLM does not load."""
    heads = [name for name in found.names if name.endswith("lm_head.weight")]
    if config.get("tie_word_embeddings") is not True or not heads:
        return found
    if found.tensors:
        kept = tuple(t for t in found.tensors if t.name not in heads)
        return replace(found, tensors=kept, size=sum(t.size for t in kept))
    if precision in _BITS:
        raise Refused(
            INDEX,
            "it lists a copy of the embeddings whose size it does not say",
            "Add the *.safetensors files",
        )
    copied = config.number("vocab_size") * config.number("hidden_size") * BYTES_PER_PARAMETER[precision]
    return replace(found, size=found.size - int(copied), stated_parameters=None)
