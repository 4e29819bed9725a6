"""Pods are rendered once: a newer package, which would render them otherwise, does not restart them.

The templates of a live workload's pods stand in an annotation of the workload's Object. They are
rendered anew when the spec or the placement asks something else of the pods.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from functions.base import View, digest

from ..plan import Plan

__all__ = ["Pods", "pods"]

_TEMPLATES = "freehold.dev/pods"
"""Annotation: the templates as JSON, by their name in the workload."""
_ASKED = "freehold.dev/pods-asked"
"""Annotation: the digest of what the templates were rendered from."""

# What is not known to leave the pods alone is taken to reach them, so that a new field is never ignored.
_SPEC_ELSEWHERE: dict[str, bool | set[str]] = {
    **dict.fromkeys(("replicas", "cluster", "gpu", "source"), True),
    "engine": {"image"},
}
"""Fields of the spec that pods are not rendered from; the placement has the image and the GPUs."""
_PLACEMENT_ELSEWHERE = {
    *("cluster", "claim", "node_pool", "gpu_model", "provider_config", "provider_config_namespace"),
    *("storage_class_name", "shared_storage", "price_usd_per_hour", "runners_up", "sized_by"),
    "context_length",
}
"""Fields of the placement that pods are not rendered from, and the context, which the plan has."""


class Pods(NamedTuple):
    """Templates of a workload's pods."""

    templates: Mapping[str, Any]
    """By their name in the workload."""
    annotations: Mapping[str, str]
    """Of the workload's Object, by which the templates stay as they are."""
    outdated: bool
    """Whether this package would render them otherwise."""


def pods(plan: Plan, rendered: Mapping[str, Any], live: View | None) -> Pods:
    """Return the templates of a workload: the live ones while nothing else is asked of them.

    Args:
        plan: of the Model.
        rendered: the templates as this package renders them, by their name in the workload.
        live: the workload's Object; None where there is none.
    """
    asked, newest = _asked(plan), json.dumps(rendered, sort_keys=True)
    kept = _kept(live, asked)
    if kept is None or kept == newest:
        return Pods(rendered, {_TEMPLATES: newest, _ASKED: asked}, outdated=False)
    return Pods(json.loads(kept), {_TEMPLATES: kept, _ASKED: asked}, outdated=True)


def _kept(live: View | None, asked: str) -> str | None:
    """Return the templates that a live workload keeps, as JSON."""
    if live is None or live.text("metadata", "annotations", _ASKED) != asked:
        return None
    return live.text("metadata", "annotations", _TEMPLATES)


def _asked(plan: Plan) -> str:
    """Return a digest of what the spec and the placement ask of the pods.

    Without defaults: a field that a newer version adds restarts nothing.
    """
    spec = plan.spec.canonical(exclude=_SPEC_ELSEWHERE)
    placement = plan.placement.canonical(exclude=_PLACEMENT_ELSEWHERE)
    return digest(spec, placement, str(plan.context), digits=16)
