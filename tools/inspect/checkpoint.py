"""What the safetensors files of a folder hold, from their headers or their index alone.

A file begins with the length of its header in 8 bytes, little endian, then the header in JSON:
https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from math import prod
from operator import index
from pathlib import Path
from typing import Any

from functions.checkpoint.report import INDEX
from tools.errors import ToolError

__all__ = ["Checkpoint", "Refused", "Tensor", "read_checkpoint", "read_json"]

_LONGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""
_SCALES = (
    *("_scale", "_scale_inv", "_scales", "_scale_2", ".scale", ".scales", ".qzeros", ".g_idx"),
    *("_zero_point", "_shape", ".inv_freq"),
)
"""Ends of the names of tensors that are no parameters: what quantisation adds, and constants."""
_PACKED = (".qweight", ".weight_packed")
"""Ends of the names of tensors that hold several numbers in each element of 32 bits."""
_LAYER = re.compile(r"(?:model\.|language_model\.|backbone\.)*layers\.(\d+)\.")


@dataclass
class Refused(ToolError):  # noqa: N818  (it reads as what the folder is)
    """A folder that no entry of the catalog can be made of."""

    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Field, problem and remedy in one line."""
        return f"{self.field}: {self.problem}. {self.remedy}."


@dataclass(frozen=True)
class Tensor:
    """A tensor as a header states it."""

    name: str
    dtype: str
    """As safetensors names it: BF16, F8_E4M3, I32."""
    elements: int
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a folder."""

    size: int
    """Bytes of all tensors."""
    names: frozenset[str]
    """Of the tensors."""
    tensors: tuple[Tensor, ...]
    """Empty where only the index is there."""
    stated_parameters: int | None
    """What the index says of their number; few do."""
    source: str
    """What was read, for people."""

    @property
    def dtype(self) -> str:
        """The dtype of most bytes; empty where only the index is there."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.dtype] += tensor.size
        return sizes.most_common(1)[0][0] if sizes else ""

    def parameters(self, layers: int, bits: int) -> int:
        """Count the parameters, without scales and without layers for speculation (MTP).

        Args:
            layers: of the model; those behind them are for speculation.
            bits: of one quantised weight.
        """
        return sum(_parameters(t, bits) for t in self.tensors if not _speculates(t.name, layers))


def _parameters(tensor: Tensor, bits: int) -> int:
    if tensor.name.endswith(_SCALES):
        return 0
    if tensor.name.endswith(_PACKED) and tensor.dtype == "I32":
        return tensor.elements * 32 // bits
    if tensor.name.endswith("_blocks") and tensor.dtype == "U8":
        return tensor.elements * 8 // bits
    return tensor.elements


def _speculates(name: str, layers: int) -> bool:
    layer = _LAYER.match(name)
    return name.startswith("mtp.") or (layer is not None and int(layer[1]) >= layers)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the headers of a folder's safetensors files, or their index where they are not there.

    Folders in it are left out: they hold the same weights in other formats, and files that an
    index does not name are alternates too.

    Raises:
        Refused: for what is no safetensors file, or several files with nothing that names the right ones.
    """
    if (folder / INDEX).is_file():
        return _indexed(folder, read_json(folder / INDEX))
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    if not files:
        return None
    if "model.safetensors" in files:
        files = ["model.safetensors"]
    elif len(files) > 1:
        raise Refused(
            str(folder),
            f"there are {len(files)} safetensors files and no {INDEX} that says which are the weights",
            f"Add the model's {INDEX}",
        )
    return _from_headers(folder, files, None)


def _indexed(folder: Path, listed: dict[str, Any]) -> Checkpoint:
    at = str(folder / INDEX)
    named, metadata = listed.get("weight_map"), listed.get("metadata") or {}
    if not isinstance(named, dict) or not named or not isinstance(metadata, dict):
        raise Refused(at, "it has no weight_map", "Take the model's own file")
    files = sorted({str(name) for name in named.values()})
    beyond = [name for name in files if Path(name).name != name]
    if beyond:
        raise Refused(at, f"it names {beyond[0]}, which is not in its folder", "Take the model's own file")
    stated = metadata.get("total_parameters")
    parameters = stated if isinstance(stated, int) and stated > 0 else None
    if all((folder / name).is_file() for name in files):
        return _from_headers(folder, files, parameters)
    size = metadata.get("total_size")
    if not isinstance(size, int | float) or size <= 0:
        raise Refused(
            at, "it has no metadata.total_size, and its files are not all here", "Add the *.safetensors files"
        )
    return Checkpoint(int(size), frozenset(map(str, named)), (), parameters, "safetensors index")


def _from_headers(folder: Path, files: list[str], parameters: int | None) -> Checkpoint:
    tensors = tuple(tensor for name in files for tensor in _header(folder / name))
    return Checkpoint(
        size=sum(tensor.size for tensor in tensors),
        names=frozenset(tensor.name for tensor in tensors),
        tensors=tensors,
        stated_parameters=parameters,
        source="safetensors headers",
    )


def _header(path: Path) -> list[Tensor]:
    """Read a header; the tensors themselves need not be there."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_LONGEST_HEADER, path.stat().st_size - 8):
            raise Refused(
                str(path),
                "it does not begin with the length of a safetensors header",
                "Take the file itself, not the Git LFS pointer that stands for it",
            )
        header = _parsed(str(path), file.read(length))
    header.pop("__metadata__", None)
    try:
        return [
            Tensor(
                name,
                str(t["dtype"]),
                prod(map(index, t["shape"])),
                index(t["data_offsets"][1]) - index(t["data_offsets"][0]),
            )
            for name, t in header.items()
        ]
    except (KeyError, TypeError, IndexError) as error:
        raise Refused(str(path), f"its header has no tensors as safetensors has: {error}", _AGAIN) from error


_AGAIN = "Download it again"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; Infinity and NaN may be in it, as transformers writes them.

    Raises:
        Refused: when it is not there or not one.
    """
    try:
        return _parsed(str(path), path.read_bytes())
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Refused(
            str(path), f"it cannot be read ({why})", "Name the folder of the model's files"
        ) from error


def _parsed(at: str, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(at, f"it is not valid JSON: {error}", _AGAIN) from error
    if not isinstance(found, dict):
        raise Refused(at, "it is not a JSON object", _AGAIN)
    return found
