"""The real charts, templated with the values of every example: where CHARTS names a folder with them.

Packaged (.tgz) or unpacked, at the versions that Freehold pins. Without them these tests are
skipped; tests/tools/pinned_versions/test_facts.py holds the same to what is kept of the charts.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from functions.catalog import chart
from functions.cluster_stack.registry import COMPONENTS
from tools import paths
from tools.control_plane.binaries import HELM, LEADER_WORKER_SET
from tools.control_plane.modules import module_folder
from tools.errors import SchemaMissingError, ToolError
from tools.manifests import Manifest
from tools.pinned_versions.derive import Chart, derive, found_charts, pod_of, template
from tools.pinned_versions.facts import chart_facts
from tools.pinned_versions.pod_security import LEVELS, level
from tools.pinned_versions.releases import Asked, releases
from tools.toolchain import provide
from tools.validate import validate

ASKED = releases()
EACH = pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.example}-{asked.component}")


@pytest.fixture(scope="session")
def real() -> Mapping[str, Path]:
    """Real charts by their names: those in CHARTS, and one that a built program's source has."""
    found: dict[str, Path] = {}
    if LEADER_WORKER_SET.binary.is_file():
        with suppress(ToolError):  # Go's cache may have lost it, and nothing be there to download from
            found["lws"] = module_folder(LEADER_WORKER_SET) / "charts" / "lws"
    folder = paths.charts()
    if folder is not None:
        found |= found_charts(folder)
    return found


@pytest.fixture(scope="session")
def helm(real: Mapping[str, Path]) -> Path:
    if not real:
        pytest.skip("REAL CHARTS NOT TESTED: CHARTS names no folder with them")
    provide(HELM)
    return HELM.path()


def chart_of(asked: Asked, real: Mapping[str, Path]) -> Path:
    if asked.chart not in real:
        pytest.skip(f"REAL CHART NOT TESTED: CHARTS names no folder with the chart {asked.chart}")
    return real[asked.chart]


def pods(manifests: list[Manifest]) -> list[tuple[str, Mapping[str, Any]]]:
    found = [(f"{m['kind']} {m['metadata']['name']}", pod_of(m)) for m in manifests]
    return [(name, pod) for name, pod in found if pod is not None]


@EACH
def test_what_an_example_installs(asked: Asked, real: Mapping[str, Path], helm: Path) -> None:
    # Proves: Helm takes the values; images have tags; the namespace admits every pod; and what is
    # observed is there, by kind, name and namespace.
    manifests = template(chart_of(asked, real), asked, helm)
    [component] = [c for c in COMPONENTS if c.name == asked.component]
    images = {
        c["image"] for _, pod in pods(manifests) for c in (*pod.get("initContainers", ()), *pod["containers"])
    }
    assert [image for image in images if ":" not in image.rpartition("/")[2]] == []
    own = component.namespace.pod_security
    if own is not None:
        refused = [name for name, pod in pods(manifests) if LEVELS.index(level(pod)) < LEVELS.index(own)]
        assert refused == []
    made = {
        (m["apiVersion"], m["kind"], m["metadata"]["name"], m["metadata"].get("namespace", asked.namespace))
        for m in manifests
    }
    for what in component.observed:
        target, metadata = what.target, what.target["metadata"]
        namespace = metadata.get("namespace", asked.namespace)
        assert (target["apiVersion"], target["kind"], metadata["name"], namespace) in made


@EACH
def test_an_api_server_takes_what_an_example_installs(
    asked: Asked, real: Mapping[str, Path], helm: Path
) -> None:
    # Proves: a field that Helm passes on and no type has, such as one of ClusterPolicy's, is a typo of ours.
    manifests = template(chart_of(asked, real), asked, helm)
    known = [m for m in manifests if not m["apiVersion"].startswith("apiextensions")]
    try:
        problems = validate(known)
    except SchemaMissingError as error:
        pytest.skip(str(error))
    assert [p for p in problems if "no schema" not in p.message] == []


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.name)
def test_the_facts_are_those_of_the_chart(component: Any, real: Mapping[str, Path], helm: Path) -> None:
    name = chart(component.name).name
    if name not in real:
        pytest.skip(f"REAL CHART NOT TESTED: CHARTS names no folder with the chart {name}")
    kept = chart_facts(name)
    if not (real[name].suffix == ".tgz" or Chart(real[name]).metadata["version"] == kept.version):
        pytest.skip(f"REAL CHART NOT COMPARED: {real[name]} is a source whose version is a placeholder")
    assert derive(real[name], kept.source, helm) == kept


def test_what_is_no_chart_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"nothing")
    with pytest.raises(ToolError, match=r"x\.tgz is neither a chart's folder nor its \.tgz"):
        found_charts(tmp_path)
