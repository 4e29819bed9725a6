"""Made-up folders of models: a config.json, an index, headers of safetensors files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

WIDTH = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "I32": 4, "U8": 1}
FP8_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}


def compressed(type_: str, bits: int) -> dict[str, Any]:
    weights = {"type": type_, "num_bits": bits}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


class Files(NamedTuple):
    """What a folder holds beside config.json."""

    total: int = 0
    """metadata.total_size of an index without its files."""
    tensors: dict[str, tuple[str, int]] = {}  # noqa: RUF012  (never changed)
    """Of model.safetensors: dtype and elements by name."""
    billions: float | None = None
    """--parameters-billions."""


def make(folder: Path, config: dict[str, Any], files: Files) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    if files.total:
        index = {
            "metadata": {"total_size": files.total},
            "weight_map": {"model.norm.weight": "a.safetensors"},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    if files.tensors:
        write_header(folder / "model.safetensors", files.tensors)
    return folder


def write_header(path: Path, tensors: dict[str, tuple[str, int]]) -> None:
    """A safetensors file up to its first tensor: nothing behind that is read."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, elements) in tensors.items():
        begin, end = end, end + elements * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": [elements], "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def text(
    type_: str, layers: int, hidden: int, heads: int, kv_heads: int, context: int, **more: Any
) -> dict[str, Any]:
    return {
        "architectures": ["AnyForCausalLM"],
        "model_type": type_,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": context,
        "torch_dtype": "bfloat16",
        **more,
    }


def nested(config: dict[str, Any], **top: Any) -> dict[str, Any]:
    inner = {k: v for k, v in config.items() if k not in ("architectures", "torch_dtype")}
    return {
        "architectures": ["AnyForConditionalGeneration"],
        "torch_dtype": "bfloat16",
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16},
        "text_config": inner,
        **top,
    }
