"""In which order composed resources are created and deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from functions.base import Resource, goes_after

from .cloud import CLUSTER

__all__ = ["of_creation", "of_deletion"]


def of_creation(resources: Sequence[Resource]) -> list[Resource]:
    """Put every resource behind what it waits for, and leave the order as it is otherwise.

    Waves of creation are filled in this order.

    Raises:
        ValueError: for resources that wait for each other, or for what is not composed.
    """
    placed: list[Resource] = []
    names: set[str] = set()
    rest = list(resources)
    while rest:
        ready = [r for r in rest if names.issuperset(r.after)]
        if not ready:
            raise ValueError(f"{rest[0].name} waits for itself, or for what is not composed: {rest[0].after}")
        placed += ready
        names |= {r.name for r in ready}
        rest = [r for r in rest if r.name not in names]
    return placed


def of_deletion(
    composite: str, cluster: Mapping[str, Any], resources: Sequence[Resource], last: Collection[str]
) -> list[Resource]:
    """Compose what holds back the deletion of some resources until the cluster is gone.

    Args:
        composite: the composite's name.
        cluster: apiVersion, kind and metadata of the cluster itself.
        resources: of the cluster.
        last: names in the composition of those that outlive the cluster.
    """
    return [
        goes_after(f"{r.name}-last", composite, r.manifest, cluster, (r.name, CLUSTER))
        for r in resources
        if r.manifest and r.name in last
    ]
