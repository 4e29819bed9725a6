"""A schema's defaults, filled in as an API server does.

The algorithm of k8s.io/apiextensions-apiserver, pkg/apiserver/schema/defaulting.
"""

import copy
from typing import Any


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
