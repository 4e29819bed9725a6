"""What a user reads of a cluster that is created."""

from __future__ import annotations

from collections.abc import Sequence

from functions.base import Condition, Progress, Request, Status, Whose, failing

from ..pools.pool import node_pool, summary
from .cloud import Cluster, Parts

__all__ = ["conditions"]


def conditions(
    request: Request, plan: Cluster, parts: Parts, control_plane: Sequence[str], running: str
) -> tuple[Condition | Progress, ...]:
    """Return every condition of the step.

    Args:
        request: with the live resources.
        plan: the cluster.
        parts: its composed resources.
        control_plane: names in the composition of all that the control plane consists of.
        running: Kubernetes version that the cloud reports; empty where it reports none.
    """
    return (
        Condition("Planned", Status.TRUE, "Planned", summary(plan.pools), Whose.PLATFORM),
        _network(parts),
        Progress(
            "ControlPlaneReady",
            tuple(control_plane),
            f"Kubernetes {running or plan.version.control_plane} answers",
            hint=parts.control_plane_hint,
        ),
        Progress(
            "NodePoolsReady",
            (*(r.name for r in parts.node_pools), *map(node_pool, plan.kept_pools)),
            "the system pool and all GPU pools are there",
            hint=_hint(request, plan, parts),
        ),
    )


def _network(parts: Parts) -> Condition | Progress:
    if not parts.network:
        return Condition("NetworkReady", Status.TRUE, "NothingToCreate", parts.network_is, Whose.PLATFORM)
    names = tuple(r.name for r in parts.network)
    return Progress("NetworkReady", names, parts.network_is, hint=parts.network_hint)


def _hint(request: Request, plan: Cluster, parts: Parts) -> str:
    """Return what to do about the first node pool that fails, else about node pools in general."""
    live = ((pool.name, request.resource(node_pool(pool.name))) for pool in plan.pools)
    broken = next((name for name, seen in live if seen is not None and failing(seen)), "")
    return parts.pool_hints.get(broken) or parts.node_pools_hint
