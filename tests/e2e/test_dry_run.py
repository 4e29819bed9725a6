"""What offline tools say an API server does, held against a real one, for every example."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.base.own_fields import own_fields
from tests.e2e import gateway
from tests.e2e.conftest import Plane, examples
from tools import demo, paths
from tools.admission import ask
from tools.claims import with_defaults
from tools.cli import main
from tools.control_plane import dry_run
from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.definitions import Definitions
from tools.errors import Exit, ToolError
from tools.field_ownership import composed_manager
from tools.inputs import functions_of
from tools.manifests import Manifest, dump, version_of
from tools.objects import unwrap
from tools.servers import running
from tools.settle import Settled

EXAMPLES = examples()


@pytest.fixture(scope="module")
def settled() -> dict[str, Settled]:
    """Every example, played to its end, by its name."""
    definitions = Definitions()
    found = demo.find(paths.EXAMPLES, definitions)
    with running(functions_of([e.claim for e in found], definitions)) as servers:
        played = demo.settle_all(found, servers.targets, definitions)
    return {str(example.path.relative_to(paths.EXAMPLES).with_suffix("")): how for example, how in played}


@pytest.fixture(scope="module", autouse=True)
def reports(api: Api, settled: dict[str, Settled]) -> Iterator[None]:
    """Have the kind of the Models' reports, which comes with a cluster's claim and goes with it, and a gateway's."""
    gateway.kinds(api)
    made = [found.manifest for m in settled["existing/small"].composed for found in unwrap(m)]
    [crd] = [manifest for manifest in made if manifest["kind"] == "CustomResourceDefinition"]
    api.apply(crd)
    wait_for("the CRD of reports to be served", lambda: _served(api, crd))
    yield
    api.delete(crd)
    wait_for("the CRD of reports to be gone", lambda: api.find(*identity(crd)) is None)


def _served(api: Api, crd: Manifest) -> bool:
    spec = crd["spec"]
    try:
        return bool(api.path(f"{spec['group']}/{spec['versions'][0]['name']}", spec["names"]["kind"]))
    except ToolError:
        return False


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_composed_is_accepted(api: Api, settled: dict[str, Settled], name: str) -> None:
    composed = settled[name].composed
    assert composed
    applied = [found.manifest for m in composed for found in unwrap(m) if found.applied]
    assert dry_run.refusals(api, applied) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_defaults_are_those_of_a_render(api: Api, name: str) -> None:
    claim = copy.deepcopy(EXAMPLES[name])
    # Another module's claim of the example may exist, and then a dry run is of a change.
    claim["metadata"]["name"] = "dry-run"
    definition = Definitions().of(claim)
    stored = dry_run.stored(api, claim)["spec"]
    [offline] = ask([claim], [definition.path])
    assert stored == offline.stored["spec"]
    # Core's own field, of which an XR has none.
    del stored["compositeDeletePolicy"]
    assert stored == with_defaults(claim, definition.schema(version_of(claim)))["spec"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_own_fields_are_what_was_applied(api: Api, settled: dict[str, Settled], name: str) -> None:
    """By the `managedFields` that a real API server writes for each kind's schema."""
    manager = composed_manager(settled[name].rendered.xr)
    for manifest in settled[name].composed:
        live = dry_run.stored(api, manifest, manager)
        assert own_fields(live) == _as_desired(manifest)


def _as_desired(manifest: Manifest) -> Manifest:
    """Leave out what core adds to what a function desires, and what says nothing once merged by key."""
    metadata = {k: v for k, v in manifest["metadata"].items() if k in ("name", "namespace")}
    for key in ("labels", "annotations"):
        kept = {k: v for k, v in manifest["metadata"].get(key, {}).items() if "crossplane.io/c" not in k}
        if kept:
            metadata[key] = kept
    return {**{k: v for k, v in manifest.items() if k != "status"}, "metadata": metadata}


def test_freehold_validate_asks_the_api_server(
    control_plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = str(control_plane.layout.kubeconfig())
    claim = EXAMPLES["models/minimal"]
    for spec, code in ((claim["spec"], Exit.DONE), ({**claim["spec"], "modle": "x"}, Exit.FAILED)):
        (tmp_path / "claim.yaml").write_text(dump([{**claim, "spec": spec}]))
        assert main(["validate", str(tmp_path / "claim.yaml"), "--kubeconfig", kubeconfig]) == code
    assert "modle" in capsys.readouterr().out
