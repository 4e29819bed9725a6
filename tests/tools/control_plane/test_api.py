"""What the client does about an API server that puts off, hangs up or is gone; tests/e2e/test_api.py has a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.control_plane.api import Api, ApiError, UnreachableError, condition

RESOURCES = {"resources": [{"name": "nodes", "kind": "Node", "namespaced": False}]}


class Server(ThreadingHTTPServer):
    """Gives the answers that it is told to give, in turn, and then an empty object."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.path == "/api/v1":
            self._answer(200, RESOURCES)
            return
        self.server.asked.append(self.path)
        code, answer = self.server.answers.pop(0) if self.server.answers else (200, {})
        self._answer(code, answer)
        # The client is not told, as by a server that is killed. A server that puts off does not hang up.
        self.close_connection = code != 429

    def _answer(self, code: int, answer: object) -> None:
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if code == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Api:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {"token": "a-token"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    return Api.of(tmp_path / "kubeconfig")


def test_a_request_that_is_put_off_is_made_again(api: Api, server: Server) -> None:
    server.answers = [(429, {"message": "later"})] * 3
    assert api.get("v1", "Node", "one") == {}
    assert server.asked == ["/api/v1/nodes/one"] * 4


def test_a_request_that_is_put_off_for_ever_is_refused(api: Api, server: Server) -> None:
    server.answers = [(429, {"message": "later"})] * 100
    with pytest.raises(ApiError, match="GET /api/v1/nodes/one: later") as refused:
        api.get("v1", "Node", "one")
    assert refused.value.code == 429


def test_a_closed_connection_is_opened_again(api: Api, server: Server) -> None:
    for _ in range(3):
        assert api.get("v1", "Node", "one") == {}
    assert len(server.asked) == 3


def test_a_server_that_is_gone_is_unreachable(api: Api, server: Server) -> None:
    api.get("v1", "Node", "one")
    server.shutdown()
    server.server_close()
    with pytest.raises(UnreachableError, match=r"GET /api/v1/nodes/one: .*refused"):
        api.get("v1", "Node", "one")


def test_a_condition_that_is_missing_is_empty() -> None:
    ready = {"type": "Ready", "status": "True"}
    assert condition({"status": {"conditions": [ready]}}, "Ready") == ready
    assert condition({"status": {"conditions": None}}, "Ready") == {}
    assert condition({}, "Ready") == {}
