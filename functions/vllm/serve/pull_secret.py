"""The Secret by which nodes pull the images of a Model's pods from a registry."""

from __future__ import annotations

from typing import Any

from functions.base import Resource, remote

from ..plan import Plan
from .delivery import deliveries

__all__ = ["pull_secret", "references"]

_NAME = "pull-secret"
_KEY, _TYPE = ".dockerconfigjson", "kubernetes.io/dockerconfigjson"


def pull_secret(plan: Plan) -> list[Resource]:
    """Compose its delivery from the platform namespace; none where no Secret is named."""
    if not plan.pull_secret:
        return []
    source = remote.SecretKey(plan.placement.provider_config_namespace, plan.pull_secret, _KEY)
    return deliveries(plan, _NAME, source, _KEY, "the pull secret", _TYPE)


def references(plan: Plan) -> dict[str, Any]:
    """Return the field of a pod's spec that names it; none where no Secret is named."""
    return {"imagePullSecrets": [{"name": _NAME}]} if plan.pull_secret else {}
