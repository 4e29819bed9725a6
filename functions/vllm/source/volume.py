"""The volume of a set of weights: a PersistentVolumeClaim that the download fills and serving pods read."""

from __future__ import annotations

import re
from typing import Any

from functions.base import Request, Resource, View

from ..plan import Plan
from ..serve.objects import in_cluster

__all__ = ["is_volume", "volume", "volume_resource", "volume_uid"]

_SPEC = ("spec", "forProvider", "manifest", "spec")


def volume_resource(weights: str) -> str:
    """Return the composed resource of the volume of a set of weights."""
    return f"vllm/weights-{weights}"


def is_volume(resource: str) -> bool:
    """Tell whether a composed resource is the volume of a set of weights."""
    return resource.startswith(volume_resource(""))


def volume_uid(request: Request, weights: str) -> str:
    """Return the UID of a volume in its cluster; empty while it is not known.

    A volume that is deleted and created again is empty, and has another UID.
    """
    live = request.resource(volume_resource(weights))
    return (live and live.text("status", "atProvider", "manifest", "metadata", "uid")) or ""


def volume(request: Request, plan: Plan, *, filled: bool) -> list[Resource]:
    """Compose the PersistentVolumeClaim; it is bound when the download's pod is scheduled.

    A live one cannot change its class or access mode, or become smaller. It is rendered again only to
    grow, while its download is not done.

    Args:
        request: the Model's.
        plan: of the Model.
        filled: whether the weights are in it.
    """
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if plan.placement.shared_storage else "ReadWriteOnce"]
    }
    class_ = plan.placement.storage_class_name
    live = request.resource(volume_resource(plan.placement.weights))
    if live is not None:
        if filled or _gib(live) is None or plan.volume_gib <= (_gib(live) or 0):
            return []
        spec["accessModes"] = list(live.texts(*_SPEC, "accessModes"))
        class_ = live.text(*_SPEC, "storageClassName")
    spec["resources"] = {"requests": {"storage": f"{plan.volume_gib}Gi"}}
    if class_:
        spec["storageClassName"] = class_
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": plan.volume, "namespace": plan.placement.namespace},
        "spec": spec,
    }
    return [in_cluster(plan, plan.volume, manifest, label="the volume of the weights")]


def _gib(live: View) -> int | None:
    """Return the size that a live volume asks for, in GiB."""
    found = re.fullmatch(r"(\d+)Gi", live.text(*_SPEC, "resources", "requests", "storage") or "")
    return int(found[1]) if found else None
