"""The record by which the cluster knows its Models: what it serves, and how many GPUs."""

from __future__ import annotations

from functions.api import placed
from functions.base import Resource, exists, label_value

from .plan import Plan
from .remote import LABEL

__all__ = ["record"]


def record(plan: Plan) -> Resource:
    """Compose the record, beside the cluster's own resources."""
    place = plan.placement
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": plan.object_name("placed"),
            "namespace": place.provider_config_namespace,
            "labels": {
                LABEL: plan.name,
                placed.CLUSTER: label_value(place.cluster),
                placed.CLUSTER_POOL: place.node_pool,
                placed.GPUS: str(place.gpus * plan.spec.replicas.min),
            },
        },
        "data": {placed.MODEL: "/".join(filter(None, (plan.claim.namespace, plan.claim.name)))},
    }
    return Resource("vllm/placed", manifest, ready=exists)
