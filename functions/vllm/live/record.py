"""The record by which a cluster counts its Models, their pods and the GPUs of each pod."""

from __future__ import annotations

from functions.api import contract
from functions.base import Resource, exists, goes_after, label_value

from ..plan import Plan
from ..serve.objects import LABEL

__all__ = ["record"]


def record(plan: Plan, namespace: Resource) -> list[Resource]:
    """Compose the record, a ConfigMap in the control plane, and the Usage that keeps it.

    The record outlives the Model's namespace, since the cluster must stay until that is gone. The
    provider's own Usage of the cluster's ProviderConfig does not keep the cluster: a composite that is
    deleted takes the provider's Usages along before anything else (foreground deletion).

    Args:
        plan: of the Model.
        namespace: the composed Object of the Model's namespace.
    """
    placement = plan.placement
    pods = placement.nodes * plan.spec.replicas.min
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": plan.object_name("placed"),
            "namespace": placement.provider_config_namespace,
            "labels": {
                LABEL: plan.name,
                contract.RECORD_CLUSTER: label_value(placement.cluster),
                contract.NODE_POOL: placement.node_pool,
                contract.RECORD_GPUS: str(placement.gpus * pods),
                contract.RECORD_PODS: str(pods),
            },
        },
        "data": {contract.RECORD_MODEL_KEY: "/".join(filter(None, (plan.claim.namespace, plan.claim.name)))},
    }
    assert namespace.manifest is not None, "a namespace is composed complete"
    # Created at once: the Model may be deleted before its namespace is ready.
    usage = goes_after("vllm/placed-last", plan.prefix, manifest, namespace.manifest, ())
    return [Resource("vllm/placed", manifest, ready=exists, label="the record of the Model's place"), usage]
