"""From a pydantic model to the structural OpenAPI v3 schema that a CRD or XRD takes."""

from __future__ import annotations

from typing import Any

from functions.api import Schema

__all__ = ["structural"]

# Of JSON schema, what a structural schema knows and the API server enforces.
_KEPT = (
    "type",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
)


def structural(model: type[Schema]) -> dict[str, Any]:
    """Return the schema of a model, references inlined, defaults written as admission applies them."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(whole, whole.get("$defs", {}))


def _convert(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _inlined(_without_none(_inlined(node, definitions)), definitions)
    if "anyOf" in node:
        raise ValueError(f"no structural schema for {node}")
    schema: dict[str, Any] = {key: node[key] for key in _KEPT if key in node}
    if "exclusiveMinimum" in node:
        schema["minimum"], schema["exclusiveMinimum"] = node["exclusiveMinimum"], True
    if "default" in node and node["default"] is not None:
        schema["default"] = node["default"]
    if "properties" in node:
        schema["properties"] = {k: _convert(v, definitions) for k, v in node["properties"].items()}
    if "items" in node:
        schema["items"] = _convert(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _convert(node["additionalProperties"], definitions)
    schema.update({key: value for key, value in node.items() if key.startswith("x-kubernetes-")})
    return schema


def _inlined(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Replace a reference by what it names; what stands beside it goes first."""
    if "$ref" not in node:
        return node
    target = definitions[node["$ref"].rpartition("/")[2]]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    rules = "x-kubernetes-validations"
    both = (
        {rules: [*target.get(rules, []), *beside.get(rules, [])]}
        if rules in target and rules in beside
        else {}
    )
    return _inlined({**target, **beside, **both}, definitions)


def _without_none(node: dict[str, Any]) -> dict[str, Any]:
    """Take an optional field as its type: in Kubernetes it is left out, never null."""
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1:
        return node
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    return {**choices[0], **beside}
