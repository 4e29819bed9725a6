"""Objects inside a Model's cluster, as provider-kubernetes composes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.base import Resource, remote

from ..plan import Plan

__all__ = ["LABEL", "in_cluster", "labels"]

_UNWATCHED = ("Secret",)
"""A token seldom changes; a watch would be one of all Secrets, in the cluster and the control plane."""

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


def in_cluster(
    plan: Plan,
    what: str,
    manifest: Mapping[str, Any],
    *,
    after: tuple[str, ...] = ("namespace",),
    ready: str = "",
    references: Sequence[Mapping[str, Any]] = (),
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
    body = remote.kubernetes_object(
        plan.object_name(what),
        plan.placement.provider_config_namespace,
        plan.placement.provider_config,
        {**manifest, "metadata": metadata},
        readiness=remote.cel(ready) if ready else remote.ON_CREATE,
        watch=manifest["kind"] not in _UNWATCHED,
        references=references,
        labels={LABEL: plan.name},
        annotations=annotations,
    )
    return Resource(f"vllm/{what}", body, after=tuple(f"vllm/{name}" for name in after))
