"""AWS' EFA device plugin: lets pods ask for the RDMA devices of their node."""

from __future__ import annotations

from typing import Any

from .component import Component, running
from .gpu_operator import GPU_OPERATOR
from .plan import Plan

__all__ = ["component"]

_RESOURCE = "vpc.amazonaws.com/efa"
_NAMESPACE, _NAME = "kube-system", "aws-efa-k8s-device-plugin"


def component(plan: Plan) -> Component | None:
    """Compose it; None where no pool has such devices."""
    pools = [p for p in plan.pools if p.fabric is not None and p.fabric.resource == _RESOURCE]
    if not pools:
        return None
    values: dict[str, Any] = {"fullnameOverride": _NAME, "tolerations": plan.tolerations}
    machines = sorted({p.instance_type for p in pools if p.instance_type})
    if machines:
        # The chart's own list knows the machines of its day, and names those of other pools.
        values["supportedInstanceLabels"] = {"values": machines}
    workload = ("DaemonSet", _NAMESPACE, _NAME)
    return running(plan, "efa-device-plugin", "the EFA device plugin", workload, values, (GPU_OPERATOR,))
