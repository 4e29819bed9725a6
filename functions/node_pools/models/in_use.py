"""What Models use of their cluster: who uses which node pool, how many GPUs, and what that forbids.

The source is the record that every placed Model leaves in the platform namespace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from functions.api import PodsInUse, PoolStatus, contract
from functions.base import Request, Selector, Unanswered, View, label_value

from ..pools.pool import recorded

__all__ = ["InUse", "PlacedModel", "read"]


@dataclass(frozen=True)
class PlacedModel:
    """A Model as its record tells of it."""

    claim: str
    """As namespace/name."""
    node_pool: str
    gpus: int
    """GPUs, or slices where they are shared, of all its replicas."""
    pods: int
    """Pods of all its replicas."""


@dataclass(frozen=True)
class InUse:
    """The Models on a cluster."""

    models: tuple[PlacedModel, ...] | None
    """None while Crossplane has not said which Models there are."""

    def counted(self, request: Request, pools: Sequence[PoolStatus]) -> list[PoolStatus]:
        """Return node pools with the GPUs that Models use; the last count while Models are not known."""
        if self.models is None:
            before = recorded(request).pools
            return [_counted_before(pool, before.get(pool.name)) for pool in pools]
        return [self._counted(pool) for pool in pools]

    def _counted(self, pool: PoolStatus) -> PoolStatus:
        models = [model for model in self.models or () if model.node_pool == pool.name and model.gpus]
        sizes: Counter[int] = Counter()
        for model in models:
            sizes[model.gpus // model.pods] += model.pods
        pods = [PodsInUse(gpus=gpus, pods=count) for gpus, count in sorted(sizes.items())]
        total = sum(model.gpus for model in models)
        return pool.model_copy(update={"gpus_in_use": total, "pods_in_use": pods or None})

    def of(self, pool: str) -> tuple[str, ...]:
        """Return the claims of the Models on a node pool, as namespace/name.

        Raises:
            Unanswered: while it is not known which Models there are.
        """
        if self.models is None:
            raise Unanswered("models")
        return tuple(model.claim for model in self.models if model.node_pool == pool)


def _counted_before(pool: PoolStatus, before: PoolStatus | None) -> PoolStatus:
    used, pods = (before.gpus_in_use, before.pods_in_use) if before else (None, None)
    return pool.model_copy(update={"gpus_in_use": used, "pods_in_use": pods})


def read(request: Request, namespace: str) -> InUse:
    """Require the records of the Models on the cluster.

    Args:
        request: the cluster's.
        namespace: the platform namespace, where placed Models leave their records.
    """
    labels = ((contract.RECORD_CLUSTER, label_value(request.name)),)
    try:
        records = request.require("models", Selector("v1", "ConfigMap", labels=labels, namespace=namespace))
    except Unanswered:
        return InUse(None)
    return InUse(tuple(sorted(map(_model, records), key=lambda model: model.claim)))


def _model(record: View) -> PlacedModel:
    gpus, pods = (_number(record, label) for label in (contract.RECORD_GPUS, contract.RECORD_PODS))
    return PlacedModel(
        claim=record.text("data", contract.RECORD_MODEL_KEY) or record.name,
        node_pool=record.text("metadata", "labels", contract.NODE_POOL) or "",
        gpus=gpus,
        # Without the label, as few pods as can be: one.
        pods=max(1, pods),
    )


def _number(record: View, label: str) -> int:
    text = record.text("metadata", "labels", label) or ""
    return int(text) if text.isdecimal() else 0
