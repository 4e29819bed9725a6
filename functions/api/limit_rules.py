"""Limits as rules of Envoy Gateway, of a Model and of a namespace alike."""

from __future__ import annotations

from typing import Any

from . import contract
from .limits import FIELDS, Limits

__all__ = ["of"]

_UNITS = dict(zip(FIELDS, ("Minute", "Minute", "Month"), strict=True))
_TOKENS = {
    # Whether any are left is asked before; how many it took is known once the answer has ended.
    "request": {"from": "Number", "number": 0},
    "response": {
        "from": "Metadata",
        "metadata": {"namespace": contract.USAGE, "key": contract.USAGE_TOKENS},
    },
}


def of(limits: Limits, clients: str = "") -> list[dict[str, Any]]:
    """Return the rules of some limits, which hold for all routes of a policy together.

    Args:
        limits: what holds.
        clients: RE2 of the ids of the clients that share them; empty: everybody.
    """
    header = {"name": contract.GATEWAY_CLIENT, "type": "RegularExpression", "value": clients}
    # The list of models is asked for with GET: it takes nothing of the engine's.
    selector = {"methods": [{"value": "POST"}], **({"headers": [header]} if clients else {})}
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
