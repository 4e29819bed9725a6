"""What a Model takes itself does not count against it when it looks for another place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from functions.api import PoolStatus, contract
from functions.base import Request, View, label_value

from .choose import Candidate

__all__ = ["without_own"]


def without_own(request: Request, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the clusters as they would be without this Model's own records."""
    own = _recorded(request)
    return [_without(c, own) if own else c for c in candidates]


def _recorded(request: Request) -> Counter[tuple[str, str]]:
    """Return the units that the Model's records count, by cluster and pool."""
    own: Counter[tuple[str, str]] = Counter()
    for name, live in request.observed.items():
        if name.rpartition("/")[2] != "placed":
            continue
        cluster, pool, units = (
            View(live).text("metadata", "labels", label) or ""
            for label in (contract.RECORD_CLUSTER, contract.NODE_POOL, contract.RECORD_GPUS)
        )
        own[cluster, pool] += int(units) if units.isdecimal() else 0
    return own


def _without(candidate: Candidate, own: Counter[tuple[str, str]]) -> Candidate:
    name = label_value(candidate.name)
    pools = [_less(pool, own[name, pool.name]) for pool in candidate.status.node_pools or []]
    return replace(candidate, status=candidate.status.model_copy(update={"node_pools": pools}))


def _less(pool: PoolStatus, units: int) -> PoolStatus:
    if not units or not pool.gpus_in_use:
        return pool
    return pool.model_copy(update={"gpus_in_use": max(0, pool.gpus_in_use - units)})
