"""Secrets that follow their source, over real HTTP: delivered, rotated, hindered, and no cluster waits for another."""

from __future__ import annotations

import logging
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import deliverer as module
from agent.deliverer import Deliverer
from agent.delivery import Asked as AskedOf
from agent.delivery import value_of
from tests import tls
from tests.agent.api_server import Answer, Asked, listening, served
from tests.agent.deliveries import (
    HOME,
    NAMESPACE,
    VALUE,
    ControlPlane,
    GpuCluster,
    base64_of,
    delivery,
    kubeconfig,
)

SECRET = f"/api/v1/namespaces/{HOME}/secrets/hub-token"
NAME = "chat-hub-token-delivery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.05)
    for name in ("_LOOK_SECONDS", "_LOOK_SECONDS_OF_KEYS", "_LONGEST_PAUSE", "_LONGEST_PAUSE_OF_CLUSTER"):
        monkeypatch.setattr(module, name, 0.2)


class World:
    """A control plane, a GPU cluster and a deliverer between them."""

    def __init__(
        self, plane: ControlPlane, gpu: GpuCluster, deliverer: Deliverer, asked: list[Asked]
    ) -> None:
        self.plane, self.gpu, self.deliverer, self.asked = plane, gpu, deliverer, asked

    def has(self, *deliveries: dict[str, Any]) -> None:
        for found in deliveries:
            name = found["metadata"]["name"]
            if name in self.plane.statuses:
                found["status"] = self.plane.statuses[name]
            self.deliverer.deliveries.change(found, gone=False)

    def said(self, name: str = NAME) -> tuple[str, str]:
        conditions = self.plane.statuses.get(name, {}).get("conditions", [])
        return next(((c["reason"], c["message"]) for c in conditions if c["type"] == "Synced"), ("", ""))


@contextmanager
def world(plane: ControlPlane | None = None, gpu: GpuCluster | None = None) -> Iterator[World]:
    plane, gpu = plane or ControlPlane(), gpu or GpuCluster()
    stop = threading.Event()
    with listening(gpu.answer, encrypted=True) as (server, _), served(plane.answer) as (cluster, asked):
        plane.kubeconfigs.setdefault("eu", kubeconfig(server))
        deliverer = Deliverer(cluster, NAMESPACE)
        thread = threading.Thread(target=deliverer.run, args=[stop])
        thread.start()
        try:
            yield World(plane, gpu, deliverer, asked)
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()


def within_seconds(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_a_secret_is_delivered_and_follows_its_source(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="agent")
    with world() as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] == "Delivered")
        [request] = now.gpu.applied
        assert request.path == SECRET
        assert request.query == {"fieldManager": "freehold-agent", "force": "true"}
        assert request.body["data"] == {"token": base64_of(VALUE)}
        assert request.body["metadata"]["ownerReferences"][0]["uid"] == "owner-hub-token"
        now.has(delivery())
        looks = len(now.asked)
        within_seconds(lambda: len(now.asked) > looks + 2)
        assert len(now.gpu.applied) == 1, "what has not changed is not written again"
        assert now.plane.writes == 1
        now.plane.secrets["team-a/hub"] = (2, {"token": base64_of("another")})
        within_seconds(lambda: len(now.gpu.applied) == 2)
        assert now.gpu.applied[1].body["data"] == {"token": base64_of("another")}
        assert VALUE not in str(now.plane.statuses)
    assert VALUE not in caplog.text
    assert base64_of(VALUE) not in caplog.text


