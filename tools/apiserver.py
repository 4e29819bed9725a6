"""What an API server refuses and `crossplane resource validate` 2.5 lets through.

For custom resources: repeated keys in lists that are maps or sets. For
built-in kinds, which the CLI only decodes strictly: missing required fields,
repeated keys, and workloads whose selector misses their own pods.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tools.manifests import Manifest
from tools.schemas import Builtin

Found = Iterator[tuple[str, str]]
"""(field path, what is wrong)."""


def repeated_keys(manifest: Manifest, schema: dict[str, Any]) -> Found:
    """Yield every repeated entry of x-kubernetes-list-type map and set lists."""
    return _walk(manifest, schema, "", lambda s: s, check_required=False)


def builtin_problems(manifest: Manifest, builtin: Builtin) -> Found:
    """Yield what is wrong with a built-in kind beyond unknown fields and types."""
    schema = builtin.schema(str(manifest["kind"]))
    if schema is None:
        return
    yield from _walk(manifest, schema, "", builtin.resolve, check_required=True)
    yield from _selector(manifest)


def _walk(
    value: Any,
    schema: dict[str, Any],
    path: str,
    resolve: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    check_required: bool,
) -> Found:
    if isinstance(value, dict):
        if check_required:
            for name in schema.get("required", []):
                if value.get(name) is None:
                    yield _join(path, name), "is required"
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, inner in value.items():
            field = properties.get(name, others)
            if isinstance(field, dict):
                where = _join(path, name)
                yield from _walk(inner, resolve(field), where, resolve, check_required=check_required)
    elif isinstance(value, list):
        items = resolve(schema.get("items") or {})
        yield from _repeated(value, schema, items.get("properties", {}), path)
        for index, inner in enumerate(value):
            where = f"{path}[{index}]"
            yield from _walk(inner, items, where, resolve, check_required=check_required)


def _repeated(values: list[Any], schema: dict[str, Any], item_properties: dict[str, Any], path: str) -> Found:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"map", "set"}:
        return
    names = schema.get("x-kubernetes-list-map-keys", [])
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        key = value
        if kind == "map":
            if not isinstance(value, dict):
                continue
            key = {n: value.get(n, item_properties.get(n, {}).get("default")) for n in names}
        text = json.dumps(key, sort_keys=True)
        if text in seen:
            yield f"{path}[{index}]", f"repeats {text} of {path}[{seen[text]}]"
        seen.setdefault(text, index)


def _selector(manifest: Manifest) -> Found:
    spec = manifest.get("spec") or {}
    selector = spec.get("selector")
    if manifest["kind"] not in {"Deployment", "StatefulSet", "DaemonSet"} or not selector:
        return
    labels = spec.get("template", {}).get("metadata", {}).get("labels") or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            yield (
                f"spec.selector.matchLabels[{key}]",
                f"is {value!r}, but spec.template.metadata.labels has {labels.get(key)!r}",
            )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
