"""From a pydantic model to the structural OpenAPI v3 schema that a CRD or XRD takes."""

from __future__ import annotations

from typing import Any

from functions.api import Schema

__all__ = ["structural", "without_rules"]

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
    "minProperties",
    "maxProperties",
    "required",
)


def structural(model: type[Schema]) -> dict[str, Any]:
    """Return the schema of a model, references inlined, defaults written as admission applies them."""
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(whole, whole.get("$defs", {}))


def without_rules(schema: Any) -> Any:
    """Return a structural schema without CEL rules, for a status: functions write it from what was checked.

    The API server counts what a rule may cost in every list, and a status' lists have no bounds.
    """
    if isinstance(schema, list):
        return [without_rules(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_rules(value) for key, value in schema.items() if key != "x-kubernetes-validations"}


def _convert(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _inlined(_without_none(_inlined(node, definitions)), definitions)
    if "anyOf" in node:
        raise ValueError(f"no structural schema for {node}")
    schema: dict[str, Any] = {key: node[key] for key in _KEPT if key in node}
    if "exclusiveMinimum" in node:
        schema["minimum"], schema["exclusiveMinimum"] = node["exclusiveMinimum"], True
    if "default" in node and node["default"] is not None:
        schema["default"] = _set(node["default"])
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
    return _inlined(_over(target, node, "$ref"), definitions)


def _without_none(node: dict[str, Any]) -> dict[str, Any]:
    """Take an optional field as its type: in Kubernetes it is left out, never null."""
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1:
        return node
    return _over(choices[0], node, "anyOf")


def _over(under: dict[str, Any], node: dict[str, Any], leads: str) -> dict[str, Any]:
    """Lay what stands beside a node's link to another over that; the rules of both count."""
    beside = {key: value for key, value in node.items() if key != leads}
    rules = "x-kubernetes-validations"
    both = [*under.get(rules, []), *beside.get(rules, [])]
    return {**under, **beside, **({rules: both} if both else {})}


def _set(default: Any) -> Any:
    """Return a default without what it leaves unset: a null is no value of any type."""
    if isinstance(default, dict):
        return {key: _set(value) for key, value in default.items() if value is not None}
    return default
