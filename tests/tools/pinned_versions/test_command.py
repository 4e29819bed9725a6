"""`freehold versions`: moving a version, and what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.cli import main
from tools.control_plane import charts
from tools.errors import ToolError
from tools.pinned_versions import changes, command, derive, facts, pins
from tools.pinned_versions.facts import Workload, chart_facts

LWS = chart_facts("lws")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Copies of what is written, in place of the repository's."""
    folder = tmp_path / "charts"
    shutil.copytree(facts.FOLDER, folder)
    monkeypatch.setattr(facts, "FOLDER", folder)
    file = tmp_path / "versions.toml"
    shutil.copy(pins.FILE, file)
    monkeypatch.setattr(pins, "FILE", file)
    facts.chart_facts.cache_clear()
    yield file
    facts.chart_facts.cache_clear()


def test_every_pin_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["versions", "check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("what", "version", "problem"),
    [
        pytest.param("kubernetes", "1.99", "cluster-autoscaler has no version for it", id="kubernetes"),
        pytest.param("images.vllm", "docker.io/vllm/vllm-openai", "neither a tag nor a digest", id="image"),
        pytest.param(
            "charts.leader-worker-set", "0.10.0", "are of v0.10.0. A Release whose chart", id="the-tag-of-C1"
        ),
    ],
)
def test_pins_that_do_not_fit_are_told(
    what: str, version: str, problem: str, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(each for each in pins.read() if ".".join(each) == what)
    written.write_text(pins.replaced(written.read_text(), path, version))
    assert main(["versions", "check"]) == 1
    assert problem in capsys.readouterr().err


def test_a_version_is_moved_where_it_stands_and_nowhere_else(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written.read_text().splitlines()
    assert main(["versions", "set", "eks.1.36.addons.coredns", "v9.9.9-eksbuild.1"]) == 0
    after = written.read_text().splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [b for _, b in changed] == ['coredns = "v9.9.9-eksbuild.1"']
    told = capsys.readouterr().err
    assert "eks.1.36.addons.coredns: v1.14.3-eksbuild.3 -> v9.9.9-eksbuild.1" in told
    assert "make golden" in told


def test_a_dry_run_writes_nothing(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written.read_bytes()
    assert main(["versions", "set", "kubernetes", "1.36", "--dry-run"]) == 0
    assert written.read_bytes() == before
    told = capsys.readouterr().err
    assert "kubernetes: 1.35 -> 1.36" in told
    assert "cluster-autoscaler of new clusters: v1.35.2 -> v1.36.1" in told, "what comes along"
    assert "eks.addons.kube-proxy of new clusters: v1.35" in told
    assert "clusters that live stay at their own version" in told


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(
            ["gpu-operatr", "v1"], "gpu-operatr is no pinned version: charts.gpu-operator", id="typo"
        ),
        pytest.param(["kubernetes"], "say the version", id="no-version"),
        pytest.param(["gpu-operator", "v1"], "--chart FOLDER-OR-TGZ", id="a-chart-without-the-chart"),
        pytest.param(["kubernetes", "1.36", "--chart", "x"], "--chart is for charts", id="no-chart"),
    ],
)
def test_what_cannot_be_moved_is_told(
    arguments: list[str], problem: str, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written.read_bytes()
    assert main(["versions", "set", *arguments]) == 1
    assert problem in capsys.readouterr().err
    assert written.read_bytes() == before


def packed(folder: Path, component: str, version: str) -> Path:
    """Return the folder of a small chart of a component's name, that a Helm of ours would template."""
    made = folder / component
    for name, content in charts.files(component).items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    metadata = json.loads((made / "Chart.yaml").read_text()) | {"version": version}
    (made / "Chart.yaml").write_text(json.dumps(metadata))
    (made / "values.yaml").write_text("fullnameOverride: ''\nresources: {}\npodSecurityContext: {}\n")
    return made


@pytest.fixture
def no_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates as they are: what Helm makes of the stand-ins' plain ones."""

    def template(chart: Path, *_: Any) -> list[dict[str, Any]]:
        plain = sorted((chart / "templates").glob("deployment-*.yaml"))
        return [json.loads(file.read_text()) for file in plain]

    monkeypatch.setattr(derive, "template", template)
    monkeypatch.setattr("tools.toolchain.provide", lambda *_: None)


@pytest.mark.usefixtures("no_helm")
def test_a_chart_moves_its_pin_and_its_facts(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = packed(tmp_path, "leader-worker-set", "v0.11.0")
    assert main(["versions", "set", "leader-worker-set", "--chart", str(chart)]) == 0
    told = capsys.readouterr().err
    assert "charts.leader-worker-set: v0.10.0 -> v0.11.0" in told
    assert "The agent of the control plane applies them before a live cluster gets the new version" in told
    assert "value enablePrometheus is gone" in told
    assert pins.read()["charts", "leader-worker-set"] == "v0.11.0"
    assert "tag v0.11.0" in written.read_text(), "the comment beside it too"
    moved = facts.chart_facts("lws")
    assert (moved.version, moved.source) == ("v0.11.0", LWS.source.replace("v0.10.0", "v0.11.0"))
    assert main(["versions", "check"]) == 0


@pytest.mark.usefixtures("no_helm")
def test_a_version_that_the_chart_does_not_have_inside_is_refused(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = packed(tmp_path, "leader-worker-set", "v0.11.0")
    before = written.read_bytes()
    assert main(["versions", "set", "leader-worker-set", "0.11.0", "--chart", str(chart)]) == 1
    assert "says version v0.11.0 inside, not 0.11.0" in capsys.readouterr().err
    assert written.read_bytes() == before


def test_what_changes_between_two_versions() -> None:
    new = replace(
        LWS,
        version="v0.11.0",
        crds={**LWS.crds, "leaderworkersets.leaderworkerset.x-k8s.io": "another", "new.example.org": "1"},
        workloads=(*LWS.workloads, Workload("Job", "migrate", "baseline", "pre-upgrade")),
        images=("registry.k8s.io/lws/lws:v0.11.0",),
        values={k: v for k, v in LWS.values.items() if k != "resources"} | {"replicaCount": "string"},
    )
    first, second, *rest = changes.changes(LWS, new)
    assert first.startswith("Freehold sets a value that this version does not take: resources")
    assert second.startswith(
        "CRDs of lws changed or came: leaderworkersets.leaderworkerset.x-k8s.io, new.example.org. Helm never"
    )
    assert rest == [
        "value resources is gone",
        "value replicaCount was number and is string",
        "workload Job migrate (pod security baseline, pre-upgrade) is new",
        "image registry.k8s.io/lws/lws:v0.11.0 is new",
        "image registry.k8s.io/lws/lws:v0.10.0 is gone",
    ]
    assert changes.changes(LWS, LWS) == []


def test_an_unknown_chart_is_told(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: another\nversion: 1.0.0\n")
    with pytest.raises(ToolError, match="no example installs the chart another"):
        derive.derive(tmp_path, "", Path("helm"))


def test_values_are_typed_by_default_and_use(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(
        "image: {tag: v1, pull: true}\nreplicas: 2\nresources: {cpu: 1}\nlabels: {}\nlist: [1]\nnone:\n"
        "config: {level: 1}\nnamed: {level: 1}\n"
    )
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.yaml").write_text(
        "{{ .Values.image.tag }} {{ .Values.image.digest }} {{ toYaml .Values.resources | nindent 2 }}"
        "{{- $own := .Values.config }}{{ $all := merge $own $base }}{{ $named := .Values.named }}"
    )
    assert derive.values(tmp_path) == {
        "image": "map",
        "image.tag": "string",
        "image.pull": "bool",
        "image.digest": "any",
        "replicas": "number",
        "resources": "open map",
        "resources.cpu": "number",
        "labels": "any",
        "list": "list",
        "none": "any",
        "config": "open map",
        "config.level": "number",
        "named": "map",
        "named.level": "number",
    }


def test_the_command_is_a_part_of_freehold(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["versions", "show"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert ["charts.leader-worker-set", "v0.10.0"] in [line.split() for line in shown]
    assert command.app.info.name == "versions"
