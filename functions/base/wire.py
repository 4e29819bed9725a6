"""Struct and Python, both ways: the hot path of every request.

Struct numbers are doubles; a whole one comes back as an integer, since that is
what a Kubernetes integer field must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

__all__ = ["to_plain", "to_struct"]

# Beyond this a double cannot tell neighbouring integers apart.
_EXACT = 2**53


def to_plain(struct: Struct) -> dict[str, Any]:
    """Return the struct as dicts, lists, strings, booleans, ints, floats and None."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        return {key: _plain(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _EXACT else number
    if kind == "bool_value":
        return value.bool_value
    return None


def to_struct(data: Mapping[str, Any], into: Struct | None = None) -> Struct:
    """Write plain data into a struct.

    Raises:
        TypeError: for anything that is not plain data, with its path. A view of
            an observed object is one such thing.
    """
    struct = Struct() if into is None else into
    _fill(struct, data, "")
    return struct


def _fill(struct: Struct, data: Mapping[str, Any], path: str) -> None:
    fields = struct.fields
    for key, item in data.items():
        _write(fields[key], item, path, key)


def _write(value: Value, item: Any, path: str, key: object) -> None:
    kind = type(item)
    if kind is str:
        value.string_value = item
    elif kind is dict:
        value.struct_value.SetInParent()
        _fill(value.struct_value, item, f"{path}.{key}")
    elif kind is list or kind is tuple:
        _fill_list(value.list_value, item, f"{path}.{key}")
    elif kind is bool:
        value.bool_value = item
    elif kind is int or kind is float:
        value.number_value = item
    elif item is None:
        value.null_value = 0  # type: ignore[assignment]
    else:
        raise TypeError(f"{path}.{key}: {kind.__name__} is not plain data")


def _fill_list(values: ListValue, items: list[Any] | tuple[Any, ...], path: str) -> None:
    values.SetInParent()
    for index, item in enumerate(items):
        _write(values.values.add(), item, path, index)
