"""What a Model has in its cluster to serve: namespace, network policies, pods, a workload, a Service.

The kinds of workload are listed here; each has a module with its value.
"""

from collections.abc import Container

from functions.api import Placement

from .deployment import DEPLOYMENT
from .leader_worker_set import LEADER_WORKER_SET
from .workload import Workload

__all__ = ["WORKLOADS", "live_workload", "workload_of"]

WORKLOADS = (DEPLOYMENT, LEADER_WORKER_SET)


def workload_of(placement: Placement) -> Workload:
    """Return the kind of workload that runs a placed Model."""
    return next(kind for kind in WORKLOADS if kind.several_nodes == (placement.nodes > 1))


def live_workload(names: Container[str]) -> str:
    """Return the workload among the names of composed resources; empty where there is none."""
    return next((kind.resource for kind in WORKLOADS if kind.resource in names), "")
