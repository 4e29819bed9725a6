"""What a cluster says while it is made and when a pool fails, against committed files, and valid.

`make golden` rewrites the files. Each phase lists what it adds to the one before; the whole
of it is in the file of the settled render.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.conftest import NO_CAPACITY, Played
from tools import paths, report
from tools.errors import SchemaMissingError
from tools.manifests import dump, resource_name
from tools.rendering import Rendered
from tools.settle import Settled
from tools.validate import validate

HERE = Path(__file__).parent / "phases"
CLUSTERS = sorted(
    str(p.relative_to(paths.EXAMPLES).with_suffix(""))
    for folder in ("aws", "existing")
    for p in (paths.EXAMPLES / folder).glob("*.yaml")
)
ON_AWS = [name for name in CLUSTERS if name.startswith("aws/")]


def phases(name: str, played: Played) -> Iterator[tuple[str, Rendered]]:
    _, settled = played.examples[name]
    yield "nothing observed", settled.rounds[0].rendered
    yield "network ready", _first(settled, "NetworkReady")
    yield "control plane ready", _first(settled, "ControlPlaneReady")
    if name in played.without_nodes:
        yield "no nodes found", played.without_nodes[name]
    yield "all ready", settled.rendered
    if name in played.failing:
        yield "one pool failing", played.failing[name]


def _first(settled: Settled, type_: str) -> Rendered:
    """Return the first render in which a condition holds."""
    return next(r.rendered for r in settled.rounds if _status(r.rendered, type_) == "True")


def _status(rendered: Rendered, type_: str) -> str:
    return next((str(c["status"]) for c in rendered.conditions if c["type"] == type_), "")


@pytest.mark.parametrize("name", CLUSTERS)
def test_phases(name: str, played: Played, golden_update: bool) -> None:
    file = HERE / f"{name.replace('/', '-')}.yaml"
    text = dump(list(_golden(name, played)))
    if golden_update:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file} differs: make golden, and read the diff"


def _golden(name: str, played: Played) -> Iterator[dict[str, Any]]:
    before: set[str] = set()
    for phase, rendered in phases(name, played):
        names = {resource_name(manifest) for manifest in rendered.composed}
        gone = [name for name in before - names if not name.startswith("node-pools/nodes-")]
        assert gone == [], "no phase takes away what another made, but for the search for nodes"
        conditions = [c for c in report.conditions(rendered) if not c.startswith(("Responsive", "Synced"))]
        yield {"phase": phase, "adds": sorted(names - before), "conditions": conditions}
        before = names


@pytest.mark.parametrize("name", ON_AWS)
def test_a_failing_pool_is_told_in_the_clouds_own_words(name: str, played: Played) -> None:
    failing, (_, settled) = played.failing[name], played.examples[name]
    assert [_status(failing, t) for t in ("NetworkReady", "ControlPlaneReady", "Ready")] == [
        "True",
        "True",
        "False",
    ]
    [pools] = [c for c in failing.conditions if c["type"] == "NodePoolsReady"]
    assert (pools["status"], pools["reason"]) == ("False", "Failing")
    assert NO_CAPACITY in pools["message"]
    assert [m["metadata"]["name"] for m in failing.composed] == [
        m["metadata"]["name"] for m in settled.composed
    ]


def test_every_phase_is_valid(played: Played) -> None:
    manifests = {
        dump([manifest]): manifest
        for name in CLUSTERS
        for _, rendered in phases(name, played)
        for manifest in (rendered.xr, *rendered.composed)
    }
    try:
        problems = validate(list(manifests.values()))
    except SchemaMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert [str(problem) for problem in problems] == []


def test_every_cluster_has_one_file() -> None:
    assert {p.stem for p in HERE.glob("*.yaml")} == {name.replace("/", "-") for name in CLUSTERS}
