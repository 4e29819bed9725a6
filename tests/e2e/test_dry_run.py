"""Every composed resource of every example, by a server-side dry run of a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools import paths
from tools.control_plane.api import Api, ApiError
from tools.manifests import RESOURCE_NAME, Manifest
from tools.objects import unwrap

GOLDEN = sorted((paths.ROOT / "tests" / "golden").glob("*.yaml"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_everything_composed_is_accepted(api: Api, path: Path) -> None:
    composed = [m for m in yaml.safe_load_all(path.read_text()) if _is_composed(m)]
    assert composed
    everything = [found.manifest for m in composed for found in unwrap(m) if found.applied]
    _make_namespaces(api, everything)
    refused = [str(error) for error in (_try(api, manifest) for manifest in everything) if error]
    assert refused == []


def _is_composed(document: Manifest) -> bool:
    return RESOURCE_NAME in document.get("metadata", {}).get("annotations", {})


def _make_namespaces(api: Api, manifests: list[Manifest]) -> None:
    for name in {m["metadata"].get("namespace") for m in manifests} - {None}:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _try(api: Api, manifest: Manifest) -> ApiError | None:
    manifest = {key: value for key, value in manifest.items() if key != "status"}
    manifest["metadata"] = {k: v for k, v in manifest["metadata"].items() if k != "ownerReferences"}
    try:
        api.apply(manifest, dry_run=True)
    except ApiError as error:
        return error
    return None
