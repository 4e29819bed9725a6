"""Recover what we once desired of an object from what is observed of it.

Crossplane applies composed resources server-side, so the API server records in
`managedFields` which fields are ours. Those, and no others, make up the object
that we would desire again when its inputs are gone. A list that was desired empty
and is merged by key leaves no record; desired or not, it says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .wire import thaw

__all__ = ["own_fields"]

# Core: FieldOwnerComposedPrefix in internal/controller/apiextensions/composite.
_MANAGER = "apiextensions.crossplane.io/composed"
_CARRIED_METADATA = ("labels", "annotations")
# Core adds these to whatever it applies: RenderComposedResourceMetadata, same place.
_CORES_OWN = frozenset(
    {
        "crossplane.io/claim-name",
        "crossplane.io/claim-namespace",
        "crossplane.io/composite",
        "crossplane.io/composition-resource-name",
    }
)

FieldSet = Mapping[str, Any]
"""FieldsV1, or a part of it."""


def own_fields(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the desired object that these observed fields came from.

    Identity always; labels, annotations and everything outside metadata and
    status as far as `managedFields` says Crossplane composed it. An object
    without `managedFields` at all (a fixture, never a live object) gives its
    whole spec, since leaving it out would delete it.
    """
    # Not the status: the object in another cluster, which it repeats, is most of an Object.
    observed = {key: thaw(observed[key]) for key in observed if key != "status"}
    metadata = observed.get("metadata", {})
    desired: dict[str, Any] = {
        "apiVersion": observed["apiVersion"],
        "kind": observed["kind"],
        "metadata": {k: metadata[k] for k in ("name", "namespace") if k in metadata},
    }
    body = {k: v for k, v in observed.items() if k not in ("apiVersion", "kind", "metadata")}
    managed = metadata.get("managedFields")
    if not managed:
        return desired | body
    ours, theirs = _by_owner(managed)
    carried = {k: v for k, v in metadata.items() if k in _CARRIED_METADATA}
    selected = _select({**body, "metadata": carried}, ours, theirs) if ours else {}
    for key, values in selected.pop("metadata", {}).items():
        kept = {name: value for name, value in values.items() if name not in _CORES_OWN}
        if kept:
            desired["metadata"][key] = kept
    return desired | selected


def _by_owner(managed: Sequence[Mapping[str, Any]]) -> tuple[FieldSet, list[FieldSet]]:
    """Return the fields of Crossplane's manager for composed resources, and everyone else's."""
    ours: FieldSet = {}
    theirs = []
    for entry in managed:
        if str(entry.get("manager", "")).startswith(_MANAGER):
            ours = entry.get("fieldsV1", {})
        else:
            theirs.append(entry.get("fieldsV1", {}))
    return ours, theirs


def _select(value: Any, ours: FieldSet, theirs: Sequence[FieldSet]) -> Any:
    """Return the part of `value` that is ours."""
    children = {key: sub for key, sub in ours.items() if key != "."}
    if isinstance(value, dict) and children:
        return {
            key: _select(value[key], children[f"f:{key}"], _below(theirs, f"f:{key}"))
            for key in value
            if f"f:{key}" in children
        }
    if isinstance(value, list) and children:
        mine = ((item, _key_of(item, children)) for item in value)
        return [_select(item, children[key], _below(theirs, key)) for item, key in mine if key]
    if isinstance(value, dict) and any(other.keys() - {"."} for other in theirs):
        return {}  # desired empty; what it holds came from others
    return value


def _below(theirs: Sequence[FieldSet], key: str) -> list[FieldSet]:
    return [other[key] for other in theirs if key in other]


def _key_of(item: Any, children: FieldSet) -> str:
    """Return the key in FieldsV1 of a list item that is ours, by its key fields or its value."""
    for key in children:
        kind, _, rest = key.partition(":")
        if kind == "v" and json.loads(rest) == item:
            return key
        if kind == "k" and isinstance(item, dict):
            wanted = json.loads(rest)
            if all(item.get(k) == v for k, v in wanted.items()):
                return key
    return ""
