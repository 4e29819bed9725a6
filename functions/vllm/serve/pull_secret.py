"""The copy of the Secret by which nodes pull the images of a Model's pods from a registry."""

from __future__ import annotations

from typing import Any

from functions.base import Resource

from ..plan import Plan
from .objects import in_cluster

__all__ = ["pull_secret", "references"]

_NAME = "pull-secret"
_KEY = ".dockerconfigjson"


def pull_secret(plan: Plan) -> list[Resource]:
    """Compose the copy, taken by reference from the platform namespace; none where no Secret is named."""
    if not plan.pull_secret:
        return []
    namespace = plan.placement.provider_config_namespace
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _NAME, "namespace": plan.placement.namespace},
        "type": "kubernetes.io/dockerconfigjson",
        # Filled in by the provider at each look, as a Hub token is.
        "data": {_KEY: ""},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": plan.pull_secret,
        "namespace": namespace,
        "fieldPath": f"data[{_KEY}]",
    }
    reference = {"patchesFrom": secret, "toFieldPath": f"data[{_KEY}]"}
    return [in_cluster(plan, _NAME, manifest, label="the copy of the pull secret", references=[reference])]


def references(plan: Plan) -> dict[str, Any]:
    """Return the field of a pod's spec that names the copy; none where no Secret is named."""
    return {"imagePullSecrets": [{"name": _NAME}]} if plan.pull_secret else {}
