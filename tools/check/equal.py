"""Whether a live object is what a manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["differences"]


def differences(wanted: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which a live object lacks what a manifest says.

    What the API server fills in is no difference: fields that the manifest does not have, and nothing in
    place of an empty list or map. Items of lists are compared in their order.
    """
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else key
            if key in live or value in ({}, []):
                yield from differences(value, live.get(key, value), below)
            else:
                yield below
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for index, (item, other) in enumerate(zip(wanted, live, strict=True)):
            yield from differences(item, other, f"{path}[{index}]")
    elif wanted != live:
        yield path
