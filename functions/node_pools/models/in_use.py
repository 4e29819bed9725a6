"""What Models use of their cluster: who uses which node pool, how many GPUs, and what that forbids.

The source is the record that every placed Model leaves in the platform namespace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.api import PoolStatus, contract
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


@dataclass(frozen=True)
class InUse:
    """The Models on a cluster."""

    models: tuple[PlacedModel, ...] | None
    """None while Crossplane has not said which Models there are."""

    def counted(self, request: Request, pools: Sequence[PoolStatus]) -> list[PoolStatus]:
        """Return node pools with the GPUs that Models use; the last count while Models are not known."""
        if self.models is None:
            before = recorded(request).pools
            count = {name: pool.gpus_in_use for name, pool in before.items()}
        else:
            count = dict.fromkeys((pool.name for pool in pools), 0)
            for model in self.models:
                count[model.node_pool] = (count.get(model.node_pool) or 0) + model.gpus
        return [pool.model_copy(update={"gpus_in_use": count.get(pool.name)}) for pool in pools]

    def of(self, pool: str) -> tuple[str, ...]:
        """Return the claims of the Models on a node pool, as namespace/name.

        Raises:
            Unanswered: while it is not known which Models there are.
        """
        if self.models is None:
            raise Unanswered("models")
        return tuple(model.claim for model in self.models if model.node_pool == pool)


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
    gpus = record.text("metadata", "labels", contract.RECORD_GPUS) or ""
    return PlacedModel(
        claim=record.text("data", contract.RECORD_MODEL_KEY) or record.name,
        node_pool=record.text("metadata", "labels", contract.NODE_POOL) or "",
        gpus=int(gpus) if gpus.isdecimal() else 0,
    )
