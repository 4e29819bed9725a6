"""What owns a delivered Secret, so that it goes with its Model, and how Crossplane lets go of one."""

from __future__ import annotations

import http.client
from typing import Any

from functions.api import Undeliverable

from .cluster import Cluster, Refused
from .delivery import Asked, Undelivered, handed_over, is_composed, is_owner

__all__ = ["config_map", "take_over"]


def take_over(cluster: Cluster, path: str, asked: Asked) -> None:
    """Have Crossplane let go of a Secret that it has composed; write no value while Crossplane may read it.

    Raises:
        Undelivered: while Crossplane composes the Secret, or may still read it.
    """
    try:
        metadata = cluster.metadata(path)
    except Refused as error:
        if error.code != http.client.NOT_FOUND:
            raise
        metadata = {}
    composed = is_composed(metadata, asked)
    if composed and asked.spec.target.composed:
        cluster.merge(path, handed_over(metadata, asked.owner))
    if composed or asked.spec.target.composed:
        place = f"{asked.spec.target.namespace}/{asked.spec.target.name}"
        raise Undelivered(
            Undeliverable.STILL_COMPOSED, f"Secret {place} is still composed by Crossplane: wait"
        )


def config_map(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    """Return a reference to the ConfigMap that is to own the Secret.

    Raises:
        Undelivered: where there is none that was made for this delivery.
    """
    target = asked.spec.target
    place = f"{target.namespace}/{target.name}"
    try:
        found = cluster.read(f"/api/v1/namespaces/{target.namespace}/configmaps/{target.name}")
    except Refused as error:
        if error.code != http.client.NOT_FOUND:
            raise
        raise Undelivered(
            Undeliverable.OWNER_MISSING, f"ConfigMap {place} is not in the cluster yet: wait"
        ) from None
    if not is_owner(asked, found):
        raise Undelivered(Undeliverable.OWNER_MISSING, f"ConfigMap {place} is not this delivery's: wait")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": target.name,
        "uid": str(found["metadata"]["uid"]),
    }
