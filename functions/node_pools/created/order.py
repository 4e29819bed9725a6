"""In which order composed resources are deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from functions.base import Resource, goes_after

from .cloud import CLUSTER

__all__ = ["of_deletion"]


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
