"""metadata.managedFields as an API server writes them for server-side apply.

Without a schema at hand the server's rule for unknown fields is used: maps are
owned key by key, lists and scalars as a whole. ownerReferences are known to be
keyed by uid, finalizers to be a set.
"""

import hashlib
import json
from typing import Any

from tools.manifests import Manifest, group_of

COMPOSED_PREFIX = "apiextensions.crossplane.io/composed"

# The server's own; nobody applies them. The name is the object's identity.
_NOT_OWNED = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    }
)


def composed_manager(xr: Manifest) -> str:
    """Return the name under which Crossplane applies what an XR composes.

    Source: ComposedFieldOwnerName in crossplane v2.4.0,
    internal/controller/apiextensions/composite/composition_functions.go.
    """
    text = f"{xr['metadata']['name']}{xr['kind']}.{group_of(xr)}"
    return f"{COMPOSED_PREFIX}/{hashlib.sha256(text.encode()).hexdigest()}"


def fields_v1(manifest: Manifest) -> dict[str, Any]:
    """Return the FieldsV1 of a manifest: every field in it, but for its identity."""
    fields: dict[str, Any] = {}
    if metadata := _metadata(manifest.get("metadata") or {}):
        fields["f:metadata"] = metadata
    for key, value in manifest.items():
        if key not in {"apiVersion", "kind", "metadata"}:
            fields[f"f:{key}"] = _owned(value)
    return fields


def entry(
    manifest: Manifest,
    *,
    manager: str,
    operation: str,
    fields: dict[str, Any],
    time: str,
    subresource: str | None = None,
) -> dict[str, Any]:
    """Return one entry of metadata.managedFields.

    `operation` is Apply or Update, `time` RFC 3339.
    """
    made = {
        "manager": manager,
        "operation": operation,
        "apiVersion": manifest["apiVersion"],
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return made | ({"subresource": subresource} if subresource else {})


def _metadata(metadata: Manifest) -> dict[str, Any]:
    fields = {f"f:{k}": _owned(v) for k, v in metadata.items() if k not in _NOT_OWNED}
    if references := metadata.get("ownerReferences"):
        fields["f:ownerReferences"] = {
            f"k:{json.dumps({'uid': reference['uid']}, separators=(',', ':'))}": {}
            for reference in references
        }
    if finalizers := metadata.get("finalizers"):
        fields["f:finalizers"] = {f"v:{json.dumps(finalizer)}": {} for finalizer in finalizers}
    return fields


def _owned(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {f"f:{key}": _owned(inner) for key, inner in value.items()}
    return {}
