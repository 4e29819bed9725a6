"""What a client is told whose request is beyond what a Model's replicas hold, at every route of the gateway.

How many these are stands in each route's own policy. Envoy's answer says only in its body why it is one, so
Lua reads that: a policy's own words for a status would be those for a Model without a replica, too.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

__all__ = ["lua", "script"]


@cache
def script() -> str:
    """Return the Lua that answers."""
    return resources.files(__package__).joinpath("overload.lua").read_text(encoding="utf-8")


def lua() -> dict[str, Any]:
    """Return what an EnvoyExtensionPolicy says to have a route answer so."""
    return {"type": "Inline", "inline": script()}
