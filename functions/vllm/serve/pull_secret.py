"""The copy of the Secret by which nodes pull the images of a Model's pods from a registry."""

from __future__ import annotations

from typing import Any

from functions.base import Resource, remote

from ..plan import Plan
from .objects import copied_secret, in_cluster

__all__ = ["pull_secret", "references"]

_NAME = "pull-secret"
_KEY, _TYPE = ".dockerconfigjson", "kubernetes.io/dockerconfigjson"


def pull_secret(plan: Plan) -> list[Resource]:
    """Compose the copy, taken by reference from the platform namespace; none where no Secret is named."""
    if not plan.pull_secret:
        return []
    source = remote.SecretKey(plan.placement.provider_config_namespace, plan.pull_secret, _KEY)
    manifest, reference = copied_secret(_NAME, plan.placement.namespace, _KEY, source, _TYPE)
    return [in_cluster(plan, _NAME, manifest, label="the copy of the pull secret", references=[reference])]


def references(plan: Plan) -> dict[str, Any]:
    """Return the field of a pod's spec that names the copy; none where no Secret is named."""
    return {"imagePullSecrets": [{"name": _NAME}]} if plan.pull_secret else {}
