"""Observed resources for the next reconcile: composed resources as a live cluster would show them.

Every composed resource exists and is ready, unless the caller says that it is not. Nothing is simulated:
status.atProvider comes from `provider_status`.
"""

import copy
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from functions.api import contract
from tools import field_ownership, provider_status
from tools.manifests import Manifest, group_of, resource_name
from tools.provider_status import TIME

COLLECTION = "ObservedObjectCollection"
_MEMBER = "kubernetes.crossplane.io/owned-by-collection"
EXTERNAL_NAME = "crossplane.io/external-name"
PROVIDER_MANAGER = "provider"
_FINALIZER = "finalizer.managedresource.crossplane.io"


def observe(
    composed: Iterable[Manifest],
    xr: Manifest,
    *,
    ready: bool = True,
    not_ready: Collection[str] = (),
    failing: Mapping[str, str] | None = None,
    late_init: Mapping[str, Manifest] | None = None,
) -> list[Manifest]:
    """Return composed resources with the metadata and status that an API server and providers add.

    Args:
        composed: the composed resources of a reconcile.
        xr: the XR that composes them, whose name is part of the field manager's.
        ready: whether the resources are Ready.
        not_ready: names in the composition of resources that are not Ready.
        failing: the provider's error by the resource's name in the composition; Synced and Ready are
            False.
        late_init: fields that the provider fills in and owns, by the resource's name in the composition.
    """
    failing, late_init = failing or {}, late_init or {}
    return [
        _one(
            desired,
            xr,
            ready=ready and resource_name(desired) not in {*not_ready, *failing},
            failure=failing.get(resource_name(desired)),
            extra=late_init.get(resource_name(desired), {}),
        )
        for desired in composed
    ]


def _one(desired: Manifest, xr: Manifest, *, ready: bool, failure: str | None, extra: Manifest) -> Manifest:
    ours = field_ownership.fields_v1(desired)
    added = _added(desired, extra)
    live = _merged(desired, added)
    metadata = live["metadata"]
    identity = f"{live['kind']}.{group_of(live)}/{metadata.get('namespace')}/{metadata['name']}"
    metadata |= {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, identity)),
        "resourceVersion": "1000",
        "generation": 1,
        "creationTimestamp": TIME,
    }
    entries = [
        field_ownership.entry(
            live,
            manager=field_ownership.composed_manager(xr),
            operation="Apply",
            fields=ours,
            time=TIME,
        )
    ]
    if theirs := field_ownership.fields_v1(added):
        entries.append(_provider_entry(live, theirs))
    if status := _status(desired, ready, failure):
        live["status"] = status
        fields = field_ownership.fields_v1({"status": status})
        entries.append(_provider_entry(live, fields, subresource="status"))
    metadata["managedFields"] = entries
    return live


def is_managed(manifest: Manifest) -> bool:
    """Tell whether a provider reconciles a manifest, as it does no ProviderConfig and no Secret."""
    return "forProvider" in (manifest.get("spec") or {})


def _added(desired: Manifest, extra: Manifest) -> Manifest:
    """Return the metadata and fields that the provider adds beside the status."""
    if not is_managed(desired):
        return copy.deepcopy(extra)
    added: Manifest = {"metadata": {"finalizers": [_FINALIZER]}}
    if EXTERNAL_NAME not in (desired["metadata"].get("annotations") or {}):
        name = provider_status.external_name(desired)
        added["metadata"]["annotations"] = {EXTERNAL_NAME: name}
    return _merged(added, extra)


def _status(desired: Manifest, ready: bool, failure: str | None) -> Manifest:
    if desired["kind"] in {"Usage", "ClusterUsage"}:
        return {"conditions": [_ready(ready)]}
    if desired["kind"] in {COLLECTION, contract.DELIVERY_KIND, contract.UPGRADE_KIND}:
        return {"conditions": [_ready(ready), _synced(failure)]}
    if not is_managed(desired):
        return {}
    status: Manifest = {"conditions": [_ready(ready), _synced(failure)]}
    if ready:
        status["atProvider"] = provider_status.at_provider(desired)
    return status


def _ready(ready: bool) -> dict[str, Any]:
    return _condition("Ready", ready, "Available" if ready else "Creating")


def _synced(failure: str | None) -> dict[str, Any]:
    if failure is None:
        return _condition("Synced", True, "ReconcileSuccess")
    return _condition("Synced", False, "ReconcileError") | {"message": failure}


def _condition(type_: str, true: bool, reason: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": "True" if true else "False",
        "reason": reason,
        "lastTransitionTime": TIME,
    }


def _provider_entry(live: Manifest, fields: dict[str, Any], subresource: str | None = None) -> dict[str, Any]:
    return field_ownership.entry(
        live,
        manager=PROVIDER_MANAGER,
        operation="Update",
        fields=fields,
        time=TIME,
        subresource=subresource,
    )


def _merged(base: Manifest, over: Manifest) -> Manifest:
    """Return a copy of `base` with `over` merged in; lists are replaced."""
    merged = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def found_nodes(observed: Iterable[Manifest], xr: Manifest) -> list[Manifest]:
    """Return the Objects that provider-kubernetes makes of every observed collection of a pool's nodes.

    There are as many nodes as the pool has at least, each with the GPUs that the claim declares.
    """
    pools = (xr.get("status") or {}).get("nodePools") or []
    found = []
    for collection in observed:
        if collection["kind"] == COLLECTION:
            selector = collection["spec"]["observeObjects"]["selector"]["matchLabels"]
            matching = [pool for pool in pools if pool["nodeSelector"] == selector][:1]
            found += [
                _found_object(collection, _node(pool, number))
                for pool in matching
                for number in range(pool["nodes"]["min"])
            ]
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


def _found_object(collection: Manifest, node: Manifest) -> Manifest:
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