def test_a_source_that_comes_late_goes_and_comes_back() -> None:
    plane = ControlPlane(secrets={})
    with world(plane) as now:
        now.has(delivery())
        within_seconds(
            lambda: (
                now.said()
                == (
                    "SourceMissing",
                    "Secret team-a/hub does not exist: create it, or correct the reference to it",
                )
            )
        )
        plane.secrets["team-a/hub"] = (1, {"token": base64_of(VALUE)})
        within_seconds(lambda: now.said()[0] == "Delivered")
        now.has(delivery())
        del plane.secrets["team-a/hub"]
        within_seconds(lambda: now.said()[0] == "SourceMissing")
        ready = next(c for c in plane.statuses[NAME]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True", "what is in the cluster stays"
        plane.secrets["team-a/hub"] = (5, {"token": base64_of("new")})
        within_seconds(lambda: now.said()[0] == "Delivered")
        assert now.gpu.applied[-1].body["data"] == {"token": base64_of("new")}


def test_a_secret_that_is_not_the_claims_is_not_even_asked_for() -> None:
    with world() as now:
        now.has(delivery(source={"namespace": "team-b"}))
        within_seconds(lambda: now.said()[0] == "NotAllowed")
        assert not [request for request in now.asked if "/secrets/" in request.path]
        assert now.gpu.applied == []


@pytest.mark.parametrize("cluster", [{"certificate-authority-data": 5}, {"server": "https://[::1"}])
def test_a_kubeconfig_of_other_kinds_is_told(cluster: dict[str, Any]) -> None:
    config = kubeconfig("https://gpu")
    config["clusters"][0]["cluster"].update(cluster)
    with world(ControlPlane(kubeconfigs={"eu": config})) as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] != "")
        assert now.said() == (
            "NoCredentials",
            "Secret platform/kubeconfig-eu, the cluster's kubeconfig, is none",
        )


@pytest.mark.parametrize("body", ["[]", "no JSON", {"metadata": []}, "[" * 100_000, f'"{"a" * 5 * 2**20}"'])
def test_an_answer_that_is_none_of_kubernetes_is_told(body: Any) -> None:
    with world() as now, listening(lambda _: Answer(200, body), encrypted=True) as (other, _):
        now.plane.kubeconfigs["eu"] = kubeconfig(other)
        now.has(delivery())
        within_seconds(lambda: now.said()[0] != "")
        assert now.said()[0] == "ClusterUnreachable"
        assert ("ProtocolError" in now.said()[1]) == (len(body) > 2**20)


@pytest.mark.parametrize(
    "name", ["../../team-b/secrets/hub", "hub/../../../team-b/secrets/hub", "%2e%2e/hub"]
)
def test_a_name_that_is_a_path_reaches_no_other_namespace(name: str) -> None:
    secrets = {"team-b/hub": (1, {"token": base64_of(VALUE)})}
    with world(ControlPlane(secrets=secrets)) as now:
        now.has(delivery(source={"name": name}))
        within_seconds(lambda: now.said()[0] != "")
        assert now.said() == (
            "SourceMissing",
            f"Secret team-a/{name} does not exist: create it, or correct the reference to it",
        )
        assert not [request for request in now.asked if "/secrets/" in request.path]
        assert now.gpu.applied == []


def test_a_kubeconfig_is_of_the_namespace_that_the_provider_config_names() -> None:
    plane = ControlPlane(secret_of_kubeconfig="../../team-b/secrets/kubeconfig-eu")
    with world(plane) as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] == "NoCredentials")
        assert now.gpu.applied == []


def test_deliveries_of_other_namespaces_are_no_deliveries() -> None:
    with world() as now:
        stray = delivery()
        stray["metadata"]["namespace"] = "team-a"
        now.has(stray, delivery("other", target={"name": "other"}))
        within_seconds(lambda: now.said("other")[0] != "")
        assert NAME not in now.plane.statuses


@pytest.mark.parametrize(
    ("refuses", "reason", "words"),
    [
        (
            Answer(403, {"message": "secrets is forbidden"}),
            "Refused",
            f"the cluster refuses Secret {HOME}/hub-token (403: secrets is forbidden): ask its owner to allow it; where "
            "the cluster is the control plane itself, bind the ClusterRole freehold-agent-writes",
        ),
        (
            Answer(422, {"message": f"data[token]: Invalid value: {VALUE}"}),
            "Refused",
            f"the cluster refuses Secret {HOME}/hub-token (422): ask its owner to allow it",
        ),
        (
            Answer(401, {"message": "Unauthorized"}),
            "ClusterUnreachable",
            "the cluster's API answers 401: ask its owner for a valid kubeconfig",
        ),
        (
            Answer(409, "[" * 100_000),
            "Refused",
            f"the cluster refuses Secret {HOME}/hub-token (409: {'[' * 297}...): ask its owner to allow it",
        ),
        (
            Answer(409, {"message": "no " * 1000}),
            "Refused",
            f"the cluster refuses Secret {HOME}/hub-token (409: {('no ' * 99).rstrip()}...): ask its owner to allow it",
        ),
        (
            Answer(409, {"message": "a\x1b[31mb\u202ec\n\nd\ud800\x00 e\u2028"}),
            "Refused",
            f"the cluster refuses Secret {HOME}/hub-token (409: a[31mbc d e): ask its owner to allow it",
        ),
    ],
)
def test_what_a_cluster_refuses_is_told(refuses: Answer, reason: str, words: str) -> None:
    with world(gpu=GpuCluster(refuses=refuses)) as now:
        now.has(delivery())
        within_seconds(lambda: now.said() == (reason, words))
        now.gpu.refuses = None
        within_seconds(lambda: now.said()[0] == "Delivered")


