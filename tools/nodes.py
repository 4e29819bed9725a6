"""The nodes that a claim's pools would have: what provider-kubernetes finds of them in a cluster."""

from collections.abc import Iterable

from tools.manifests import Manifest

__all__ = ["COLLECTION", "found_nodes"]

COLLECTION = "ObservedObjectCollection"
_MEMBER = "kubernetes.crossplane.io/owned-by-collection"


def found_nodes(observed: Iterable[Manifest], xr: Manifest) -> list[Manifest]:
    """Return the Objects that the provider makes of every observed collection of a pool's nodes.

    There are as many nodes as the pool has at least, each with the GPUs that are declared.
    """
    pools = (xr.get("status") or {}).get("nodePools") or []
    found = []
    for collection in observed:
        if collection["kind"] == COLLECTION:
            selector = collection["spec"]["observeObjects"]["selector"]["matchLabels"]
            pool = next((p for p in pools if p["nodeSelector"] == selector), None)
            found += (
                [_object(collection, _node(pool, n)) for n in range(pool["nodes"]["min"])] if pool else []
            )
    return found


def _node(pool: Manifest, number: int) -> Manifest:
    shared = pool.get("sharing") or {"resource": "nvidia.com/gpu", "perGPU": 1}
    count = str(pool["gpusPerNode"] * shared["perGPU"])
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"{pool['name']}-{number}", "labels": pool["nodeSelector"]},
        "status": {"allocatable": {shared["resource"]: count}},
    }


def _object(collection: Manifest, node: Manifest) -> Manifest:
    metadata = collection["metadata"]
    return {
        "apiVersion": collection["apiVersion"],
        "kind": "Object",
        "metadata": {
            "name": f"{metadata['name']}-{node['metadata']['name']}",
            "namespace": metadata["namespace"],
            "labels": {_MEMBER: metadata["name"]},
        },
        "status": {"atProvider": {"manifest": node}},
    }
