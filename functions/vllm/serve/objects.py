"""Objects of provider-kubernetes for what a Model has in its cluster, with the Model's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.api import contract
from functions.base import Resource, remote

from ..plan import Plan

__all__ = ["LABEL", "in_cluster", "labels"]

LABEL = contract.MODEL
"""Label of everything that belongs to a Model in its cluster."""


def labels(plan: Plan) -> dict[str, Any]:
    """Return the labels of everything in the cluster: Kubernetes' recommended ones and Freehold's."""
    return {
        LABEL: plan.name,
        "app.kubernetes.io/name": plan.engine.name,
        "app.kubernetes.io/instance": plan.name,
        "app.kubernetes.io/managed-by": "freehold",
    }


def in_cluster(
    plan: Plan,
    what: str,
    manifest: Mapping[str, Any],
    *,
    label: str,
    after: Sequence[str] = ("namespace",),
    ready: str = "",
    annotations: Mapping[str, str] | None = None,
    policies: Sequence[str] = (),
) -> Resource:
    """Compose the Object for a manifest in the Model's cluster.

    Args:
        plan: of the Model.
        what: name of the composed resource, without the function's prefix.
        manifest: the object in the cluster, without the labels of every object.
        label: how messages name it.
        after: composed resources that must be ready before this one is created.
        ready: CEL over `object` that holds when the object is ready; empty: ready once it exists.
        annotations: of the Object itself.
        policies: management policies of the Object; none: the provider's default, all.
    """
    metadata = dict(manifest["metadata"])
    metadata["labels"] = {**labels(plan), **metadata.get("labels", {})}
    body = remote.kubernetes_object(
        plan.object_name(what),
        plan.placement.provider_config_namespace,
        plan.placement.provider_config,
        {**manifest, "metadata": metadata},
        readiness=remote.cel(ready) if ready else remote.ON_CREATE,
        watch=True,
        policies=policies,
        labels={LABEL: plan.name},
        annotations=annotations,
    )
    needs = tuple(f"vllm/{name}" for name in after)
    return Resource(f"vllm/{what}", body, needs, label=label)
