"""NVIDIA GPU Operator: device plugin, GPU labels, metrics and, where nodes have none, the driver."""

from __future__ import annotations

from typing import Any

from . import gpu_sharing
from .component import Component, Observed
from .facts import Facts

__all__ = ["COMPONENT"]

_POLICY = Observed(
    "cluster-policy",
    {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"}},
    # The operator says `ready` on a cluster without GPU nodes as well, and even without NFD,
    # which then is the reason of its condition.
    "has(object.status) && has(object.status.state) && object.status.state == 'ready' "
    "&& has(object.status.conditions) "
    "&& !object.status.conditions.exists(c, c.reason == 'NFDLabelsMissing')",
)


def _values(facts: Facts) -> dict[str, Any]:
    """Return the chart's values.

    What the node image has of driver and toolkit, the operator must not install again. Elsewhere
    it does, but leaves a node alone whose driver is there already.
    """
    image = facts.node_image
    values: dict[str, Any] = {
        "nfd": {"enabled": False},
        "driver": {"enabled": not image.driver},
        "toolkit": {"enabled": not image.container_toolkit},
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},  # its CRD comes with Prometheus
        "psa": {"enabled": True},  # lets its own pods run where pod security is enforced
        **gpu_sharing.values([p.sharing for p in facts.pools if p.sharing], image.driver),
    }
    if facts.taints:
        values["daemonsets"] = {"tolerations": facts.tolerations}
    return values


COMPONENT = Component(
    name="gpu-operator",
    label="the GPU Operator",
    about="NVIDIA GPU Operator.",
    namespace="gpu-operator",
    wanted=lambda _: True,
    values=_values,
    observed=(_POLICY,),
    after=("node-feature-discovery",),
)
