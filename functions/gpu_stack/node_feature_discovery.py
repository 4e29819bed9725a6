"""Node Feature Discovery: says which nodes have an NVIDIA card, for the GPU Operator to find."""

from __future__ import annotations

from typing import Any

from functions.base import Resource

from .plan import Plan
from .release import release

__all__ = ["NFD", "resource"]

NFD = "gpu-stack/node-feature-discovery"

_NAMESPACE = "node-feature-discovery"

# Those of the GPU Operator's chart, which brings NFD along where it is not there
# already: https://github.com/NVIDIA/gpu-operator deployments/gpu-operator/values.yaml.
_VALUES: dict[str, Any] = {
    "master": {"config": {"extraLabelNs": ["nvidia.com"]}},
    "worker": {
        # A GPU node that its worker does not tolerate is never labelled.
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        ],
        "config": {
            "sources": {
                "pci": {
                    "deviceClassWhitelist": ["02", "0200", "0207", "0300", "0302"],
                    "deviceLabelFields": ["vendor"],
                }
            }
        },
    },
}


def resource(plan: Plan) -> Resource:
    """Compose its Release."""
    return release(plan, "node-feature-discovery", plan.node_feature_discovery, _NAMESPACE, _VALUES)
