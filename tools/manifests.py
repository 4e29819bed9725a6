"""Kubernetes manifests as plain dicts: read from and written as YAML."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tools.errors import ToolError

Manifest: TypeAlias = dict[str, Any]

RESOURCE_NAME = "crossplane.io/composition-resource-name"
"""The annotation by which Crossplane knows a composed resource."""

# libyaml's loader is ten times faster, which matters for CRDs of a megabyte.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_Dumper):  # type: ignore[misc] # its base is chosen at run time
    """Writes repeated values out instead of as anchors, and long text as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_PlainDumper.add_representer(str, _text)


def load(path: Path) -> list[Manifest]:
    """Return the manifests in a file, or in the YAML files of a folder and below.

    Kubernetes Lists come back as their items. Raises ToolError when the path
    does not exist or holds something that is no manifest.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in {".yaml", ".yml"})
    elif path.exists():
        files = [path]
    else:
        raise ToolError(f"{path}: no such file or folder")
    return [manifest for file in files for manifest in _load_file(file)]


def _load_file(path: Path) -> Iterator[Manifest]:
    try:
        yield from parse(path.read_text(encoding="utf-8"))
    except ToolError as error:
        raise ToolError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"{path}: not a text file (UTF-8)") from error


def parse(text: str) -> list[Manifest]:
    """Return the manifests of a YAML (or JSON) stream. Raises ToolError for what is none, with the line."""
    found: list[Manifest] = []
    try:
        for document in yaml.load_all(text, Loader=_Loader):
            if document is not None:
                found += _items(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ToolError(f"{where}not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ToolError(f"not YAML: {error}") from error
    return found


def _items(document: Any) -> list[Manifest]:
    """Return a manifest, or the items of a Kubernetes List."""
    if not isinstance(document, dict) or not document.get("kind"):
        raise ToolError("not a Kubernetes manifest: no kind")
    if isinstance(document.get("items"), list) and str(document["kind"]).endswith("List"):
        return [manifest for item in document["items"] for manifest in _items(item)]
    for field in ("metadata", "spec"):
        if not isinstance(document.get(field), dict | None):
            raise ToolError(f"{document['kind']}: {field} is not a mapping")
    return [document]


def dump(manifests: Iterable[Manifest]) -> str:
    """Return a YAML stream, keys in their given order."""
    stream = yaml.dump_all(manifests, Dumper=_PlainDumper, sort_keys=False, width=100, explicit_start=True)
    return str(stream)


def group_of(manifest: Manifest) -> str:
    """Return the API group, empty for the core group."""
    group, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    return group if slash else ""


def version_of(manifest: Manifest) -> str:
    """Return the API version without the group."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[2]


def label(manifest: Manifest) -> str:
    """Return 'Kind namespace/name', for messages."""
    metadata = manifest.get("metadata") or {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    name = name or resource_name(manifest) or metadata.get("generateName", "(no name)")
    where = f"{namespace}/{name}" if namespace else name
    return f"{manifest.get('kind')} {where}"


def resource_name(manifest: Manifest) -> str:
    """Return the name by which its composition knows a composed resource, or ''."""
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(RESOURCE_NAME, ""))
