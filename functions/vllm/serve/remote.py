"""Objects inside a Model's cluster, as provider-kubernetes composes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.base import Resource

from ..plan import Plan

__all__ = ["LABEL", "labels", "remote"]

_UNWATCHED = ("Secret",)
"""Watching it would keep every Secret of the cluster in the provider's memory."""

LABEL = "freehold.dev/model"
"""Label of everything that belongs to a Model inside its cluster."""


def labels(plan: Plan) -> dict[str, Any]:
    """Return the labels of everything in the cluster: Kubernetes' recommended ones and ours."""
    return {
        LABEL: plan.name,
        "app.kubernetes.io/name": "vllm",
        "app.kubernetes.io/instance": plan.name,
        "app.kubernetes.io/managed-by": "freehold",
    }


def remote(
    plan: Plan,
    what: str,
    manifest: Mapping[str, Any],
    *,
    after: tuple[str, ...] = ("namespace",),
    ready: str = "",
    references: list[dict[str, Any]] | None = None,
    annotations: dict[str, str] | None = None,
) -> Resource:
    """Wrap a manifest into an Object.

    Args:
        plan: the Model.
        what: its name in the composition, after the function's.
        manifest: the object in the cluster, without common labels.
        after: what must be ready before it is created.
        ready: CEL over `object` that says when it is ready; none: once it is there.
        references: Object references, for values taken from the control plane.
        annotations: of the Object itself.
    """
    metadata = dict(manifest["metadata"])
    metadata["labels"] = {**labels(plan), **metadata.get("labels", {})}
    readiness = (
        {"policy": "DeriveFromCelQuery", "celQuery": ready} if ready else {"policy": "SuccessfulCreate"}
    )
    body: dict[str, Any] = {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {
            "name": plan.object_name(what),
            "namespace": plan.placement.provider_config_namespace,
            "labels": {LABEL: plan.name},
        },
        "spec": {
            "forProvider": {"manifest": {**manifest, "metadata": metadata}},
            "providerConfigRef": {"kind": "ProviderConfig", "name": plan.placement.provider_config},
            "readiness": readiness,
        },
    }
    if manifest["kind"] not in _UNWATCHED:
        body["spec"]["watch"] = True
    if annotations:
        body["metadata"]["annotations"] = annotations
    if references:
        body["spec"]["references"] = references
    return Resource(f"vllm/{what}", body, after=tuple(f"vllm/{name}" for name in after))
