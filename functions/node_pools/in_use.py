"""What keeps a cluster from being deleted under its Models: guards of its claim and its composite."""

from __future__ import annotations

from collections.abc import Mapping

from functions.api import API_VERSION, placed
from functions.base import USAGES, Request, Resource, Selector, Unanswered, label_value, unique_name

__all__ = ["guards"]

_LISTED = 10
"""Models that a refusal names; a message is for reading."""

_COMPOSITE, _CLAIM = "node-pools/in-use", "node-pools/claim-in-use"


def guards(request: Request, namespace: str) -> list[Resource]:
    """Compose what refuses the deletion of claim and composite while Models run on the cluster.

    Both need one: a claim whose composite is guarded would vanish and leave that behind.

    Args:
        request: the cluster's.
        namespace: the platform namespace, where placed Models leave their records.
    """
    try:
        models = _models(request, namespace)
    except Unanswered:
        return [Resource(name, None) for name in (_COMPOSITE, _CLAIM) if request.resource(name)]
    if not models:
        return []
    reason = _reason(models)
    kind = str(request.composite["kind"])
    made = [_guard(_COMPOSITE, "ClusterUsage", {}, request, kind, request.name, reason)]
    if request.claim.namespace:
        where = {"namespace": request.claim.namespace}
        claim = kind.removeprefix("X")
        made.append(_guard(_CLAIM, "Usage", where, request, claim, request.claim.name, reason))
    return made


def _models(request: Request, namespace: str) -> list[str]:
    labels = ((placed.CLUSTER, label_value(request.name)),)
    records = request.require("models", Selector("v1", "ConfigMap", labels=labels, namespace=namespace))
    return sorted(record.text("data", placed.MODEL) or record.name for record in records)


def _reason(models: list[str]) -> str:
    if len(models) == 1:
        return f"Model {models[0]} runs on it: delete that first"
    more = f" and {len(models) - _LISTED} more" if len(models) > _LISTED else ""
    return f"Models {', '.join(models[:_LISTED])}{more} run on it: delete those first"


def _guard(
    resource: str,
    usage: str,
    where: Mapping[str, str],
    request: Request,
    kind: str,
    name: str,
    reason: str,
) -> Resource:
    of = {"apiVersion": API_VERSION, "kind": kind, "resourceRef": {"name": name}}
    manifest = {
        "apiVersion": USAGES,
        "kind": usage,
        "metadata": {"name": unique_name(request.name, "in-use"), **where},
        "spec": {"of": of, "reason": reason},
    }
    return Resource(resource, manifest)
