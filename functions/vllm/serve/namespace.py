"""The Model's own namespace in its cluster."""

from __future__ import annotations

from functions.base import Resource, remote

from ..plan import Plan
from .objects import in_cluster

__all__ = ["namespace"]


def namespace(plan: Plan) -> Resource:
    """Compose the namespace, which enforces the restricted pod security standard."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": plan.placement.namespace,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
        },
    }
    ready = remote.NAMESPACE_ACTIVE
    label = "the Model's namespace"
    return in_cluster(
        plan, "namespace", manifest, label=label, after=(), ready=ready, annotations=plan.annotations
    )
