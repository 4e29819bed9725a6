"""The record by which the cluster knows its Models: what it serves, and how many GPUs."""

from __future__ import annotations

from functions.api import contract
from functions.base import Resource, exists, goes_after, label_value

from ..plan import Plan
from ..serve.remote import LABEL

__all__ = ["record"]


def record(plan: Plan, namespace: Resource) -> list[Resource]:
    """Compose the record, beside the cluster's own resources.

    It outlives the Model's namespace: until that is gone, the cluster must stay. The
    provider's own guard of its ProviderConfig does not hold, since a composite takes the
    provider's usages of it along before anything else (foreground deletion).
    """
    place = plan.placement
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": plan.object_name("placed"),
            "namespace": place.provider_config_namespace,
            "labels": {
                LABEL: plan.name,
                contract.RECORD_CLUSTER: label_value(place.cluster),
                contract.NODE_POOL: place.node_pool,
                contract.RECORD_GPUS: str(place.gpus * place.nodes * plan.spec.replicas.min),
            },
        },
        "data": {contract.RECORD_MODEL_KEY: "/".join(filter(None, (plan.claim.namespace, plan.claim.name)))},
    }
    placed_ = Resource("vllm/placed", manifest, ready=exists)
    assert namespace.manifest is not None, "composed complete"
    # At once: the Model may be deleted before its namespace is ready.
    last = goes_after("vllm/placed-last", plan.prefix, manifest, namespace.manifest, ())
    return [placed_, last]
