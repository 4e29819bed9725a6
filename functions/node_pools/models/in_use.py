"""What the placed Models are to their cluster: guards of its claim and composite, and GPUs in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functions.api import API_VERSION, PoolStatus, contract
from functions.base import Request, Resource, Selector, Unanswered, View, label_value, remote, unique_name

from ..pools.pool import recorded

__all__ = ["PlacedModel", "counted", "guards", "models", "unguarded"]

_LISTED = 10
"""Models that a refusal names; a message is for reading."""

_COMPOSITE, _CLAIM = "node-pools/in-use", "node-pools/claim-in-use"


@dataclass(frozen=True)
class PlacedModel:
    """A Model as its record tells of it."""

    claim: str
    """As namespace/name."""
    node_pool: str
    gpus: int
    """GPUs, or slices where they are shared, of all its replicas."""


def models(request: Request, namespace: str) -> list[PlacedModel] | None:
    """Require the records of the Models on the cluster; None while that is not answered.

    Args:
        request: the cluster's.
        namespace: the platform namespace, where placed Models leave their records.
    """
    labels = ((contract.RECORD_CLUSTER, label_value(request.name)),)
    try:
        records = request.require("models", Selector("v1", "ConfigMap", labels=labels, namespace=namespace))
    except Unanswered:
        return None
    return sorted(map(_model, records), key=lambda model: model.claim)


def _model(record: View) -> PlacedModel:
    gpus = record.text("metadata", "labels", contract.RECORD_GPUS) or ""
    return PlacedModel(
        claim=record.text("data", contract.RECORD_MODEL_KEY) or record.name,
        node_pool=record.text("metadata", "labels", contract.NODE_POOL) or "",
        gpus=int(gpus) if gpus.isdecimal() else 0,
    )


def counted(
    request: Request, models: Sequence[PlacedModel] | None, pools: Sequence[PoolStatus]
) -> list[PoolStatus]:
    """Return the pools with what Models take of each; the last count while the records are not known."""
    if models is None:
        before = recorded(request).pools
        taken = {name: pool.gpus_in_use for name, pool in before.items()}
        return [pool.model_copy(update={"gpus_in_use": taken.get(pool.name)}) for pool in pools]
    count: Counter[str] = Counter()
    for model in models:
        count[model.node_pool] += model.gpus
    return [pool.model_copy(update={"gpus_in_use": count[pool.name]}) for pool in pools]


def guards(request: Request, models: Sequence[PlacedModel] | None) -> list[Resource]:
    """Compose what refuses the deletion of claim and composite while Models run on the cluster.

    Both need one: a claim whose composite is guarded would vanish and leave that behind. Those
    that are there stay while the Models are not known.
    """
    if not models:
        return []
    reason = _reason([model.claim for model in models])
    kind = str(request.composite["kind"])
    name = unique_name(request.name, "in-use")
    made = [Resource(_COMPOSITE, remote.usage(name, _named(kind, request.name), reason=reason))]
    if request.claim.namespace:
        claim = _named(kind.removeprefix("X"), request.claim.name)
        guard = remote.usage(name, claim, namespace=request.claim.namespace, reason=reason)
        made.append(Resource(_CLAIM, guard))
    return made


def _named(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}}


def unguarded(request: Request, models: Sequence[PlacedModel] | None) -> tuple[str, ...]:
    """Return the guards to give up: those that exist, once no Model is known to be on the cluster."""
    if models is None or models:
        return ()
    return tuple(name for name in (_COMPOSITE, _CLAIM) if name in request.observed)


def _reason(models: list[str]) -> str:
    if len(models) == 1:
        return f"Model {models[0]} runs on it: delete that first"
    more = f" and {len(models) - _LISTED} more" if len(models) > _LISTED else ""
    return f"Models {', '.join(models[:_LISTED])}{more} run on it: delete those first"