@pytest.mark.parametrize("owners", [{}, {"hub-token": "somebody-elses"}])
def test_nothing_is_written_where_the_model_is_not(owners: dict[str, str]) -> None:
    with world(gpu=GpuCluster(owners=owners)) as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] == "OwnerMissing")
        assert now.gpu.applied == []


def test_a_kubeconfig_that_is_not_used_is_told_without_its_content() -> None:
    plane = ControlPlane(
        kubeconfigs={"eu": kubeconfig("https://gpu", exec={"command": "sh", "args": [VALUE]})}
    )
    with world(plane) as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] == "NoCredentials")
        assert now.said()[1].startswith(
            "Secret platform/kubeconfig-eu, the cluster's kubeconfig, uses exec, which the agent does not"
        )
        assert VALUE not in now.said()[1]


def test_a_secret_that_the_agent_may_not_read_is_told() -> None:
    with world(ControlPlane(forbidden="team-a/hub")) as now:
        now.has(delivery())
        within_seconds(
            lambda: (
                now.said()
                == (
                    "NotReadable",
                    "the agent may not read Secret team-a/hub: bind the ClusterRole freehold-agent-reads there",
                )
            )
        )


def test_the_control_planes_own_cluster() -> None:
    plane, gpu = ControlPlane(), GpuCluster()

    def answer(request: Asked) -> Answer:
        return gpu.answer(request) if HOME in request.path else plane.answer(request)

    stop = threading.Event()
    with served(answer) as (cluster, _):
        deliverer = Deliverer(cluster, NAMESPACE)
        deliverer.deliveries.change(delivery(cluster="itself"), gone=False)
        thread = threading.Thread(target=deliverer.run, args=[stop])
        thread.start()
        try:
            within_seconds(lambda: len(gpu.applied) == 1)
        finally:
            stop.set()
            thread.join(20)


