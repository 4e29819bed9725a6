"""Node Feature Discovery: says which nodes have an NVIDIA card, for the GPU Operator to find."""

from __future__ import annotations

from .component import Component
from .plan import Plan
from .release import release

__all__ = ["NFD", "component"]

NFD = "cluster-stack/node-feature-discovery"

_NAMESPACE = "node-feature-discovery"

# Those of the GPU Operator's chart, which brings NFD along where it is not there
# already: https://github.com/NVIDIA/gpu-operator deployments/gpu-operator/values.yaml.
_MASTER = {"config": {"extraLabelNs": ["nvidia.com"]}}
_SOURCES = {
    "pci": {
        "deviceClassWhitelist": ["02", "0200", "0207", "0300", "0302"],
        "deviceLabelFields": ["vendor"],
    }
}


def component(plan: Plan) -> Component:
    """Compose its Release."""
    values = {
        "master": _MASTER,
        # A GPU node that its worker does not tolerate is never labelled.
        "worker": {"tolerations": plan.tolerations, "config": {"sources": _SOURCES}},
    }
    installed = release(plan, "node-feature-discovery", _NAMESPACE, values)
    return Component("node-feature-discovery", "Node Feature Discovery", _NAMESPACE, (installed,))
