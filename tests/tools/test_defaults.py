from typing import Any

import pytest

from tools.defaults import with_defaults

SCHEMA: dict[str, Any] = {
    "properties": {
        "size": {"default": 3},
        "inner": {"properties": {"a": {"default": 1}}},
        "made": {"default": {}, "properties": {"b": {"default": 2}}},
        "maybe": {"default": 4, "nullable": True},
        "list": {"items": {"properties": {"c": {"default": True}}}},
        "map": {"additionalProperties": {"properties": {"d": {"default": "x"}}}},
    }
}


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, {"size": 3, "made": {"b": 2}, "maybe": 4}),
        ({"inner": {}}, {"inner": {"a": 1}, "size": 3, "made": {"b": 2}, "maybe": 4}),
        (
            {"size": 0, "made": {"b": None}, "maybe": None},
            {"size": 0, "made": {"b": 2}, "maybe": None},
        ),
        (
            {"size": None, "maybe": 1, "made": {}, "list": [{}, {"c": False}]},
            {"size": 3, "maybe": 1, "made": {"b": 2}, "list": [{"c": True}, {"c": False}]},
        ),
        (
            {"size": 1, "maybe": 1, "made": {}, "map": {"k": {}}},
            {"size": 1, "maybe": 1, "made": {"b": 2}, "map": {"k": {"d": "x"}}},
        ),
    ],
)
def test_defaults_fill_what_is_absent(given: dict[str, Any], filled: dict[str, Any]) -> None:
    assert with_defaults(given, SCHEMA) == filled


def test_the_given_value_stays_as_it_is() -> None:
    given: dict[str, Any] = {"inner": {}}
    with_defaults(given, SCHEMA)
    assert given == {"inner": {}}
