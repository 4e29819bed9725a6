"""cluster-autoscaler: adds nodes to a pool when pods wait for them, and takes unused ones away."""

from __future__ import annotations

from typing import Any

from functions.api import Autoscaler, contract
from functions.catalog import cluster_autoscaler

from .component import KUBE_SYSTEM, Component, workload
from .facts import Facts

__all__ = ["COMPONENT"]

# The cloud's module gives its role to this service account of kube-system.
_NAME = contract.AUTOSCALER_SERVICE_ACCOUNT

# https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md. Pools that look
# alike are not balanced: a Model asks for one of them by its label.
_ARGUMENTS: dict[str, Any] = {
    "expander": "least-waste",
    # An emptyDir, which every vLLM has, would keep a node for ever.
    "skip-nodes-with-local-storage": False,
    # A node is empty or it stays: moving a Model to fill nodes better costs minutes of it.
    "scale-down-gpu-utilization-threshold": "0.01",
    # A GPU node counts as there when its GPUs do: driver checks and a reboot for MIG included.
    "max-node-provision-time": "30m",
}


def _values(facts: Facts) -> dict[str, Any]:
    assert facts.autoscaler is not None, "not wanted otherwise"
    return _for(facts.autoscaler, cluster_autoscaler(facts.kubernetes))


def _for(target: Autoscaler, tag: str) -> dict[str, Any]:
    return {
        "fullnameOverride": _NAME,
        "cloudProvider": target.cloud,
        "autoDiscovery": {"clusterName": target.cluster_name},
        "awsRegion": target.region,
        "image": {"tag": tag},
        "rbac": {"serviceAccount": {"name": _NAME}},
        "extraArgs": _ARGUMENTS,
        "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containerSecurityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


COMPONENT = Component(
    name="cluster-autoscaler",
    label="cluster-autoscaler",
    about="cluster-autoscaler, in clusters that this package creates.",
    namespace=KUBE_SYSTEM,
    wanted=lambda facts: facts.autoscaler is not None,
    values=_values,
    observed=(workload("cluster-autoscaler", "Deployment", KUBE_SYSTEM, _NAME),),
)
