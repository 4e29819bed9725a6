"""Recover what we once desired of an object from what is observed of it.

Crossplane applies composed resources server-side, so the API server records in
`managedFields` which fields are ours. Those, and no others, make up the object
that we would desire again when its inputs are gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .wire import thaw

__all__ = ["own_fields"]

# Core: FieldOwnerComposedPrefix in internal/controller/apiextensions/composite.
_MANAGER = "apiextensions.crossplane.io/composed"
_CARRIED_METADATA = ("labels", "annotations")


def own_fields(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the desired object that these observed fields came from.

    Identity always; labels, annotations and everything outside metadata and
    status as far as `managedFields` says Crossplane composed it. An object
    without `managedFields` at all (a fixture, never a live object) gives its
    whole spec, since leaving it out would delete it.
    """
    observed = thaw(observed)
    metadata = observed.get("metadata", {})
    desired: dict[str, Any] = {
        "apiVersion": observed["apiVersion"],
        "kind": observed["kind"],
        "metadata": {k: metadata[k] for k in ("name", "namespace") if k in metadata},
    }
    fields = _composed_fields(metadata.get("managedFields"))
    for key in observed:
        if key in ("apiVersion", "kind", "metadata", "status"):
            continue
        if fields is None:
            desired[key] = observed[key]
        elif f"f:{key}" in fields:
            desired[key] = _select(observed[key], fields[f"f:{key}"])
    owned = (fields or {}).get("f:metadata", {})
    for key in _CARRIED_METADATA:
        if f"f:{key}" in owned and key in metadata:
            desired["metadata"][key] = _select(metadata[key], owned[f"f:{key}"])
    return desired


def _composed_fields(managed: Any) -> Mapping[str, Any] | None:
    """Return the fieldsV1 of Crossplane's composed-resource manager, None without any record."""
    if not managed:
        return None
    for entry in managed:
        if str(entry.get("manager", "")).startswith(_MANAGER):
            fields: Mapping[str, Any] = entry.get("fieldsV1", {})
            return fields
    return {}


def _select(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the part of `value` that `fields` (of FieldsV1) names."""
    children = {key: sub for key, sub in fields.items() if key != "."}
    if not children:
        return value
    if isinstance(value, Mapping):
        return {key: _select(value[key], children[f"f:{key}"]) for key in value if f"f:{key}" in children}
    if isinstance(value, list):
        return [_select(item, sub) for item in value for sub in _fields_of_item(item, children)]
    return value


def _fields_of_item(item: Any, children: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the fields owned of a list item: none or one, by its key or its value."""
    for key, sub in children.items():
        kind, _, rest = key.partition(":")
        if kind == "v" and json.loads(rest) == item:
            return [{}]
        if kind == "k" and isinstance(item, Mapping):
            wanted = json.loads(rest)
            if all(item.get(k) == v for k, v in wanted.items()):
                return [sub]
    return []
