"""Every composed resource of every example, by a server-side dry run of a real API server."""

from __future__ import annotations

import pytest

from tools import demo, paths
from tools.control_plane.api import Api, ApiError
from tools.definitions import Definitions
from tools.inputs import functions_of
from tools.manifests import Manifest
from tools.objects import unwrap
from tools.servers import running
from tools.settle import Settled

EXAMPLES = sorted(str(path.relative_to(paths.EXAMPLES)) for path in paths.EXAMPLES.rglob("*.yaml"))


@pytest.fixture(scope="module")
def settled() -> dict[str, Settled]:
    """Every example, played to its end, by its file."""
    definitions = Definitions()
    examples = demo.find(paths.EXAMPLES, definitions)
    with running(functions_of([e.claim for e in examples], definitions)) as servers:
        played = demo.play_all(examples, servers.targets, definitions)
    return {str(example.path.relative_to(paths.EXAMPLES)): how for example, how in played}


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_composed_is_accepted(api: Api, settled: dict[str, Settled], name: str) -> None:
    composed = settled[name].composed
    assert composed
    everything = [found.manifest for m in composed for found in unwrap(m) if found.applied]
    _make_namespaces(api, everything)
    refused = [str(error) for error in (_try(api, manifest) for manifest in everything) if error]
    assert refused == []


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
