"""Struct and Python, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from functions.base.wire import Fields, Items, thaw, to_plain, to_struct

BOTH_WAYS: dict[str, Any] = {
    "integer": 3,
    "zero": 0,
    "negative": -7,
    "largest exact": 2**53,
    "smallest exact": -(2**53),
    "fraction": 0.1,
    "large fraction": 1.5e300,
    "true": True,
    "false": False,
    "null": None,
    "empty text": "",
    "unicode": "Grüße 東京 🚀 \u0000",
    "empty map": {},
    "empty list": [],
    "nested": {"a": [{"b": [[], {}, None, [1, 2.5, "x"]]}], "": {"": False}},
}


@pytest.mark.parametrize("value", BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_there_and_back(value: Any) -> None:
    back = to_plain(to_struct({"x": value}))["x"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_as_protobuf_itself_would_write_it(value: Any) -> None:
    want = json_format.ParseDict({"x": value}, struct_pb2.Struct())
    assert to_struct({"x": value}) == want


def test_integers_come_back_as_integers() -> None:
    struct = struct_pb2.Struct()
    struct.fields["whole"].number_value = 8000.0
    assert repr(to_plain(struct)) == "{'whole': 8000}"


def test_beyond_exact_integers_stay_doubles() -> None:
    struct = struct_pb2.Struct()
    struct.fields["huge"].number_value = 2.0**60
    assert repr(to_plain(struct)) == "{'huge': 1.152921504606847e+18}", "not digits that nobody wrote"


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_cannot_hold_are_read(number: float) -> None:
    struct = struct_pb2.Struct()
    struct.fields["odd"].number_value = number
    assert repr(to_plain(struct)["odd"]) == repr(number)


def test_a_value_without_a_kind_is_null() -> None:
    struct = struct_pb2.Struct()
    struct.fields["nothing"].SetInParent()
    assert to_plain(struct) == {"nothing": None}


def test_tuples_are_lists() -> None:
    assert to_plain(to_struct({"x": ("a", ("b",))})) == {"x": ["a", ["b"]]}


class Text(str):
    """Not exactly a str, as an enumeration's member."""


REFUSED: list[tuple[str, Any, str]] = [
    ("set", {"a": {"b": [0, {1}]}}, r"^\.a\.b\.1: set is not plain data$"),
    ("bytes", {"a": b"x"}, r"^\.a: bytes is not plain data$"),
    ("object", {"a": [object()]}, r"^\.a\.0: object is not plain data$"),
    ("subclass", {"a": Text("x")}, r"^\.a: Text is not plain data$"),
    ("read in place", {"a": Fields(to_struct({}))}, r"^\.a: Fields is not plain data$"),
    ("list read in place", {"a": Fields(to_struct({"l": [1]}))["l"]}, r"^\.a: Items is not plain data$"),
    ("key that is no text", {"a": {1: "x"}}, "."),
]


@pytest.mark.parametrize(("data", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_with_its_path(data: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        to_struct(data)


def test_whole_observed_object_is_refused() -> None:
    with pytest.raises(TypeError, match="Fields is not plain data"):
        to_struct(Fields(to_struct({"spec": {}})))


def test_read_in_place() -> None:
    read = Fields(to_struct({"b": 1, "a": {"l": [1, {"x": None}, [2]]}}))
    assert (len(read), sorted(read), read["b"]) == (2, ["a", "b"], 1)
    assert "none" not in read
    assert read.get("none") is None
    assert set(read) == {"a", "b"}, "looking for a key must not make it"
    items = read["a"]["l"]
    assert isinstance(items, Items)
    assert (len(items), items[0], items[1]["x"], items[-1][0]) == (3, 1, None, 2)
    assert [type(item) for item in items[:2]] == [int, Fields]
    with pytest.raises(IndexError):
        items[3]


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: not f.is_integer())
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)
OBJECTS = st.dictionaries(st.text(), DATA, max_size=5)


@given(OBJECTS)
def test_any_data_there_and_back(data: dict[str, Any]) -> None:
    struct = to_struct(data)
    assert repr(sorted_keys(to_plain(struct))) == repr(sorted_keys(data)), "types too"
    assert repr(sorted_keys(thaw(Fields(struct)))) == repr(sorted_keys(data))
    assert to_struct(data) == to_struct(to_plain(struct))


def sorted_keys(data: Any) -> Any:
    """Return the data with maps in one order, so that their texts can be compared."""
    if isinstance(data, dict):
        return {key: sorted_keys(data[key]) for key in sorted(data)}
    return [sorted_keys(item) for item in data] if isinstance(data, list) else data
