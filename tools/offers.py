"""The offers of clusters: ConfigMaps that a Model requires of the cluster on which it is placed.

A user's files hold clusters and not their offers, which the node-pools function composes.
"""

from collections.abc import Iterable

from functions.api import contract
from functions.base import View
from functions.node_pools.models.offer import manifest
from functions.vllm.place.clusters import read
from tools.manifests import Manifest

__all__ = ["offers", "with_offers"]


def offers(clusters: Iterable[Manifest]) -> list[Manifest]:
    """Return the offers that these XInferenceClusters would compose; none for one without a status."""
    found = (read(View(xr)) for xr in clusters)
    return [
        manifest(c.name, c.claim, c.allowed_namespaces, c.status)
        for c in found
        if c.status.access is not None
    ]


def with_offers(required: Iterable[Manifest]) -> list[Manifest]:
    """Return required resources, with the offers that are missing of the clusters among them."""
    given = list(required)
    there = {_place(m) for m in given}
    made = offers(m for m in given if m["kind"] == contract.CLUSTER_KIND)
    return [*given, *(m for m in made if _place(m) not in there)]


def _place(manifest: Manifest) -> tuple[str, str | None, str | None]:
    metadata = manifest.get("metadata") or {}
    return manifest["kind"], metadata.get("namespace"), metadata.get("name")
