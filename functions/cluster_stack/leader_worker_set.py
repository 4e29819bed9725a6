"""LeaderWorkerSet: runs the pods of one Model on several nodes as one."""

from __future__ import annotations

from typing import Any

from functions.api import PoolStatus

from .component import Component, running
from .gpu_operator import GPU_OPERATOR
from .plan import Plan

__all__ = ["component"]

_NAMESPACE, _NAME = "lws-system", "lws"

# The chart asks for a whole CPU and 1 GiB, half of a node of the system pool. It makes the
# certificate of its webhooks itself.
_VALUES: dict[str, Any] = {
    "fullnameOverride": _NAME,
    "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
}


def component(plan: Plan) -> Component | None:
    """Compose it; None where no Model needs it.

    Once there it stays: Models may still run on nodes of a pool that takes no more such.
    """
    needed = any(_carries_large_models(pool) for pool in plan.pools)
    if not needed and "cluster-stack/leader-worker-set" not in plan.live:
        return None
    workload = ("Deployment", _NAMESPACE, f"{_NAME}-controller-manager")
    return running(plan, "leader-worker-set", "LeaderWorkerSet", workload, _VALUES, (GPU_OPERATOR,))


def _carries_large_models(pool: PoolStatus) -> bool:
    """Tell whether a Model may take several nodes of a pool: of single GPUs only over RDMA."""
    several = pool.gpus_per_node > 1 or pool.fabric is not None
    return pool.nodes.max > 1 and several and pool.sharing is None
