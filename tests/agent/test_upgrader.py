"""CRDs of charts in clusters, over real HTTP: applied, upgraded, left alone and hindered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent import upgrader as module
from agent.upgrader import Upgrader
from tests import tls
from tests.agent.api_server import Answer, Asked, listening, served
from tests.agent.deliveries import ControlPlane, base64_of, kubeconfig
from tests.agent.repositories import BASIC, Said, registry, serving
from tests.agent.repositories import Asked as Request
from tests.agent.upgrades import NAMESPACE, archive, crd, upgrade

NAME = "eu-lws-crds"
A, B = "a.example.org", "b.example.org"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.folder() / "ca.crt"))
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.05)
    for name in ("_ANEW_SECONDS", "_LONGEST_PAUSE"):
        monkeypatch.setattr(module, name, 0.2)


@dataclass
class Crds:
    """What a cluster has of CRDs."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: Answer | None = None
    invalid: str = ""
    """The CRD that the API server refuses, whoever asks."""
    applied: list[Asked] = field(default_factory=list)

    def answer(self, request: Asked) -> Answer:
        name = request.path.rpartition("/")[2]
        if request.method == "PATCH":
            if self.refuses:
                return self.refuses
            if name == self.invalid:
                return Answer(422, {"message": "spec.names.kind: field is immutable"})
            if request.query.get("dryRun") == "All":
                return Answer(200, {"metadata": {}})
            self.applied.append(request)
            versions = [each["name"] for each in request.body["spec"]["versions"]]
            self.found[name] = {**request.body, "status": {"storedVersions": versions[:1]}}
            return Answer(200, {"metadata": {}})
        return Answer(200, self.found[name]) if name in self.found else Answer(404, {"message": "not found"})


def packed(*crds: dict[str, Any]) -> bytes:
    return archive({f"crds/{each['metadata']['name']}.yaml": json.dumps(each) for each in crds})


class World:
    """A control plane, a GPU cluster, a registry with charts, and an upgrader between them."""

    def __init__(self, plane: ControlPlane, gpu: Crds, upgrader: Upgrader) -> None:
        self.plane, self.gpu, self.upgrader = plane, gpu, upgrader
        self.charts: dict[str, bytes] = {}
        self.repository = ""
        self.fetched: list[Request] = []
        self.gate: Callable[[Request], Said | None] = lambda _: None

    def answer(self, asked: Request) -> Said:
        return registry(self.charts, lambda a: self.gate(a))(asked)  # type: ignore[no-any-return]

    def has(self, version: str = "v0.10.0", **more: Any) -> None:
        found = upgrade(repository=self.repository, version=version, **more)
        found["status"] = self.plane.statuses.get(NAME, {})
        self.upgrader.upgrades.change(found, gone=False)

    def said(self, type_: str = "Synced") -> tuple[str, str]:
        conditions = self.plane.statuses.get(NAME, {}).get("conditions", [])
        return next(((c["reason"], c["message"]) for c in conditions if c["type"] == type_), ("", ""))

    @property
    def applied(self) -> dict[str, Any]:
        return self.plane.statuses.get(NAME, {}).get("applied", {})  # type: ignore[no-any-return]


@contextmanager
def world() -> Iterator[World]:
    plane, gpu, stop = ControlPlane(), Crds(), threading.Event()
    with listening(gpu.answer, encrypted=True) as (server, _), served(plane.answer) as (cluster, _):
        plane.kubeconfigs["eu"] = kubeconfig(server)
        upgrader = Upgrader(cluster, NAMESPACE)
        now = World(plane, gpu, upgrader)
        with serving(now.answer) as (host, now.fetched):
            now.repository = f"oci://{host}/charts"
            thread = threading.Thread(target=upgrader.run, args=[stop])
            thread.start()
            try:
                yield now
            finally:
                stop.set()
                thread.join(30)
                assert not thread.is_alive()


