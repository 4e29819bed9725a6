"""What a user reads of a cluster that is created."""

from __future__ import annotations

from collections.abc import Sequence

from functions.base import Condition, Progress, Request, Status, Whose

from ..pools.pool import summary
from .cloud import Cluster, Parts, node_pool

__all__ = ["conditions"]


def conditions(
    request: Request, plan: Cluster, parts: Parts, control_plane: Sequence[str]
) -> tuple[Condition | Progress, ...]:
    """Return every condition of the step.

    Args:
        request: with the live resources.
        plan: the cluster.
        parts: its composed resources.
        control_plane: names in the composition of all that the control plane consists of.
    """
    return (
        Condition("Planned", Status.TRUE, "Planned", summary(plan.pools), Whose.PLATFORM),
        _network(parts),
        Progress(
            "ControlPlaneReady",
            tuple(control_plane),
            f"Kubernetes {plan.version.control_plane} answers",
            hint=parts.control_plane_hint,
        ),
        Progress(
            "NodePoolsReady",
            tuple(r.name for r in parts.node_pools),
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
    failing = next((pool.name for pool in plan.pools if _fails(request, node_pool(pool.name))), "")
    return parts.pool_hints.get(failing) or parts.node_pools_hint


def _fails(request: Request, name: str) -> bool:
    """Tell whether the provider reports that it cannot make a resource."""
    seen = request.resource(name)
    found = [seen.condition(type_) for type_ in ("Synced", "LastAsyncOperation")] if seen else []
    return any(condition.text("status") == "False" for condition in found if condition)
