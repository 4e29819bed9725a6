"""NVIDIA GPU Operator: device plugin, GPU labels, metrics and, where nodes have none, the driver."""

from __future__ import annotations

from typing import Any

from functions.api import Distribution

from . import gpu_sharing
from .component import Component, Namespace, Observed, PodSecurity, workload
from .facts import Facts

__all__ = ["COMPONENT"]

_NAME = "gpu-operator"
# Driver, toolkit, device plugin and validator are privileged pods on every GPU node.
_NAMESPACE = Namespace(_NAME, PodSecurity.PRIVILEGED)

_POLICY = Observed(
    "cluster-policy",
    {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"}},
    # The operator says `ready` on a cluster without GPU nodes as well, and even without NFD,
    # which then is the reason of its condition.
    "has(object.status) && has(object.status.state) && object.status.state == 'ready' "
    "&& has(object.status.conditions) "
    "&& !object.status.conditions.exists(c, c.reason == 'NFDLabelsMissing')",
)

# The operator moves a new driver onto a node by evicting the node's GPU pods, one node after the
# other, so with it a newer chart would restart Models that nobody asked to restart. What it evicts
# has an emptyDir, as every Model has: without the second value it cordons the first node and stops.
# https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-driver-upgrades.html
_UPGRADE = {"autoUpgrade": False, "gpuPodDeletion": {"deleteEmptyDir": True}}

# Else a pod of anybody's with runtimeClassName nvidia and NVIDIA_VISIBLE_DEVICES=all sees every GPU
# of its node. The operator's own pods, which do so, are privileged.
_ONLY_AS_ASKED = {"name": "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED", "value": "false"}

_GKE_BINARIES = "/home/kubernetes/bin/nvidia"
"""Where Google's driver installer puts the driver, and the only folder from which programs may run."""

_TOOLKIT_ENV = {
    # The container toolkit's own way of reading containerd's configuration breaks it from 1.33 on:
    # https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/google-gke.html
    Distribution.GKE: [{"name": "RUNTIME_CONFIG_SOURCE", "value": "file"}],
    # They bring a containerd of their own: https://docs.rke2.io/add-ons/gpu_operators
    Distribution.RKE2: [{"name": "CONTAINERD_SOCKET", "value": "/run/k3s/containerd/containerd.sock"}],
    Distribution.K3S: [{"name": "CONTAINERD_SOCKET", "value": "/run/k3s/containerd/containerd.sock"}],
}
"""Environment of the container toolkit by Kubernetes distribution."""


def _values(facts: Facts) -> dict[str, Any]:
    """Return the chart's values.

    What the node image has of driver and toolkit, the operator must not install again. Elsewhere
    it does, but leaves a node alone whose driver is there already.
    """
    image = facts.node_image
    values: dict[str, Any] = {
        "nfd": {"enabled": False},
        "driver": {"enabled": not image.driver} | ({} if image.driver else {"upgradePolicy": _UPGRADE}),
        "toolkit": {"enabled": False} if image.container_toolkit else _toolkit(facts.distribution),
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},  # its CRD comes with Prometheus
        **gpu_sharing.values([p.sharing for p in facts.pools if p.sharing], facts.cloud is not None),
    }
    if facts.distribution is Distribution.GKE:
        values["hostPaths"] = {"driverInstallDir": _GKE_BINARIES}
    if facts.taints:
        values["daemonsets"] = {"tolerations": facts.tolerations}
    return values


def _toolkit(distribution: Distribution) -> dict[str, Any]:
    values: dict[str, Any] = {
        "enabled": True,
        "env": [_ONLY_AS_ASKED, *_TOOLKIT_ENV.get(distribution, [])],
    }
    if distribution is Distribution.GKE:
        values["installDir"] = _GKE_BINARIES
    return values


def _advice(facts: Facts) -> str:
    if facts.node_image.driver:
        return ""
    return (
        "a node that runs an older driver than the GPU Operator brings keeps it until you drain the node "
        "and delete its pod nvidia-driver-daemonset"
    )


COMPONENT = Component(
    name=_NAME,
    label="the GPU Operator",
    about="NVIDIA GPU Operator.",
    namespace=_NAMESPACE,
    wanted=lambda _: True,
    values=_values,
    observed=(_POLICY, workload(_NAME, "Deployment", _NAMESPACE, _NAME)),
    after=("node-feature-discovery",),
    advice=_advice,
)
