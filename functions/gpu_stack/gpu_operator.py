"""NVIDIA GPU Operator: device plugin, GPU labels, metrics and, where needed, the driver."""

from __future__ import annotations

from typing import Any

from functions.base import Resource

from .node_feature_discovery import NFD
from .plan import Plan
from .release import release

__all__ = ["resources"]

_NAMESPACE = "gpu-operator"

_WORKS = (
    "has(object.status) && has(object.status.state) && object.status.state == 'ready' "
    "&& has(object.status.conditions) "
    "&& !object.status.conditions.exists(c, c.reason == 'NFDLabelsMissing')"
)


def resources(plan: Plan) -> list[Resource]:
    """Compose its Release, and what tells whether it does its work."""
    operator = release(plan, "gpu-operator", plan.gpu_operator, _NAMESPACE, _values(plan), (NFD,))
    return [operator, _cluster_policy(plan, operator)]


def _values(plan: Plan) -> dict[str, Any]:
    """Return the chart's values.

    The node image of a cluster that is created here has driver and toolkit, and the
    operator must not install them again. Elsewhere it does, but leaves a node alone
    whose driver is there already.
    https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
    """
    return {
        "nfd": {"enabled": False},
        "driver": {"enabled": not plan.owned},
        "toolkit": {"enabled": not plan.owned},
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},  # its CRD comes with Prometheus
        "psa": {"enabled": True},  # lets its own pods run where pod security is enforced
    }


def _cluster_policy(plan: Plan, operator: Resource) -> Resource:
    """Observe the operator's own verdict: a Release is ready as soon as it is installed.

    It is `ready` on a cluster without GPU nodes as well, and even without NFD, which
    then is the reason of its condition.
    """
    manifest = {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {"name": plan.object_name("cluster-policy"), "namespace": plan.access.namespace},
        "spec": {
            "managementPolicies": ["Observe"],
            "watch": True,
            "forProvider": {
                "manifest": {
                    "apiVersion": "nvidia.com/v1",
                    "kind": "ClusterPolicy",
                    "metadata": {"name": "cluster-policy"},
                }
            },
            "readiness": {
                "policy": "DeriveFromCelQuery",
                "celQuery": _WORKS,
            },
            "providerConfigRef": {"kind": "ProviderConfig", "name": plan.access.kubernetes_provider_config},
        },
    }
    return Resource("gpu-stack/cluster-policy", manifest, (operator.name,))