def within_seconds(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_crds_are_applied_once_and_follow_the_chart() -> None:
    # Proves: what Helm installed is taken over, by a manager of its own; nothing is written, or fetched, twice.
    with world() as now:
        now.gpu.found[A] = {**crd(A), "status": {"storedVersions": ["v1"]}}
        now.charts = {"charts/lws:v0.10.0": packed(crd(A), crd(B))}
        now.has()
        within_seconds(lambda: now.said() == ("Applied", ""))
        assert now.applied == {"name": "lws", "version": "v0.10.0", "crds": [A, B]}
        assert [each.path.rpartition("/")[2] for each in now.gpu.applied] == [A, B]
        assert {each.query["fieldManager"] for each in now.gpu.applied} == {"freehold-agent-crds"}
        assert {f["metadata"]["annotations"]["agent.freehold.dev/chart"] for f in now.gpu.found.values()} == {
            "lws v0.10.0"
        }
        fetched, writes = len(now.fetched), now.plane.writes
        now.has()
        time.sleep(1)
        assert (len(now.gpu.applied), len(now.fetched), now.plane.writes) == (2, fetched, writes)
        now.charts["charts/lws:v0.11.0"] = packed(crd(A, v1=True, v2=True), crd(B))
        now.has("v0.11.0", generation=2)
        within_seconds(lambda: now.applied.get("version") == "v0.11.0")
        assert [v["name"] for v in now.gpu.found[A]["spec"]["versions"]] == ["v1", "v2"]
        assert now.plane.statuses[NAME]["observedGeneration"] == 2


def test_what_is_deleted_or_changed_comes_back() -> None:
    with world() as now:
        now.charts = {"charts/lws:v0.10.0": packed(crd(A))}
        now.has()
        within_seconds(lambda: now.said() == ("Applied", ""))
        del now.gpu.found[A]
        within_seconds(lambda: A in now.gpu.found)


def test_a_newer_one_stays_when_the_chart_goes_back() -> None:
    with world() as now:
        now.charts = {
            "charts/lws:v0.10.0": packed(crd(A)),
            "charts/lws:v0.11.0": packed(crd(A, v1=True, v2=True)),
        }
        now.has("v0.11.0")
        within_seconds(lambda: now.applied.get("version") == "v0.11.0")
        now.has("v0.10.0", generation=2)
        within_seconds(lambda: now.applied.get("version") == "v0.10.0")
        assert now.said() == ("Applied", f"{A}: of a newer version, and left alone")
        assert len(now.gpu.applied) == 1


def test_where_one_cannot_be_upgraded_none_is() -> None:
    # Proves: a version in use is told, before anything is changed; once it is taken out, all of them are.
    with world() as now:
        old = {**crd(B, v1=True, v1beta1=True), "status": {"storedVersions": ["v1"]}}
        now.gpu.found[B] = old
        now.charts = {"charts/lws:v0.10.0": packed(crd(A), crd(B))}
        now.has()
        within_seconds(lambda: now.said()[0] == "VersionInUse")
        assert now.said()[1].startswith(f"CRD {B} of chart lws v0.10.0 has v1beta1 no more")
        assert now.said("Ready")[0] == "VersionInUse"
        assert now.gpu.applied == []
        now.gpu.found[B] = {**crd(B), "status": {"storedVersions": ["v1"]}}
        within_seconds(lambda: now.said()[0] == "Applied")


def test_where_the_api_server_refuses_one_none_is_upgraded() -> None:
    # Proves: what only the API server knows is asked before the first is changed.
    with world() as now:
        now.gpu.invalid = B
        now.charts = {"charts/lws:v0.10.0": packed(crd(A), crd(B))}
        now.has()
        within_seconds(lambda: now.said()[0] == "Refused")
        assert f"CRD {B} (422: spec.names.kind" in now.said()[1]
        assert now.gpu.applied == []
        now.gpu.invalid = ""
        within_seconds(lambda: now.said()[0] == "Applied")
        assert [each.path.rpartition("/")[2] for each in now.gpu.applied] == [A, B]


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        pytest.param(
            Answer(422, {"message": "spec.names.kind: field is immutable"}),
            "Refused",
            f"the cluster refuses CRD {A} (422: spec.names.kind: field is immutable): ask its owner to allow it",
            id="not-valid",
        ),
        pytest.param(
            Answer(403, {"message": "forbidden"}),
            "Refused",
            "bind the ClusterRole freehold-agent-writes",
            id="not-allowed",
        ),
        pytest.param(Answer(503, {"message": "down"}), "ClusterUnreachable", "answers 503", id="down"),
    ],
)
def test_a_cluster_that_refuses_is_told(answer: Answer, reason: str, words: str) -> None:
    with world() as now:
        now.gpu.refuses = answer
        now.charts = {"charts/lws:v0.10.0": packed(crd(A))}
        now.has()
        within_seconds(lambda: now.said()[0] == reason)
        assert words in now.said()[1]
        now.gpu.refuses = None
        within_seconds(lambda: now.said()[0] == "Applied")


def test_a_registry_with_a_password_and_without_the_chart() -> None:
    with world() as now:
        now.gate = lambda asked: (
            None if asked.authorization == BASIC else Said(401, headers={"WWW-Authenticate": "Basic"})
        )
        now.has(secret="platform")
        within_seconds(lambda: now.said()[0] == "SourceMissing")
        now.plane.secrets["platform/charts"] = (1, {"username": base64_of("us")})
        within_seconds(lambda: now.said()[0] == "KeyMissing")
        now.plane.secrets["platform/charts"] = (
            2,
            {"username": base64_of("us"), "password": base64_of("secret")},
        )
        within_seconds(lambda: now.said()[0] == "ChartUnreadable")
        assert "has no chart lws of version v0.10.0" in now.said()[1]
        now.charts = {"charts/lws:v0.10.0": packed(crd(A))}
        within_seconds(lambda: now.said()[0] == "Applied")
        assert "secret" not in json.dumps(now.plane.statuses).replace("pullSecret", "")


def test_what_is_not_the_upgrades_is_not_read() -> None:
    with world() as now:
        now.has(secret="team-b")
        within_seconds(lambda: now.said()[0] == "NotAllowed")
        assert now.fetched == []
        now.has(cluster="another", generation=2)
        within_seconds(lambda: now.said()[0] == "NoCredentials" or now.said()[0] == "ChartUnreadable")


def test_what_nobody_has_foreseen_is_told_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise LookupError("unforeseen")

    with world() as now, monkeypatch.context() as broken:
        now.charts = {"charts/lws:v0.10.0": packed(crd(A))}
        broken.setattr(module, "fetch", fails)
        now.has()
        within_seconds(lambda: now.said()[0] == "AgentFailed")
        assert "LookupError" in now.said()[1]
        broken.undo()
        within_seconds(lambda: now.said()[0] == "Applied")
