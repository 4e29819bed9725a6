"""The folder of real schemas: CRDs by kind, and Kubernetes' OpenAPI documents.

The folder is named by SCHEMAS (default ../shared/schemas) and holds CRD YAML
files in subfolders, and `kubernetes/<group>_<version>.json`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools import paths
from tools.errors import SchemaMissingError
from tools.manifests import load

# CRDs are megabytes of YAML and only a few lines of each matter here. These
# keys stand at these depths in every CRD that controller-gen or kubectl wrote.
_DOCUMENT = re.compile(r"^---.*$", re.MULTILINE)
_GROUP = re.compile(r"^  group: [\"']?([^\s\"']+)", re.MULTILINE)
_NAMES = re.compile(r"^  names:\n((?:  +.*\n)+)", re.MULTILINE)
_KIND = re.compile(r"^    kind: [\"']?([^\s\"']+)", re.MULTILINE)
_SCOPE = re.compile(r"^  scope: [\"']?(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Crd:
    """Where a kind's CRD is, without its schema."""

    group: str
    kind: str
    namespaced: bool
    file: Path


class Schemas:
    """What is in the folder. Reading is lazy, and cheap."""

    def __init__(self, folder: Path | None = None) -> None:
        """Look in `folder`, by default the one named by SCHEMAS.

        Raises SchemaMissingError when it is not there.
        """
        self.folder = folder or paths.schemas()
        if not self.folder.is_dir():
            raise SchemaMissingError(f"{self.folder}: no folder of schemas; name one with SCHEMAS=DIR")
        self._crds: Mapping[tuple[str, str], Crd] | None = None

    @property
    def crds(self) -> Mapping[tuple[str, str], Crd]:
        """Every CRD by group and kind. Where two folders have one, the later folder's counts."""
        if self._crds is None:
            self._crds = index(sorted(self.folder.rglob("*.yaml")))
        return self._crds

    def files(self, kinds: Iterable[tuple[str, str]]) -> list[Path]:
        """Return the files with the CRDs of these (group, kind) pairs; unknown ones have none."""
        known = self.crds
        return sorted({known[kind].file for kind in kinds if kind in known})

    def builtin(self, group: str, version: str) -> "Builtin | None":
        """Return Kubernetes' own schemas of a group and version, if the folder has them."""
        path = self.folder / "kubernetes" / f"{group or 'core'}_{version}.json"
        return _builtin(path) if path.is_file() else None


def index(files: Iterable[Path]) -> dict[tuple[str, str], Crd]:
    """Return the CRDs in YAML files by group and kind."""
    found: dict[tuple[str, str], Crd] = {}
    for file in files:
        for document in _DOCUMENT.split(file.read_text()):
            if "kind: CustomResourceDefinition" not in document:
                continue
            group, names = _GROUP.search(document), _NAMES.search(document)
            kind = _KIND.search(names[1]) if names else None
            scope = _SCOPE.search(document)
            if group and kind:
                namespaced = scope is not None and scope[1] == "Namespaced"
                found[group[1], kind[1]] = Crd(group[1], kind[1], namespaced, file)
    return found


def own_crds() -> list[Any]:
    """Return the CRDs in the functions' packages: their inputs."""
    folders = sorted(paths.PACKAGE.glob("function-*"))
    return [m for folder in folders for m in load(folder) if m["kind"] == "CustomResourceDefinition"]


class Builtin:
    """The OpenAPI document of one built-in group and version."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Read the document as Kubernetes serves it at /openapi/v3."""
        self._schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
        self._by_kind: dict[str, dict[str, Any]] = {}
        for schema in self._schemas.values():
            for gvk in schema.get("x-kubernetes-group-version-kind", []):
                self._by_kind.setdefault(gvk["kind"], schema)
        self._namespaced = {
            method["x-kubernetes-group-version-kind"]["kind"]
            for path, methods in document.get("paths", {}).items()
            if "/namespaces/{namespace}/" in path and path.count("{") == 2
            for method in methods.values()
            if isinstance(method, dict) and "x-kubernetes-group-version-kind" in method
        }

    def schema(self, kind: str) -> dict[str, Any] | None:
        """Return a kind's schema; its $refs resolve with `resolve`."""
        return self._by_kind.get(kind)

    def namespaced(self, kind: str) -> bool:
        """Say whether objects of a kind live in a namespace."""
        return kind in self._namespaced

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Follow a $ref, also one wrapped in allOf to carry a description."""
        inner = schema["allOf"][0] if len(schema.get("allOf", [])) == 1 else schema
        ref = inner.get("$ref")
        return self._schemas[ref.rpartition("/")[2]] if ref else schema


@cache
def _builtin(path: Path) -> Builtin:
    return Builtin(json.loads(path.read_text()))
