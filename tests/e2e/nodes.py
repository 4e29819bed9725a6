"""Played nodes for the time of a test, with a storage class for the volumes that pods ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.e2e.observing import refreshed
from tests.e2e.storage import SHARED, storage_class
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest


@contextmanager
def joined(api: Api, nodes: Sequence[Manifest]) -> Iterator[None]:
    """Add nodes and a class of shared volumes to the cluster, and remove them at the end."""
    shared = storage_class("shared", SHARED)
    api.apply(shared)
    for node in nodes:
        api.apply(node)
    for node in nodes:
        wait_for(f"{node['metadata']['name']} to be ready", lambda node=node: ready(api, node))  # type: ignore[misc]
    yield
    for manifest in (*nodes, shared):
        api.delete(manifest)


def ready(api: Api, node: Manifest) -> bool:
    """Say whether a node is ready, and free of the taints that Kubernetes gives a node that is not."""
    found = refreshed(api, node)
    taints = {taint["key"] for taint in found["spec"].get("taints", ())}
    is_ready = condition(found, "Ready").get("status") == "True"
    return is_ready and not any(key.startswith("node.kubernetes.io/") for key in taints)
