"""docs/api.md: every field of the two claims, from their XRDs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tools.manifests import Manifest

__all__ = ["api_reference"]

_OF_CROSSPLANE = frozenset({"conditions", "claimConditionTypes", "connectionDetails"})
"""Fields of a status that are the same on every claim."""


@dataclass(frozen=True)
class Field:
    """One field."""

    path: str
    """Below spec or status: `[]` is an entry of a list, `*` a key of a map."""
    type: str
    default: str
    """As JSON, or 'required'; empty for an optional field without a default."""
    meaning: str


@dataclass(frozen=True)
class Rule:
    """What an API server refuses, in the rule's own words."""

    path: str
    message: str


def api_reference(xrds: Iterable[Manifest]) -> str:
    """Return docs/api.md."""
    environment = Environment(
        loader=PackageLoader("tools"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template("api.md.j2").render(kinds=[_kind(xrd) for xrd in xrds])


def _kind(xrd: Manifest) -> dict[str, Any]:
    schema = xrd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = [
        {
            "name": name,
            "fields": list(_fields(schema["properties"][name], "")),
            "rules": list(_rules(schema["properties"][name], name)),
        }
        for name in ("spec", "status")
    ]
    name = xrd["spec"]["claimNames"]["kind"]
    return {"name": name, "description": schema["description"], "parts": parts}


def _fields(schema: Manifest, path: str) -> Iterator[Field]:
    for name, of in schema.get("properties", {}).items():
        if path or name not in _OF_CROSSPLANE:
            at = f"{path}.{name}" if path else name
            required = "required" if name in schema.get("required", []) else ""
            default = json.dumps(of["default"]) if "default" in of else required
            yield Field(at, _type(of), default, of.get("description", ""))
            yield from _fields(*_inner(of, at))


def _inner(schema: Manifest, path: str) -> tuple[Manifest, str]:
    """Return the schema whose fields stand below a field, and their path."""
    if schema.get("type") == "array":
        return schema.get("items", {}), f"{path}[]"
    if isinstance(schema.get("additionalProperties"), dict):
        return schema["additionalProperties"], f"{path}.*"
    return schema, path


def _type(schema: Manifest) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


def _rules(schema: Manifest, path: str) -> Iterator[Rule]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield Rule(path, rule["message"])
    inner, at = _inner(schema, path)
    if inner is not schema:
        yield from _rules(inner, at)
        return
    for name, of in schema.get("properties", {}).items():
        yield from _rules(of, f"{path}.{name}")
