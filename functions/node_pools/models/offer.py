"""What placed Models need to know of the cluster, published apart from its status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from functions.api import ClusterStatus, Offer, OfferedBy, PoolStatus, contract
from functions.base import Claim, Resource, exists, label_value, unique_name

__all__ = ["manifest", "resource"]

_FLEETING = {
    "ready": False,
    "nodes_found": None,
    "gpus_in_use": None,
    "pods_in_use": None,
    "alternatives": None,
}
"""What a pool's status says beside what a Model on it depends on."""


def resource(
    composite: str, claim: Claim, allowed_namespaces: Sequence[str] | None, status: ClusterStatus
) -> Resource:
    """Compose the offer; it changes only with what a placed Model depends on.

    Args:
        composite: the XInferenceCluster's name.
        claim: whose it is.
        allowed_namespaces: as the spec has them.
        status: with its access and node pools.
    """
    made = manifest(composite, claim, allowed_namespaces, status)
    return Resource("node-pools/offer", made, ready=exists, label="the cluster's offer to Models")


def manifest(
    composite: str, claim: Claim, allowed_namespaces: Sequence[str] | None, status: ClusterStatus
) -> dict[str, Any]:
    """Return the ConfigMap that holds the offer."""
    assert status.access is not None, "every place says how it is reached"
    offered = Offer(
        claim=OfferedBy(namespace=claim.namespace, name=claim.name),
        allowed_namespaces=None if allowed_namespaces is None else list(allowed_namespaces),
        access=status.access,
        node_pools=[_lasting(pool) for pool in status.node_pools or []],
        storage_class_name=status.storage_class_name,
        shared_storage=status.shared_storage,
        shared_storage_class_name=status.shared_storage_class_name,
        gateway=status.gateway,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": unique_name(composite, contract.OFFER),
            "namespace": status.access.namespace,
            "labels": {contract.OFFERED_BY: label_value(composite)},
        },
        "data": {contract.OFFER_KEY: json.dumps(offered.plain(), sort_keys=True)},
    }


def _lasting(pool: PoolStatus) -> PoolStatus:
    return pool.model_copy(update=_FLEETING)
