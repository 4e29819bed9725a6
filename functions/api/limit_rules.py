"""Limits as rules of Envoy Gateway, of a Model and of a namespace alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import contract
from .limits import FIELDS, Limits

__all__ = ["each", "matching", "of"]

_UNITS = dict(zip(FIELDS, ("Minute", "Minute", "Month"), strict=True))
_TOKENS = {
    # Whether any are left is asked before; how many it took is known once the answer has ended.
    "request": {"from": "Number", "number": 0},
    "response": {
        "from": "Metadata",
        "metadata": {"namespace": contract.USAGE, "key": contract.USAGE_TOKENS},
    },
}


def matching(header: str, values: str) -> dict[str, str]:
    """Return what selects requests of which a header has one of some values, as RE2, which count together."""
    return {"name": header, "type": "RegularExpression", "value": values}


def each(header: str) -> dict[str, str]:
    """Return what selects requests that have a header, and counts each of its values by itself."""
    return {"name": header, "type": "Distinct"}


def of(limits: Limits, *headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rules of some limits, which hold for all routes of a policy together.

    Args:
        limits: what holds.
        headers: by which it is known whose requests share them, each as `matching` or `each` gives it; none:
            everybody's.
    """
    # The list of models is asked for with GET: it takes nothing of the engine's.
    selector = {"methods": [{"value": "POST"}], **({"headers": [*map(dict, headers)]} if headers else {})}
    return [
        {
            "clientSelectors": [selector],
            "limit": {"requests": value, "unit": _UNITS[field]},
            **({"cost": _TOKENS} if field.startswith("tokens") else {}),
            # Else each path would count by itself.
            "shared": True,
        }
        for field, value in limits.given.items()
    ]
