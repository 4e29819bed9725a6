"""NVIDIA GPU Operator: device plugin, GPU labels, metrics and, where needed, the driver."""

from __future__ import annotations

from typing import Any

from . import sharing
from .component import Component, observed
from .node_feature_discovery import NFD
from .plan import Plan
from .release import release

__all__ = ["GPU_OPERATOR", "component"]

GPU_OPERATOR = "cluster-stack/gpu-operator"

_NAMESPACE = "gpu-operator"

# It is `ready` on a cluster without GPU nodes as well, and even without NFD, which
# then is the reason of its condition.
_WORKS = (
    "has(object.status) && has(object.status.state) && object.status.state == 'ready' "
    "&& has(object.status.conditions) "
    "&& !object.status.conditions.exists(c, c.reason == 'NFDLabelsMissing')"
)


def component(plan: Plan) -> Component:
    """Compose its Release, and the operator's own verdict on what it installs."""
    operator = release(plan, "gpu-operator", _NAMESPACE, _values(plan), (NFD,))
    policy = {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"}}
    verdict = observed(plan, "cluster-policy", policy, _WORKS, operator)
    return Component("gpu-operator", "the GPU Operator", _NAMESPACE, (operator, verdict))


def _values(plan: Plan) -> dict[str, Any]:
    """Return the chart's values.

    The node image of a cluster that is created here has driver and toolkit, and the
    operator must not install them again. Elsewhere it does, but leaves a node alone
    whose driver is there already.
    https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
    """
    values: dict[str, Any] = {
        "nfd": {"enabled": False},
        "driver": {"enabled": not plan.owned},
        "toolkit": {"enabled": not plan.owned},
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},  # its CRD comes with Prometheus
        "psa": {"enabled": True},  # lets its own pods run where pod security is enforced
        **sharing.values(plan),
    }
    if plan.taints:
        values["daemonsets"] = {"tolerations": plan.tolerations}
    return values
