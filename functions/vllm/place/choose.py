"""Which node pool of which cluster a Model gets, and why no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import NamedTuple

from functions.api import ModelSpec

from ..size.need import Need
from .clusters import Cluster
from .pools import Attempts, Choice, Refusal, fit_pool

__all__ = ["Choices", "choose"]

_RUNNERS_UP = 5
_LEAVES = "it is no longer in the cluster's spec and stays only for the Models on it"


class Choices(NamedTuple):
    """The result for every pool of some clusters."""

    best: Choice | None
    runners_up: Sequence[Choice] = ()
    """The next best, in order, at most five."""
    refusals: Sequence[Refusal] = ()


def choose(spec: ModelSpec, need: Need, clusters: Iterable[Cluster]) -> Choices:
    """Fit a Model on every pool, and order the pools that hold it."""
    choices: list[Choice] = []
    refusals: list[Refusal] = []
    attempts: Attempts = {}
    for cluster in clusters:
        for pool in cluster.status.node_pools or []:
            if pool.leaving:
                refusals.append(Refusal(cluster.claim.name, pool.name, _LEAVES))
                continue
            result = fit_pool(spec, need, cluster, pool, attempts)
            if isinstance(result, Choice):
                choices.append(result)
            else:
                refusals.append(result)
    first = nsmallest(_RUNNERS_UP + 1, choices, key=lambda choice: choice.order)
    return Choices(first[0] if first else None, first[1:], refusals)
