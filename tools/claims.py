"""A claim becomes its XR, as Crossplane's claim controller makes it, with the defaults of its schema.

Source: ServerSideCompositeSyncer in crossplane v2.4.0,
internal/controller/apiextensions/claim/syncer_ssa.go. Two things are random
there and deterministic here, so that renders can be compared: the end of the
name, and the uid. The defaults are filled in as k8s.io/apiextensions-apiserver does it
(pkg/apiserver/schema/defaulting).
"""

import copy
import hashlib
import uuid
from typing import Any

from tools.definitions import Definition
from tools.manifests import Manifest

CLAIM_NAME = "crossplane.io/claim-name"
CLAIM_NAMESPACE = "crossplane.io/claim-namespace"
COMPOSITE = "crossplane.io/composite"

# What a claim has in its spec and its XR must not get from it: fields of the
# claim itself, and machinery of the XR that a claim could smuggle in.
_NOT_COPIED = frozenset(
    {
        "claimRef",
        "compositeDeletePolicy",
        "compositionRevisionRef",
        "resourceRef",
        "resourceRefs",
        "writeConnectionSecretToRef",
    }
)
# Of a live claim's status these are the claim's own.
_OWN_STATUS = frozenset({"conditions", "connectionDetails", "claimConditionTypes"})

# The alphabet and lengths of Kubernetes' own generated names.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MAX_NAME_LENGTH = 63


def to_xr(claim: Manifest, definition: Definition, name: str | None = None) -> Manifest:
    """Return the XR of a claim, as Crossplane would create it.

    The schema's defaults are not in it; a render applies them. A claim that
    is already bound (spec.resourceRef) keeps its XR's name unless `name` says
    otherwise. The user-defined part of a live claim's status goes along: it is
    a copy of the XR's.
    """
    metadata = claim.get("metadata", {})
    namespace = namespace_of(claim)
    bound = claim.get("spec", {}).get("resourceRef", {}).get("name")
    xr_name = name or bound or composite_name(metadata["name"], namespace, definition)
    labels = _without_reserved(metadata.get("labels") or {})
    labels |= {CLAIM_NAME: metadata["name"], CLAIM_NAMESPACE: namespace}
    labels.setdefault(COMPOSITE, xr_name)
    xr: Manifest = {
        "apiVersion": claim["apiVersion"],
        "kind": definition.kind,
        "metadata": {
            "name": xr_name,
            "uid": composite_uid(definition, xr_name),
            "labels": labels,
        },
        "spec": _spec(claim, definition),
    }
    if annotations := _without_reserved(metadata.get("annotations") or {}):
        xr["metadata"]["annotations"] = annotations
    xr["spec"]["claimRef"] = {
        "apiVersion": claim["apiVersion"],
        "kind": claim["kind"],
        "name": metadata["name"],
        "namespace": namespace,
    }
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _OWN_STATUS}
    if status:
        xr["status"] = copy.deepcopy(status)
    return xr


def namespace_of(claim: Manifest) -> str:
    """Return the namespace a claim is in; kubectl applies one without to 'default'."""
    return str(claim.get("metadata", {}).get("namespace") or "default")


def composite_name(name: str, namespace: str, definition: Definition) -> str:
    """Return the name of a claim's XR: its own, cut to fit, and five characters."""
    text = f"{namespace}/{name}/{definition.claim_kind}.{definition.group}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    suffix = ""
    for _ in range(_SUFFIX_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        suffix += _ALPHABET[index]
    return f"{name}-"[: _MAX_NAME_LENGTH - _SUFFIX_LENGTH] + suffix


def composite_uid(definition: Definition, name: str) -> str:
    """Return a uid that depends on the XR's kind and name alone."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{definition.kind}.{definition.group}"))


def _spec(claim: Manifest, definition: Definition) -> Manifest:
    left_out = _NOT_COPIED | ({"compositionRef"} if definition.enforces_composition else set())
    spec = claim.get("spec") or {}
    return {key: copy.deepcopy(value) for key, value in spec.items() if key not in left_out}


def _without_reserved(entries: dict[str, str]) -> dict[str, str]:
    """Drop labels and annotations of Kubernetes itself, such as kubectl's."""
    reserved = ("kubernetes.io", "k8s.io")
    return {k: v for k, v in entries.items() if not k.split("/")[0].endswith(reserved)}


def with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """Return a copy of a value with the defaults of its OpenAPI schema filled in.

    A default is used where a field is absent, or null and not nullable; the
    defaults of fields inside an absent object are not.
    """
    if isinstance(value, dict):
        return _object(value, schema)
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [with_defaults(item, items) for item in value]
    return value


def _object(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    filled = dict(value)
    for name, field in properties.items():
        absent = name not in filled or (filled[name] is None and not field.get("nullable"))
        if "default" in field and absent:
            filled[name] = copy.deepcopy(field["default"])
    for name, inner in filled.items():
        field = properties.get(name, others)
        filled[name] = with_defaults(inner, field if isinstance(field, dict) else {})
    return filled
