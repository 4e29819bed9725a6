"""LeaderWorkerSet: runs the pods of one Model on several nodes as one."""

from __future__ import annotations

from typing import Any

from functions.api import PoolStatus, contract

from .component import Component, Namespace, PodSecurity, workload

__all__ = ["COMPONENT"]

_NAMESPACE, _NAME = Namespace("lws-system", PodSecurity.RESTRICTED), "lws"

# The chart asks for a whole CPU and 1 GiB, half of a node of the system pool. The controller
# makes the certificate of its webhooks itself.
_VALUES: dict[str, Any] = {
    "fullnameOverride": _NAME,
    "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
}


def _carries_large_models(pool: PoolStatus) -> bool:
    """Tell whether a Model may take several nodes of a pool: of single GPUs only over RDMA."""
    several = pool.gpus_per_node > 1 or pool.fabric is not None
    return pool.nodes.max > 1 and several and pool.sharing is None


COMPONENT = Component(
    name=contract.LEADER_WORKER_SET,
    label="LeaderWorkerSet",
    about="LeaderWorkerSet, where Models of several nodes fit.",
    namespace=_NAMESPACE,
    wanted=lambda facts: any(_carries_large_models(pool) for pool in facts.pools),
    values=lambda _: _VALUES,
    observed=(workload(contract.LEADER_WORKER_SET, "Deployment", _NAMESPACE, f"{_NAME}-controller-manager"),),
    upgrades_crds=True,
    # Models may still run on nodes of a pool that takes no more such Models.
    stays=True,
)
