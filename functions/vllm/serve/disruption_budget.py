"""What keeps several replicas from being evicted at once, when nodes are drained or replaced."""

from __future__ import annotations

from functions.base import Resource

from ..plan import Plan
from .objects import LABEL, in_cluster
from .pod import SERVING

__all__ = ["DISRUPTION_BUDGET", "disruption_budget"]

_NAME = "pod-disruption-budget"
DISRUPTION_BUDGET = f"vllm/{_NAME}"
"""Name of the composed resource."""


def disruption_budget(plan: Plan) -> list[Resource]:
    """Compose the PodDisruptionBudget of several replicas.

    A single replica has none: a budget that forbids its only eviction would stop each node upgrade.
    """
    if plan.spec.replicas.min <= 1:
        return []
    manifest = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": plan.engine.name, "namespace": plan.placement.namespace},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {LABEL: plan.name, **SERVING}},
            # A pod that does not serve is no reason to keep its node.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
    return [in_cluster(plan, _NAME, manifest, label="the Model's PodDisruptionBudget")]
