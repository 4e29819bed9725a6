"""The Service that callers use, and its address."""

from __future__ import annotations

from collections.abc import Mapping

from functions.base import Resource

from ..plan import Plan
from . import metrics
from .objects import LABEL, in_cluster
from .pod import SERVING

__all__ = ["base_url", "service"]


def service(plan: Plan, endpoint_labels: Mapping[str, str]) -> Resource:
    """Compose the Service.

    Args:
        plan: of the Model.
        endpoint_labels: that a serving pod has only if it answers requests; none: every one does.
    """
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": plan.engine.name, "namespace": plan.placement.namespace},
        "spec": {
            "type": "ClusterIP",
            "selector": {LABEL: plan.name, **SERVING, **endpoint_labels},
            # AWS's network policies need the Service's port to be the pod's own:
            # https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html
            "ports": [
                {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
                for name, port in (("http", plan.engine.port), (metrics.NAME, metrics.PORT))
            ],
        },
    }
    return in_cluster(plan, "service", manifest, label="the Model's Service")


def base_url(plan: Plan) -> str:
    """Return the OpenAI base URL inside the cluster's network."""
    return f"http://{plan.engine.name}.{plan.placement.namespace}.svc.cluster.local:{plan.engine.port}/v1"
