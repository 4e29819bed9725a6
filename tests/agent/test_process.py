"""The agent as a process: its health, its log, and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from agent.cluster import EVENTS, PODS
from tests.agent.api_server import Answer, Asked, listening
from tools import paths
from tools.control_plane.layout import free_ports
from tools.control_plane.waiting import patience

EMPTY = Answer(200, {"items": [], "metadata": {"resourceVersion": "1"}})


@contextmanager
def agent(server: str, folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the agent; give its process and the port of its health."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    [port] = free_ports(1)
    arguments = [*more, f"--kubeconfig={kubeconfig}", f"--health=127.0.0.1:{port}"]
    command = [sys.executable, "-m", "agent", *arguments]
    with subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, port
        finally:
            process.kill()


def health(port: int, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def within_seconds(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60 * patience()
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def well(request: Asked) -> Answer:
    """Answer with nothing, and a watch only after a while."""
    if "watch" not in request.query:
        return EMPTY
    time.sleep(0.5)
    return Answer(200, [])


def test_it_is_ready_once_it_knows_all_and_ends_when_told(tmp_path: Path) -> None:
    with listening(well) as (server, asked), agent(server, tmp_path) as (process, port):
        assert within_seconds(lambda: health(port, "readyz") == 200)
        assert health(port, "healthz") == 200
        assert health(port, "else") == 404
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        output, _ = process.communicate(timeout=20 * patience())
        assert time.monotonic() - began < 10 * patience()
        assert process.returncode == 0
    assert [json.loads(line)["message"] for line in output.splitlines()] == ["started", "stopped"]
    paths_asked = {request.path: request.query for request in asked}
    assert paths_asked[PODS]["labelSelector"] == "freehold.dev/model"
    assert paths_asked[EVENTS]["fieldSelector"] == "type=Warning"


def test_it_is_not_ready_while_it_may_not_look(tmp_path: Path) -> None:
    def answer(request: Asked) -> Answer:
        return Answer(403, {"message": "pods is forbidden"}) if request.path == PODS else well(request)

    with listening(answer) as (server, asked), agent(server, tmp_path) as (process, port):
        assert within_seconds(lambda: [request.path for request in asked].count(PODS) > 1)
        assert health(port, "readyz") == 503
        assert health(port, "healthz") == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20 * patience())
        assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert any("pods is forbidden" in line["message"] and line["path"] == PODS for line in lines)


def test_it_delivers_in_its_other_mode(tmp_path: Path) -> None:
    with (
        listening(well) as (server, asked),
        agent(server, tmp_path, "deliver", "--namespace=here") as (process, port),
    ):
        assert within_seconds(lambda: health(port, "readyz") == 200)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20 * patience())
        assert process.returncode == 0
    deliveries = "/apis/agent.freehold.dev/v1alpha1/namespaces/here/secretdeliveries"
    followed = {deliveries, deliveries.replace("secretdeliveries", "crdupgrades")}
    assert {request.path for request in asked} == followed
