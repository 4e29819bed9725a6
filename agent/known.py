"""What is known of one kind of objects, as a watch brings them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Known"]

Kept = TypeVar("Kept")


class Known(Generic[Kept]):
    """Objects of one kind by namespace and name, of which only what matters is kept."""

    def __init__(
        self,
        keep: Callable[[dict[str, Any]], Kept],
        changed: Callable[[str], None],
        gone: Callable[[str, Kept], None] = lambda _namespace, _kept: None,
    ) -> None:
        """Know nothing yet.

        Args:
            keep: what to keep of an object.
            changed: is told each namespace of which something has changed.
            gone: is told what was kept of an object that is gone.
        """
        self._keep, self._changed, self._gone = keep, changed, gone
        self._lock = threading.Lock()
        self._all: dict[str, dict[str, Kept]] = {}

    def of(self, namespace: str) -> dict[str, Kept]:
        """Return what is known of a namespace, by name."""
        with self._lock:
            return dict(self._all.get(namespace, {}))

    def replace(self, objects: list[dict[str, Any]]) -> None:
        """Take all objects that there are, in place of all known before."""
        new: dict[str, dict[str, Kept]] = {}
        for found in objects:
            namespace, name = _place(found)
            new.setdefault(namespace, {})[name] = self._keep(found)
        with self._lock:
            before, self._all = self._all, new
        for namespace, kept in before.items():
            for name in kept.keys() - new.get(namespace, {}).keys():
                self._gone(namespace, kept[name])
        for namespace in sorted(before.keys() | new.keys()):
            self._changed(namespace)

    def change(self, object_: dict[str, Any], *, gone: bool) -> None:
        """Take one object that is new, has changed or is gone."""
        namespace, name = _place(object_)
        kept = self._keep(object_)
        with self._lock:
            here = self._all.setdefault(namespace, {})
            if gone:
                here.pop(name, None)
            else:
                here[name] = kept
            if not here:
                del self._all[namespace]
        if gone:
            self._gone(namespace, kept)
        self._changed(namespace)


def _place(found: dict[str, Any]) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]
