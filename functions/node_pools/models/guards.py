"""What Models forbid: the deletion of their cluster, and of a node pool that they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.api import API_VERSION, ClusterSpec, PoolStatus
from functions.base import Condition, Request, Resource, Status, Whose, remote, unique_name

from ..pools.pool import live_pools, recorded
from .in_use import InUse

__all__ = ["guards", "kept_pools", "missing", "named", "statuses", "unguarded"]

_LISTED = 10
"""Models that a message names; a message is for reading."""

_COMPOSITE, _CLAIM = "node-pools/in-use", "node-pools/claim-in-use"


def guards(request: Request, in_use: InUse) -> list[Resource]:
    """Compose what refuses the deletion of claim and composite while Models run on the cluster.

    Both need a guard: a claim whose composite is guarded would vanish and leave the composite
    behind. Guards that exist stay while the Models are not known.
    """
    if not in_use.models:
        return []
    claims = [model.claim for model in in_use.models]
    which = "that" if len(claims) == 1 else "those"
    reason = f"{named(claims)} {'runs' if len(claims) == 1 else 'run'} on it: delete {which} first"
    kind = str(request.composite["kind"])
    name = unique_name(request.name, "in-use")
    made = [Resource(_COMPOSITE, remote.usage(name, _object(kind, request.name), reason=reason))]
    if request.claim.namespace:
        claim = _object(kind.removeprefix("X"), request.claim.name)
        guard = remote.usage(name, claim, namespace=request.claim.namespace, reason=reason)
        made.append(Resource(_CLAIM, guard))
    return made


def unguarded(request: Request, in_use: InUse) -> tuple[str, ...]:
    """Return the guards to give up: those that exist, once no Model is known to be on the cluster."""
    if in_use.models is None or in_use.models:
        return ()
    return tuple(name for name in (_COMPOSITE, _CLAIM) if name in request.observed)


def kept_pools(request: Request, spec: ClusterSpec, in_use: InUse) -> Mapping[str, tuple[str, ...]]:
    """Return the node pools that the spec no longer has and Models use, with the Models' claims.

    Raises:
        Unanswered: while the spec lacks a node pool and it is not known whether Models use it.
    """
    asked = {pool.name for pool in spec.node_pools}
    users = {name: in_use.of(name) for name in sorted(live_pools(request)) if name not in asked}
    return {name: claims for name, claims in users.items() if claims}


def statuses(request: Request, kept: Mapping[str, Sequence[str]]) -> list[PoolStatus]:
    """Return the statuses of kept node pools, as far as they are recorded: they take no new Models."""
    before = recorded(request).pools
    return [before[name].model_copy(update={"leaving": True}) for name in kept if name in before]


def missing(kept: Mapping[str, Sequence[str]]) -> Condition:
    """Return the condition that says why node pools stay which the spec no longer has."""
    stays = "; ".join(f"node pool {name} is used by {named(claims)}" for name, claims in kept.items())
    them, they = ("it", "it stays") if len(kept) == 1 else ("them", "they stay")
    return Condition(
        "Planned",
        Status.FALSE,
        "NodePoolInUse",
        f"spec.nodePools lacks what Models use: {stays}. Until the Models are moved or deleted {they} as "
        f"{'it was' if len(kept) == 1 else 'they were'} and {'takes' if len(kept) == 1 else 'take'} no other "
        f"Models; put {them} back into spec.nodePools to keep {them}",
        Whose.PLATFORM,
    )


def named(claims: Sequence[str]) -> str:
    """Name Models in a message: at most ten."""
    if len(claims) == 1:
        return f"Model {claims[0]}"
    more = f" and {len(claims) - _LISTED} more" if len(claims) > _LISTED else ""
    return f"Models {', '.join(claims[:_LISTED])}{more}"


def _object(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}}
