"""How much a Model's replicas take at once, and which of them gets a request.

An Envoy counts what it has under way itself, for each rule of a route: for each path of each address.
"""

from __future__ import annotations

from typing import Any

from ..plan import Plan

__all__ = ["at_most", "balanced", "carried"]


def at_most(plan: Plan) -> int:
    """Return how many requests are under way at most: what replicas compute at once, and what waits there.

    They wait in the engines, which know best what to compute next. A Model that has no replica yet, or none
    now, has the bound of one.
    """
    each = plan.engine.at_once(plan.placement)
    waiting = plan.spec.routing.queue_per_replica
    return (each + (each if waiting is None else waiting)) * max(plan.spec.replicas.min, 1)


def carried(plan: Plan) -> dict[str, Any]:
    """Return what a route's BackendTrafficPolicy says of load."""
    most = at_most(plan)
    bounds = {
        "maxParallelRequests": most,
        # Those whose connection is being made.
        "maxPendingRequests": most,
        # More than requests: else what is above them would wait for a connection instead of being refused.
        "maxConnections": 2 * most,
        "maxParallelRetries": most,
    }
    return {"circuitBreaker": bounds, "loadBalancer": balanced(plan)}


def balanced(plan: Plan) -> dict[str, Any]:
    """Return how a replica is chosen: for a conversation always the same, while it is there."""
    session = plan.spec.routing.session
    if session is None:
        return {"type": "LeastRequest"}
    told = (
        {"type": "Headers", "headers": [{"name": session.header}]}
        if session.header
        else {"type": "Cookie", "cookie": {"name": session.cookie}}
    )
    return {"type": "ConsistentHash", "consistentHash": told}
