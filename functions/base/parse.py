"""Data that a user wrote, as a typed model; what is wrong with the data is said in the user's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from .errors import Invalid
from .view import validated

__all__ = ["parse"]

Model = TypeVar("Model", bound=BaseModel)

_KEY = "[key]"
"""What pydantic puts at the end of a path where a key of a map is wrong."""


def parse(model: type[Model], data: Mapping[str, Any], at: str, *, unknown_fields: bool = True) -> Model:
    """Parse data that a user wrote.

    Args:
        model: its form.
        data: as it is written.
        at: path of the data.
        unknown_fields: whether fields that the form does not have are left alone. The API server
            has taken them out of a spec; nobody has of an input.

    Raises:
        Invalid: for the first thing wrong, with its path below `at`; a field that there is not goes first.
    """
    try:
        return validated(model, data, unknown_fields=unknown_fields)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        unknown = [e for e in errors if e["type"] == "extra_forbidden"]
        first = (unknown or errors)[0]
        path = at + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in _field(first["loc"]))
        if unknown:
            remedy = _instead(str(first["loc"][-1]), _fields_at(model, first["loc"][:-1]))
            raise Invalid(path, "there is no such field", remedy) from error
        more = len(errors) - 1
        remedy = "Correct this field" + (f" and {more} more" if more else "")
        if first["type"] == "model_type" and (fields := _fields_at(model, first["loc"])):
            remedy = f"Its fields are {', '.join(fields)}. {remedy}"
        raise Invalid(path, _problem(first), remedy) from error


def _field(loc: Sequence[str | int]) -> Sequence[str | int]:
    """Return the path of the field that is wrong: the map's own where one of its keys is."""
    return loc[:-2] if loc[-1:] == (_KEY,) else loc


_PROBLEMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "too_short": lambda c: f"needs at least {_items(c['min_length'])} and has {c['actual_length']}",
    "too_long": lambda c: f"takes at most {_items(c['max_length'])} and has {c['actual_length']}",
    "string_too_short": lambda c: f"needs at least {c['min_length']} characters",
    "string_too_long": lambda c: f"takes at most {c['max_length']} characters",
    "string_pattern_mismatch": lambda c: f"does not match {c['pattern']}",
    "enum": lambda c: f"has to be {c['expected']}",
    "literal_error": lambda c: f"has to be {c['expected']}",
    "greater_than": lambda c: f"has to be more than {c['gt']}",
    "greater_than_equal": lambda c: f"has to be at least {c['ge']}",
    "less_than": lambda c: f"has to be less than {c['lt']}",
    "less_than_equal": lambda c: f"has to be at most {c['le']}",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), lambda _: "has to be an object"),
    "list_type": lambda _: "has to be a list",
    "string_type": lambda _: "has to be a string",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: "has to be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda _: "has to be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: "has to be true or false"),
}
"""What is wrong, by pydantic's type of the error, from the error's context."""


def _problem(error: Any) -> str:
    """Say what is wrong, with the value that the user gave; a rule of our own says so itself."""
    context = error.get("ctx", {})
    words = _PROBLEMS.get(error["type"])
    said = str(context.get("error") or (words(context) if words else error["msg"]))
    given = error["input"]
    shown = str(given).lower() if isinstance(given, bool) else repr(given)
    got = f" (got {shown})" if isinstance(given, str | int | float | bool) else ""
    return f"a key {said}{got}" if error["loc"][-1:] == (_KEY,) else said + got


def _items(count: int) -> str:
    return "one item" if count == 1 else f"{count} items"


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the fields that an object at a path below a model may have, as they are written."""
    for key in path:
        named = next((f for name, f in model.model_fields.items() if key in (f.alias, name)), None)
        # A key of a map or a position in a list: the model is that of the items already.
        found = _model_in(named.annotation) if named is not None else model
        if found is None:
            return []
        model = found
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation: itself, an optional one, or that of a list's or map's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in reversed(get_args(annotation)) if (m := _model_in(part)) is not None), None)


def _instead(given: str, known: Sequence[str]) -> str:
    alike = get_close_matches(given.lower(), [name.lower() for name in known], n=1)
    meant = next((name for name in known if [name.lower()] == alike), "")
    listed = f"Fields are {', '.join(known)}" if known else "Take it out"
    return f"Did you mean {meant}? {listed}" if meant else listed
