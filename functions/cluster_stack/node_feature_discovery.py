"""Node Feature Discovery: labels nodes that have an NVIDIA GPU, for the GPU Operator."""

from __future__ import annotations

from typing import Any

from .component import Component, Namespace, PodSecurity, workload

__all__ = ["COMPONENT"]

_NAME = "node-feature-discovery"
# The worker reads the hardware from the node's own folders.
_NAMESPACE = Namespace(_NAME, PodSecurity.PRIVILEGED)

# Those of the GPU Operator's chart, which brings NFD along where the cluster has none:
# https://github.com/NVIDIA/gpu-operator deployments/gpu-operator/values.yaml.
_MASTER = {"config": {"extraLabelNs": ["nvidia.com"]}}
_SOURCES = {
    "pci": {
        "deviceClassWhitelist": ["02", "0200", "0207", "0300", "0302"],
        "deviceLabelFields": ["vendor"],
    }
}


def _values(tolerations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "fullnameOverride": _NAME,
        # As the GPU Operator's chart has it: without labels a node's GPUs are not found.
        "priorityClassName": "system-node-critical",
        "master": _MASTER,
        # A GPU node whose taints the worker does not tolerate is never labelled.
        "worker": {"tolerations": tolerations, "config": {"sources": _SOURCES}},
    }


COMPONENT = Component(
    name=_NAME,
    label="Node Feature Discovery",
    about="Node Feature Discovery.",
    namespace=_NAMESPACE,
    wanted=lambda _: True,
    values=lambda facts: _values(facts.tolerations),
    observed=(
        workload(_NAME, "DaemonSet", _NAMESPACE, f"{_NAME}-worker"),
        workload(_NAME, "Deployment", _NAMESPACE, f"{_NAME}-master"),
    ),
    upgrades_crds=True,
)
