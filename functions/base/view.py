"""Read-only views of observed objects.

A view gives out single values and typed models, never a piece of an object, so
that an observed object cannot be echoed as a desired one: its managed fields,
status, defaulted and autoscaled fields would become ours.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from .wire import Fields, thaw

__all__ = ["View", "validated"]

Model = TypeVar("Model", bound=BaseModel)


class View:
    """A JSON object that can be read and not be copied."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Wrap `data`, which the caller keeps to itself."""
        self._data = data

    def _at(self, path: tuple[str, ...]) -> Any:
        node: Any = self._data
        if isinstance(node, Fields):
            return node.at(path)
        for key in path:
            if not isinstance(node, Mapping):
                return None
            node = node.get(key)
        return node

    def _items(self, path: tuple[str, ...]) -> Sequence[Any]:
        value = self._at(path)
        return value if isinstance(value, Sequence) and not isinstance(value, str) else ()

    def has(self, *path: str) -> bool:
        """Tell whether there is anything but null at the path."""
        return self._at(path) is not None

    def text(self, *path: str) -> str | None:
        """Return the string at the path, or None when there is none."""
        value = self._at(path)
        return value if isinstance(value, str) else None

    def number(self, *path: str) -> int | float | None:
        """Return the number at the path, or None when there is none."""
        value = self._at(path)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the strings in the list at the path."""
        return tuple(item for item in self._items(path) if isinstance(item, str))

    def each(self, *path: str) -> tuple[View, ...]:
        """Return views of the objects in the list at the path."""
        return tuple(View(item) for item in self._items(path) if isinstance(item, Mapping))

    def condition(self, type_: str) -> View | None:
        """Return the status condition of that type."""
        if isinstance(self._data, Fields):
            found = self._data.conditions.get(type_)
            return None if found is None else View(Fields(found))
        return next((c for c in self.each("status", "conditions") if c.text("type") == type_), None)

    def status_of(self, type_: str) -> str:
        """Return the status of the status condition of that type; empty where there is none."""
        if isinstance(self._data, Fields):
            return self._data.condition(type_, "status")
        condition = self.condition(type_)
        return (condition and condition.text("status")) or ""

    def parsed(self, model: type[Model], *path: str) -> Model | None:
        """Parse what is at the path; None when it is missing or of another shape."""
        value = self._at(path)
        if not isinstance(value, Mapping):
            return None
        if isinstance(value, Fields):
            return cast("Model | None", remembered(model, value.to_bytes()))
        try:
            return validated(model, value)
        except ValidationError:
            return None

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.text("metadata", "name") or ""


def validated(model: type[Model], data: Mapping[str, Any], *, unknown_fields: bool = True) -> Model:
    """Parse plain data; the same content is parsed once, since models are immutable.

    Raises:
        ValidationError: from pydantic.
    """
    # Version 2 has no references, so that the bytes follow from the content and its order alone.
    return cast("Model", _validated(model, marshal.dumps(dict(data), 2), unknown_fields))


@lru_cache(maxsize=512)
def _validated(model: type[BaseModel], content: bytes, unknown_fields: bool) -> BaseModel:
    return model.model_validate(marshal.loads(content), extra=None if unknown_fields else "forbid")


# A Model that looks for a place reads every cluster, and few have changed since the last one did.
@lru_cache(maxsize=512)
def remembered(model: type[BaseModel], content: bytes) -> BaseModel | None:
    """Parse the content of a `Fields`; models are immutable, so that requests may share them."""
    try:
        return model.model_validate(thaw(Fields.from_bytes(content)))
    except ValidationError:
        return None
