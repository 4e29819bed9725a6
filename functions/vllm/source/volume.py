"""The volume of a set of weights: a PersistentVolumeClaim that the download fills and serving pods read."""

from __future__ import annotations

from typing import Any

from functions.base import Resource

from ..plan import Plan
from ..serve.objects import in_cluster

__all__ = ["is_volume", "volume", "volume_resource"]


def volume_resource(weights: str) -> str:
    """Return the composed resource of the volume of a set of weights."""
    return f"vllm/weights-{weights}"


def is_volume(resource: str) -> bool:
    """Tell whether a composed resource is the volume of a set of weights."""
    return resource.startswith(volume_resource(""))


def volume(plan: Plan) -> Resource:
    """Compose the PersistentVolumeClaim; it is bound when the download's pod is scheduled.

    A live one is never rendered again: it cannot change its class or access mode, or become smaller.
    """
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if plan.placement.shared_storage else "ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{plan.volume_gib}Gi"}},
    }
    if plan.placement.storage_class_name:
        spec["storageClassName"] = plan.placement.storage_class_name
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": plan.volume, "namespace": plan.placement.namespace},
        "spec": spec,
    }
    return in_cluster(plan, plan.volume, manifest, label="the volume of the weights")
