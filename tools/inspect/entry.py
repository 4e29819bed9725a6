"""The catalog entry of a model, from its own files in a local folder.

The files are read as the reading pod reads them on the Hub (functions/checkpoint); here the headers of
safetensors files count too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from functions.catalog.precision import BYTES_PER_PARAMETER
from functions.checkpoint import NotUnderstood
from functions.checkpoint.read import Entry, read
from functions.checkpoint.report import INDEX, report
from tools.inspect.checkpoint import Checkpoint, Refused, read_checkpoint, read_json

__all__ = ["Inspected", "inspect"]

_BITS = {"int4": 4, "mxfp4": 4, "nvfp4": 4, "int8": 8, "fp8": 8}
_STORED = {"F32": "fp32", "BF16": "bf16", "F16": "fp16"}
_HEAD = "lm_head.weight"
_BESIDE = "hf_quant_config.json"


class Inspected(NamedTuple):
    """A model's entry, and what it was read from."""

    entry: Entry
    source: str


def inspect(folder: Path, name: str, parameters_billions: float | None = None) -> Inspected:
    """Read a model's entry from its files.

    Args:
        folder: with config.json, and safetensors files or their index.
        name: of the model on the Hub.
        parameters_billions: from its model card, for files that do not say.

    Raises:
        Refused: for what is unknown, missing or contradicts itself.
    """
    if not folder.is_dir():
        raise Refused(str(folder), "there is no such folder", "Name the folder of the model's files")
    config = read_json(folder / "config.json")
    beside = read_json(folder / _BESIDE) if (folder / _BESIDE).is_file() else None
    found = read_checkpoint(folder)
    made = report(config, beside, _weights(found), embeds=(folder / "modules.json").exists())
    try:
        if found is None and parameters_billions is not None:
            made["weights"] = _given(name, made, parameters_billions)
        entry = read(name, made)
    except NotUnderstood as error:
        if error.key == INDEX:
            raise Refused(
                str(folder),
                "it has no safetensors files, and config.json not all dimensions, so the size of the "
                "weights is not known",
                f"Add the model's {INDEX}, or say --parameters-billions",
            ) from error
        raise Refused(error.key, error.problem, error.remedy) from error
    _require_agreement(entry, found)
    counted = parameters_billions or (_parameters(entry, found) if found and found.tensors else None)
    if counted:
        entry = replace(entry, facts=replace(entry.facts, parameters_billions=counted))
    source = found.source if found else "parameters as given" if parameters_billions else "its dimensions"
    return Inspected(entry, f"config.json;{source}")


def _weights(found: Checkpoint | None) -> dict[str, Any] | None:
    if found is None:
        return None
    head: int = any(name.endswith(_HEAD) for name in found.names)
    if found.tensors:
        head = sum(t.size for t in found.tensors if t.name.endswith(_HEAD))
    stated = {"parameters": found.stated_parameters} if found.stated_parameters else {}
    return {"bytes": found.size, "head": head, **stated}


def _given(name: str, made: Mapping[str, Any], billions: float) -> dict[str, Any]:
    """Return the weights of a model of which a card alone tells the number of parameters."""
    precision = read(name, {**made, "weights": {"bytes": 1}}).facts.precision
    return {"bytes": int(billions * 1e9 * BYTES_PER_PARAMETER[precision]), "parameters": int(billions * 1e9)}


def _parameters(entry: Entry, found: Checkpoint) -> float:
    """Count the parameters that the headers show, in billions: a head that is not loaded is none."""
    facts = entry.facts
    if entry.files_gib * 2**30 < found.size:
        kept = tuple(t for t in found.tensors if not t.name.endswith(_HEAD))
        found = replace(found, tensors=kept)
    return found.parameters(facts.layers, _BITS.get(facts.precision, 16)) / 1e9


def _require_agreement(entry: Entry, found: Checkpoint | None) -> None:
    """Refuse files in another precision than the config's: vLLM would convert them to a size of its own."""
    stored = _STORED.get(found.dtype) if found else None
    precision = entry.facts.precision
    if stored is None or entry.stored.quantized or stored == precision:
        return
    raise Refused(
        "config.json: torch_dtype",
        f"it says {precision} and most of the weights are {stored}",
        "Take a checkpoint whose config agrees with its files",
    )
