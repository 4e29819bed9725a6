"""Pods are rendered once: a newer package, which would render them otherwise, does not restart them.

The templates of a live workload's pods stand in an annotation of the workload's Object. They are
rendered anew when the spec or the placement asks something else of the pods, unless their image is too old
for what this package would write. Taints of the node pool are the platform's: pods that tolerate other ones
stay, until somebody asks for a restart or none of them is ready.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from functions.base import View, digest

from ..plan import Plan

__all__ = ["Pods", "applied", "is_rolling", "pods"]

_TEMPLATES = "freehold.dev/pods"
"""Annotation: the templates as JSON, by their name in the workload."""
_ASKED = "freehold.dev/pods-asked"
"""Annotation: the digest of what the templates were rendered from."""

# What is not known to leave the pods alone is taken to reach them, so that a new field is never ignored.
_SPEC_ELSEWHERE: dict[str, bool | set[str]] = {
    **dict.fromkeys(("replicas", "cluster", "gpu", "source", "access", "routing"), True),
    "engine": {"image"},
}
"""Fields of the spec that pods are not rendered from; the placement has the image and the GPUs."""
_PLACEMENT_ELSEWHERE = {
    *("cluster", "claim", "node_pool", "gpu_model", "provider_config", "provider_config_namespace"),
    *("storage_class_name", "shared_storage", "price_usd_per_hour", "runners_up", "sized_by"),
    *("context_length", "taints", "gateway"),
}
"""Fields of the placement that pods are not rendered from; the context, which the plan has; the taints."""
_ONCE_ASKED = ("access", "gateway")
"""Fields of the spec and of the placement that an older version took for some that pods are rendered from."""
_STATUS = ("status", "atProvider", "manifest", "status")
"""Where an Object has the status of the workload in the cluster."""


class Pods(NamedTuple):
    """Templates of a workload's pods."""

    templates: Mapping[str, Any]
    """By their name in the workload."""
    annotations: Mapping[str, str]
    """Of the workload's Object, by which the templates stay as they are."""
    outdated: bool
    """Whether this package would render them otherwise."""
    untolerated: bool = False
    """Whether they do not tolerate a taint that the node pool has now."""


def pods(plan: Plan, rendered: Mapping[str, Any], live: View | None) -> Pods:
    """Return the templates of a workload: the live ones while nothing else is asked of them.

    Args:
        plan: of the Model.
        rendered: the templates as this package renders them, by their name in the workload.
        live: the workload's Object; None where there is none.
    """
    asked, newest = _asked(plan), json.dumps(rendered, sort_keys=True)
    anew = Pods(rendered, {_TEMPLATES: newest, _ASKED: asked}, outdated=False)
    noted, kept = (_noted(live, name) for name in (_ASKED, _TEMPLATES))
    old = plan.engine.too_old(plan.image)
    if noted not in (None, asked) and noted == _asked(plan, *_ONCE_ASKED):
        noted = asked
    if noted is None or kept is None or kept == newest or (noted != asked and not old):
        return anew
    templates = json.loads(kept)
    untolerated = bool(_tolerated(rendered) - _tolerated(templates))
    if untolerated and not old and _none_is_ready(live):
        return anew
    return Pods(templates, {_TEMPLATES: kept, _ASKED: noted}, outdated=True, untolerated=untolerated)


def applied(live: View, pods: Pods) -> Mapping[str, Any]:
    """Return the templates that a workload's Object has been given; none where it says none.

    Args:
        live: the Object.
        pods: the templates to be, which they are most of the time.
    """
    kept = _noted(live, _TEMPLATES)
    if kept == pods.annotations[_TEMPLATES]:
        return pods.templates
    templates: Mapping[str, Any] = json.loads(kept) if kept else {}
    return templates


def is_rolling(live: View) -> bool:
    """Tell whether a workload may have pods of templates from before, as its status in the cluster says."""
    generation = live.number(*_STATUS[:-1], "metadata", "generation")
    if generation is None or live.number(*_STATUS, "observedGeneration") != generation:
        return True
    return (live.number(*_STATUS, "replicas") or 0) > (live.number(*_STATUS, "updatedReplicas") or 0)


def _noted(live: View | None, annotation: str) -> str | None:
    return live.text("metadata", "annotations", annotation) if live else None


def _tolerated(templates: Mapping[str, Any]) -> frozenset[str]:
    """Return the taints that all pods of some templates tolerate, each as JSON."""
    every = [t["spec"].get("tolerations") or [] for t in templates.values()]
    return frozenset.intersection(*(frozenset(json.dumps(t, sort_keys=True) for t in own) for own in every))


def _none_is_ready(live: View | None) -> bool:
    """Tell whether a workload says that it has pods and that none is ready: a restart stops nothing then."""
    if live is None or not live.number(*_STATUS, "replicas"):
        return False
    return not live.number(*_STATUS, "readyReplicas")


def _asked(plan: Plan, *once: str) -> str:
    """Return a digest of what the spec and the placement ask of the pods.

    Without defaults: a field that a newer version adds restarts nothing.

    Args:
        plan: of the Model.
        once: fields that are looked at all the same.
    """
    spec = plan.spec.canonical(exclude={k: v for k, v in _SPEC_ELSEWHERE.items() if k not in once})
    placement = plan.placement.canonical(exclude=_PLACEMENT_ELSEWHERE - set(once))
    return digest(spec, placement, str(plan.context), digits=16)
