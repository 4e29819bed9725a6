"""Who reads metrics, and that whoever does cannot ask the engine anything else."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from functions.base import Outcome
from functions.vllm.compose import compose
from functions.vllm.serve import metrics, metrics_guard
from tests.vllm.world import H100, SPEC, cluster, first, live, manifests, pod_of, request

EU = cluster("eu", allowed=["*"])
READERS = {
    "metricsNamespaces": ["monitoring"],
    "metricsPods": [
        {"namespace": "keda", "labels": {"app": "keda-operator"}},
        {"namespace": "monitoring", "labels": {"app": "prometheus"}},
    ],
}


def named(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


KEDA = {**named("keda"), "podSelector": {"matchLabels": {"app": "keda-operator"}}}


def admitted(outcome: Outcome) -> dict[int, list[dict[str, Any]]]:
    """Return who reaches a serving pod, by its port."""
    policy = manifests(outcome)["vllm/network-policy-serving"]["spec"]["forProvider"]["manifest"]["spec"]
    return {port["port"]: rule["from"] for rule in policy["ingress"] for port in rule["ports"]}


def test_readers_reach_the_port_of_metrics_and_no_other() -> None:
    """A policy of the namespace, not of the pods: live Models follow without a restart."""
    before = first()
    assert admitted(before) == {8000: [named("team-a")]}
    after = compose(request(SPEC, EU, status=dict(before.status), observed=live(before), given=READERS))
    assert admitted(after) == {8000: [named("team-a")], 9000: [named("monitoring"), KEDA]}
    assert manifests(after)["vllm/deployment"] == manifests(before)["vllm/deployment"]


def of_an_older_package(made: Outcome) -> dict[str, Any]:
    """Return what is observed of a live Model whose pods have no container for metrics."""
    observed = copy.deepcopy(dict(live(made)))
    workload = observed["vllm/deployment"]
    templates = json.loads(workload["metadata"]["annotations"]["freehold.dev/pods"])
    for where in (templates["template"], workload["spec"]["forProvider"]["manifest"]["spec"]["template"]):
        where["spec"]["initContainers"] = where["spec"]["initContainers"][:1]
    workload["metadata"]["annotations"]["freehold.dev/pods"] = json.dumps(templates)
    return observed


def test_pods_of_an_older_package_are_read_as_before_until_they_restart() -> None:
    before, closed = first(), {8000: [named("team-a")], 9000: [named("monitoring"), KEDA]}
    observed = of_an_older_package(before)
    after = compose(request(SPEC, EU, status=dict(before.status), observed=observed, given=READERS))
    assert [c["name"] for c in pod_of(manifests(after)["vllm/deployment"])["initContainers"]] == ["weights"]
    assert admitted(after) == {8000: [named("team-a"), named("monitoring"), KEDA]}
    assert "spec.engine.restartedAt" in after.status["engine"]["update"]
    asked = {**SPEC, "engine": {"restartedAt": "2026-11-29T23:00:00Z"}}
    restarted = compose(request(asked, EU, status=dict(after.status), observed=observed, given=READERS))
    everywhere = {8000: [named("team-a"), named("monitoring"), KEDA], 9000: [named("monitoring"), KEDA]}
    assert admitted(restarted) == everywhere
    # The new pods come one by one; then the engine's port is closed, for later rollouts, too.
    for status, policy in (
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2}, everywhere),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1}, everywhere),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}, closed),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1}, closed),
    ):
        observed = dict(live(restarted))
        rolled = {"metadata": {"generation": 2}, "status": status}
        observed["vllm/deployment"] = {
            **observed["vllm/deployment"],
            "status": {**observed["vllm/deployment"]["status"], "atProvider": {"manifest": rolled}},
        }
        restarted = compose(
            request(asked, EU, status=dict(restarted.status), observed=observed, given=READERS)
        )
        assert admitted(restarted) == policy


def test_while_new_weights_come_the_old_pods_are_read_as_before() -> None:
    before = first()
    status, observed = dict(before.status), of_an_older_package(before)
    new = {**SPEC, "revision": "a" * 40}
    waits = compose(request(new, EU, status=status, observed=observed, given=READERS))
    assert manifests(waits)["vllm/deployment"] is None
    assert admitted(waits)[8000] == [named("team-a"), named("monitoring"), KEDA]


def test_the_pod_that_answers_for_a_group_lets_metrics_out() -> None:
    large = cluster("eu", H100, allowed=["*"], sharedStorageClassName="efs", components=["leader-worker-set"])
    made = manifests(compose(request({"model": "deepseek-ai/DeepSeek-R1"}, large)))
    group = made["vllm/leader-worker-set"]["spec"]["forProvider"]["manifest"]["spec"]["leaderWorkerTemplate"]
    names = {
        template: [c["name"] for c in group[template]["spec"]["initContainers"]]
        for template in ("leaderTemplate", "workerTemplate")
    }
    assert names == {"leaderTemplate": ["weights", "metrics"], "workerTemplate": ["weights"]}


def test_the_port_is_the_pods_and_the_services() -> None:
    made = manifests(first())
    [_, guard] = pod_of(made["vllm/deployment"])["initContainers"]
    ports = made["vllm/service"]["spec"]["forProvider"]["manifest"]["spec"]["ports"]
    assert [port["containerPort"] for port in guard["ports"]] == [9000]
    assert [(port["name"], port["port"], port["targetPort"]) for port in ports] == [
        ("http", 8000, 8000),
        ("metrics", 9000, 9000),
    ]
    assert guard["restartPolicy"] == "Always"


class Guarded(NamedTuple):
    port: int
    asked: list[str]
    """What the engine was asked, and what came with it."""
    process: subprocess.Popen[bytes]


METRICS = b"# TYPE a gauge\n" + b"a 1\n" * 50_000


class Engine(BaseHTTPRequestHandler):
    """Answers everything that gets to it."""

    asked: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.asked.append(f"{self.requestline} {sorted(self.headers)}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(METRICS)))
        self.end_headers()
        self.wfile.write(METRICS)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def guarding(program: str, engine: int, asked: list[str]) -> Iterator[Guarded]:
    """Run the container's own command beside an engine's port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    container = pod_of(manifests(first())["vllm/deployment"])["initContainers"][1]
    sh, c, shell, text, *others = container["command"]
    assert (text, others) == (metrics.PROGRAM, ["9000", "8000", "/metrics"])
    process = subprocess.Popen(
        [sh, c, shell, program, str(port), str(engine), "/metrics"],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    try:
        until(lambda: b" 404 " in ask(port, b"GET / HTTP/1.1\r\n\r\n"))
        yield Guarded(port, asked, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def served() -> Iterator[Guarded]:
    engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    with guarding(metrics.PROGRAM, engine.server_port, Engine.asked) as found:
        yield found
    engine.shutdown()
    engine.server_close()


@pytest.fixture
def guarded(served: Guarded) -> Guarded:
    served.asked.clear()
    return served


def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        with suppress(OSError):
            if holds():
                return
        time.sleep(0.05)
    raise AssertionError("not within ten seconds")


def ask(port: int, request: bytes) -> bytes:
    """Send bytes; return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        found = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request)
            while part := connection.recv(1 << 16):
                found += part
        return found


def get(path: str, method: str = "GET", version: str = "HTTP/1.1", more: str = "") -> bytes:
    return f"{method} {path} {version}\r\nHost: x\r\n{more}\r\n".encode()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_metrics_come_whole(guarded: Guarded, version: str) -> None:
    head, _, body = ask(guarded.port, get("/metrics", version=version)).partition(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0].split()[1], body == METRICS) == (b"200", True)
    assert guarded.asked == ["GET /metrics HTTP/1.1 ['Connection', 'Host']"]


_INNER = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
_PATHS = (
    *(
        "/",
        "/v1/models",
        "/tokenize",
        "/load",
        "/health",
        "/metrics/",
        "/metrics/x",
        "/METRICS",
        "/%6detrics",
    ),
    *("//metrics", "//metrics/../v1/models", "/metrics/../v1/models", "/./metrics", "/metrics%00"),
    *("/metrics%2f..%2fv1%2fmodels", "/metrics/%2e%2e/v1/models", "/metrics?x=/v1/models", "/metrics#"),
    *("/metrics;/../v1/models", "http://x/metrics", "http://127.0.0.1:8000/v1/models", "x:8000", "*"),
)


@pytest.mark.parametrize(
    "request_",
    [
        *(get(path) for path in _PATHS),
        get("/v1/chat/completions", "POST", more="Content-Length: 2\r\n") + b"{}",
        *(get("/metrics", method) for method in ("POST", "HEAD", "OPTIONS", "CONNECT", "get", "PRI")),
        *(get("/metrics", version=version) for version in ("HTTP/2.0", "HTTP/1.2", "HTTP/1.1 x", "")),
        b"GET  /metrics HTTP/1.1\r\n\r\n",
        b"GET\t/metrics HTTP/1.1\r\n\r\n",
        b" GET /metrics HTTP/1.1\r\n\r\n",
        b"\r\nGET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\nHost: x\n\n\r\n\r\n",
        b"GET /metrics HTTP/1.1\rPOST /v1/completions HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=repr,
)
def test_nothing_else_gets_to_the_engine(guarded: Guarded, request_: bytes) -> None:
    assert ask(guarded.port, request_).startswith(b"HTTP/1.1 404 ")
    assert guarded.asked == []


@pytest.mark.parametrize(
    "more",
    [
        "",
        f"Content-Length: {len(_INNER)}\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding : chunked\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_a_second_request_in_a_connection_is_not_read(guarded: Guarded, more: str) -> None:
    ask(guarded.port, get("/metrics", more=more) + f"0\r\n\r\n{_INNER}".encode())
    assert guarded.asked == ["GET /metrics HTTP/1.1 ['Connection', 'Host']"]


def test_a_long_head_is_not_kept(guarded: Guarded) -> None:
    found = ask(guarded.port, get("/metrics", more="".join(f"a{n}: b\r\n" for n in range(5000))))
    assert (found, guarded.asked) == (b"", [])


def test_it_comes_back_when_it_is_killed(guarded: Guarded) -> None:
    """The container goes on, since a pod is unready while one of its containers ends."""
    [child] = Path(f"/proc/{guarded.process.pid}/task/{guarded.process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    until(lambda: not Path(f"/proc/{child}").exists())
    until(lambda: ask(guarded.port, get("/metrics")).startswith(b"HTTP/1.1 200 "))
    assert guarded.process.poll() is None


def test_without_an_engine_it_says_so_and_ends_when_it_is_told_to() -> None:
    """Clients that say nothing keep others out for as long as a head may take, and no longer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    quick = metrics.PROGRAM.replace("REST_SECONDS = 5, 20, 5", "REST_SECONDS = 1, 20, 1")
    assert quick != metrics.PROGRAM
    with guarding(quick, closed, []) as found:
        assert ask(found.port, get("/metrics")).startswith(b"HTTP/1.1 503 ")
        address = ("127.0.0.1", found.port)
        silent = [socket.create_connection(address) for _ in range(metrics_guard.CONNECTIONS)]
        until(lambda: ask(found.port, get("/metrics")) == b"")
        until(lambda: ask(found.port, get("/metrics")).startswith(b"HTTP/1.1 503 "))
        for each in silent:
            each.close()
        found.process.terminate()
        assert found.process.wait(10) == 0
