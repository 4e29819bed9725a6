"""What an API server makes of a desired object that Crossplane applies: managedFields.

Mirrors structured-merge-diff (typed/tofieldset.go, fieldpath/serialize.go) for the
shapes that composed resources have. `tests/base/test_apiserver.py` holds it against
field sets that the real library wrote.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

COMPOSED = "apiextensions.crossplane.io/composed/0e3a"
"""Core appends a hash of the composite to the prefix."""

Keys = Mapping[str, Sequence[str]]
"""For each path of a keyed list (dotted, list items left out) its keys; no key: a set."""


def fields_of(desired: Mapping[str, Any], lists: Keys | None = None) -> dict[str, Any]:
    """Return the FieldsV1 of an apply of `desired`; lists are atomic unless in `lists`."""
    body = {k: v for k, v in desired.items() if k not in ("apiVersion", "kind", "metadata")}
    metadata = {k: v for k, v in desired.get("metadata", {}).items() if k in ("labels", "annotations")}
    if metadata:
        body["metadata"] = metadata
    return _of_map(body, "", lists or {}) or {}


def _of(value: Any, path: str, lists: Keys) -> dict[str, Any] | None:
    """Return what an apply of `value` owns below it; None when not even `value` itself."""
    if isinstance(value, Mapping):
        return _of_map(value, path, lists)
    if isinstance(value, list) and path in lists:
        return {_element(item, lists[path]): _of_item(item, path, lists) for item in value} or None
    return {}


def _of_map(value: Mapping[str, Any], path: str, lists: Keys) -> dict[str, Any] | None:
    below = {key: _of(item, f"{path}.{key}".removeprefix("."), lists) for key, item in value.items()}
    owned = {f"f:{key}": fields for key, fields in below.items() if fields is not None}
    return owned if owned or not value else None


def _of_item(item: Any, path: str, lists: Keys) -> dict[str, Any]:
    inside = _of_map(item, path, lists) if isinstance(item, Mapping) else None
    return {".": {}, **inside} if inside else {}


def _element(item: Any, keys: Sequence[str]) -> str:
    if not keys:
        return f"v:{json.dumps(item)}"
    return f"k:{json.dumps({key: item[key] for key in sorted(keys)}, separators=(',', ':'))}"


def entry(manager: str, fields: Mapping[str, Any], operation: str = "Update") -> dict[str, Any]:
    """Return one entry of managedFields."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": dict(fields),
    }


def observe(
    desired: Mapping[str, Any],
    lists: Keys | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    status: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return `desired` as it is observed after Crossplane applied it.

    Args:
        desired: what a function desires.
        lists: which of its lists are keyed or sets.
        others: entries of managedFields of other managers.
        status: what the provider reports.
    """
    live: dict[str, Any] = copy.deepcopy(dict(desired))
    applied: dict[str, Any] = copy.deepcopy(dict(desired))
    added = {
        "labels": {"crossplane.io/composite": "xr", "crossplane.io/claim-name": "claim"},
        "annotations": {"crossplane.io/composition-resource-name": "demo/x"},
    }
    for key, values in added.items():
        for one in (live, applied):
            one["metadata"][key] = {**one["metadata"].get(key, {}), **values}
    live["metadata"] |= {
        "uid": "6b8f",
        "resourceVersion": "41",
        "generation": 3,
        "finalizers": ["f.crossplane.io"],
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"apiVersion": "t/v1", "kind": "XT", "name": "xr", "uid": "1"}],
        "managedFields": [*others, entry(COMPOSED, fields_of(applied, lists), "Apply")],
    }
    if status is not None:
        live["status"] = dict(status)
    return live