def test_clusters_that_do_not_answer_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty clusters, more than are reached at the same time, swallow what is sent."""
    monkeypatch.setattr("agent.elsewhere._SECONDS", (1.0, 1.0))
    silent = threading.Event()
    tried: list[str] = []

    def swallow(request: Asked) -> Answer:
        tried.append(request.path)
        silent.wait(30)
        return Answer(500, {})

    with listening(swallow, encrypted=True) as (dead, _), world() as now:
        names = [f"dead-{n}" for n in range(20)]
        for name in names:
            now.plane.kubeconfigs[name] = kubeconfig(dead)
        now.has(*(delivery(name, cluster=name) for name in names))
        now.has(*(delivery(f"{name}-more", cluster=name) for name in names))
        began = time.monotonic()
        now.has(delivery())
        within_seconds(lambda: now.said()[0] == "Delivered")
        assert time.monotonic() - began < 8
        within_seconds(lambda: now.said("dead-0")[0] == "ClusterUnreachable")
        assert now.said("dead-0")[1].startswith("the cluster's API does not answer (")
        silent.set()
    assert tried


@contextmanager
def dripping(before: bytes) -> Iterator[str]:
    """Serve, one after the other, who then gets a byte now and then and never the last one."""
    stop = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.folder() / "tls.crt", tls.folder() / "tls.key")

    def serve() -> None:
        while not stop.is_set():
            try:
                with context.wrap_socket(server.accept()[0], server_side=True) as connection:
                    connection.sendall(before)
                    while not stop.wait(0.05):
                        connection.sendall(b" ")
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(20)


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 200 OK\r\nX:", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{"]
)
def test_a_cluster_that_answers_byte_by_byte_is_left(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.elsewhere._WHOLE_SECONDS", 0.5)
    with world() as now, dripping(before) as slow:
        now.plane.kubeconfigs["slow"] = kubeconfig(slow)
        now.has(delivery("late", cluster="slow"))
        within_seconds(lambda: now.said("late")[0] != "")
        assert now.said("late") == (
            "ClusterUnreachable",
            "the cluster's API does not answer (TimeoutError): ask its owner to see after it",
        )


def test_a_cluster_with_another_certificate_is_told() -> None:
    with world() as now:
        config = kubeconfig("https://127.0.0.1:1")
        config["clusters"][0]["cluster"]["server"] = now.plane.kubeconfigs["eu"]["clusters"][0]["cluster"][
            "server"
        ]
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
        now.plane.kubeconfigs["eu"] = config
        now.has(delivery())
        within_seconds(lambda: now.said()[0] != "")
        assert now.said() == (
            "ClusterUnreachable",
            "the cluster's API does not answer (SSLError): ask its owner to see after it",
        )
        assert now.gpu.applied == []


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the agent's temporary files."""
    tls.folder()  # The tests' own are elsewhere.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_certificate_of_the_agent_is_shown_and_leaves_no_file(files: Path) -> None:
    gpu = GpuCluster()
    with listening(gpu.answer, encrypted=True, certified=True) as (server, _):
        shown = {
            f"client-{what}-data": base64_of((tls.folder() / f"client.{ending}").read_text())
            for what, ending in (("certificate", "crt"), ("key", "key"))
        }
        with world(ControlPlane(kubeconfigs={"eu": kubeconfig(server, **shown)})) as now:
            now.has(delivery())
            within_seconds(lambda: now.said()[0] == "Delivered")
            assert len(gpu.applied) == 1
        assert list(files.iterdir()) == []


@pytest.mark.parametrize(
    "shown",
    [
        {"client-certificate-data": base64_of("none")},
        {"client-certificate-data": base64_of("none"), "client-key-data": base64_of("none")},
        {"client-certificate-data": base64_of("none"), "client-key-data": 5},
    ],
)
def test_a_certificate_that_is_none_is_told_and_leaves_no_file(shown: dict[str, Any], files: Path) -> None:
    with world(ControlPlane(kubeconfigs={"eu": kubeconfig("https://127.0.0.1:1", **shown)})) as now:
        now.has(delivery())
        within_seconds(lambda: now.said()[0] != "")
        assert now.said() == (
            "NoCredentials",
            "Secret platform/kubeconfig-eu, the cluster's kubeconfig, is none",
        )
    # Not before the agent has stopped: it tries again and again.
    assert list(files.iterdir()) == []


def test_what_nobody_has_foreseen_is_told_and_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the Model would say that the agent does not run."""
    real = value_of

    def fails(asked: AskedOf, found: Mapping[str, Any]) -> str:
        if asked.name == "odd":
            raise ZeroDivisionError(VALUE)
        return real(asked, found)

    monkeypatch.setattr(module, "value_of", fails)
    with world(gpu=GpuCluster(owners={"hub-token": NAME, "odd": "odd"})) as now:
        now.has(delivery("odd", target={"name": "odd"}), delivery())
        within_seconds(lambda: now.said("odd")[0] != "" and now.said()[0] == "Delivered")
        assert now.said("odd") == (
            "AgentFailed",
            "the agent has failed at it (ZeroDivisionError): report what Deployment freehold-agent of the "
            "control plane logs",
        )
        monkeypatch.setattr(module, "value_of", real)
        within_seconds(lambda: now.said("odd")[0] == "Delivered")


def test_a_delivery_that_is_gone_is_forgotten() -> None:
    with world() as now:
        now.has(delivery())
        within_seconds(lambda: len(now.gpu.applied) == 1)
        now.deliverer.deliveries.replace([])
        within_seconds(lambda: not now.deliverer._records and not now.deliverer._clusters)
        time.sleep(0.5)
        looks = len(now.asked)
        time.sleep(0.5)
        assert len(now.asked) == looks
