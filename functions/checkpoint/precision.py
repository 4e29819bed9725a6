"""How a checkpoint stores its weights, in the catalog's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from functions.catalog.precision import BYTES_PER_PARAMETER

from .config import Config
from .refused import NotUnderstood

__all__ = ["Stored", "stored"]

_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_ALGORITHMS = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8",
    "NVFP4": "nvfp4",
    "W4A16_NVFP4": "nvfp4",
}
"""Of ModelOpt, as vLLM reads them: `quant_algo`, of all layers or of each."""
_METHODS = {
    ("fp8", None): "fp8",
    ("fbgemm_fp8", None): "fp8",
    ("mxfp4", None): "mxfp4",
    ("gpt_oss_mxfp4", None): "mxfp4",
    ("awq", 4): "int4",
    ("gptq", 4): "int4",
    ("gptq", 8): "int8",
}
_WEIGHTS = {("float", "8"): "fp8", ("int", "8"): "int8", ("int", "4"): "int4", ("float", "4"): "nvfp4"}
"""Of compressed-tensors, by type and bits."""


class Stored(NamedTuple):
    """The precision of the weights, and of which of them."""

    precision: str
    quantized: str = ""
    """linear or experts, as the catalog's column; empty where nothing is quantised."""
    group_size: str = ""
    """Weights that share a scale; empty: as the precision has it."""


def stored(config: Config, quantization: Mapping[str, Any]) -> Stored:
    """Return how a checkpoint stores its weights.

    Args:
        config: the model's.
        quantization: of the report; empty where nothing is quantised.

    Raises:
        NotUnderstood: for a quantisation that cannot be sized.
    """
    if not quantization:
        return Stored(_whole(config))
    precision = _quantised(quantization)
    # Where attention stays as it is, the experts are what is quantised.
    experts = precision == "mxfp4" or (quantization.get("attention") and config.first("experts"))
    return Stored(precision, "experts" if experts else "linear", _group_size(precision, quantization))


def _group_size(precision: str, found: Mapping[str, Any]) -> str:
    """Return how many weights share a scale; empty where the precision or the method has it."""
    if precision == "fp8":
        return str(found.get("block") or "")
    if precision != "int4" or not found.get("groups"):
        return ""
    size = str(found["groups"][0]).split()[-1]
    return size if size.isdecimal() and int(size) else ""


def _whole(config: Config) -> str:
    dtype = config.get("dtype") or config.get("torch_dtype")
    if dtype is None:
        raise config.missing("torch_dtype")
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise _unknown("config.json: torch_dtype", name)
    return _DTYPES[name]


def _quantised(found: Mapping[str, Any]) -> str:
    if found.get("algorithm"):
        return _modelopt(found)
    method, bits = str(found.get("method")), found.get("bits")
    if method in ("compressed-tensors", "compressed_tensors") or (found.get("groups") and method == "None"):
        return _compressed(found)
    known = _METHODS.get((method, 4 if method == "awq" and bits is None else bits))
    if known is None:
        said = f"{method} of {bits} bits" if bits else method
        raise _unknown("config.json: quantization_config", said)
    return known


def _modelopt(found: Mapping[str, Any]) -> str:
    """Return the precision of ModelOpt; of a mixture the smallest, which the GPU has to compute in too."""
    stated = str(found["algorithm"]).upper()
    names = found.get("algorithms") if stated == "MIXED_PRECISION" else [stated]
    precisions = {_ALGORITHMS.get(str(name).upper()) for name in names or [stated]}
    if None in precisions:
        said = f"ModelOpt's {stated}" + (f" of {', '.join(names)}" if names != [stated] and names else "")
        raise _unknown("hf_quant_config.json: quant_algo", said)
    return "nvfp4" if "nvfp4" in precisions else "fp8"


def _compressed(found: Mapping[str, Any]) -> str:
    """Return the precision of compressed-tensors, where all groups have the same."""
    kinds = {(*str(group).split(), "", "")[:2] for group in found.get("groups", ())}
    said = " and ".join(sorted(f"{type_} of {bits} bits" for type_, bits in kinds)) or "no groups"
    if len(kinds) != 1 or (kind := kinds.pop()) not in _WEIGHTS:
        raise _unknown("config.json: quantization_config", f"compressed-tensors with {said}")
    if kind == ("float", "4") and str(found.get("format")).startswith("mxfp4"):
        return "mxfp4"
    return _WEIGHTS[kind]


def _unknown(key: str, said: str) -> NotUnderstood:
    return NotUnderstood(
        key,
        f"{said} is none of the precisions that can be sized: {', '.join(BYTES_PER_PARAMETER)}",
        "Name a checkpoint in one of these",
    )
