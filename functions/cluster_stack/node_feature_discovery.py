"""Node Feature Discovery: labels nodes that have an NVIDIA GPU, for the GPU Operator."""

from __future__ import annotations

from typing import Any

from .component import Component

__all__ = ["COMPONENT"]

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
        "master": _MASTER,
        # A GPU node whose taints the worker does not tolerate is never labelled.
        "worker": {"tolerations": tolerations, "config": {"sources": _SOURCES}},
    }


COMPONENT = Component(
    name="node-feature-discovery",
    label="Node Feature Discovery",
    about="Node Feature Discovery.",
    namespace="node-feature-discovery",
    wanted=lambda _: True,
    values=lambda facts: _values(facts.tolerations),
)
