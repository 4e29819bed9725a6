from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.control_plane.api import Api, ApiError, condition
from tools.control_plane.certificates import Authority
from tools.errors import ToolError
from tools.manifests import Manifest

RESOURCES = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        {"name": "nodes", "kind": "Node", "namespaced": False},
        {"name": "nodes/status", "kind": "Node", "namespaced": False},
    ]
}
CONFIG_MAP: Manifest = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "team a"},
}


class Request:
    """What the server was asked."""

    def __init__(self, method: str, url: str, headers: Message, body: bytes) -> None:
        parts = urlsplit(url)
        self.line = f"{method} {parts.path}"
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.headers = headers
        self.body = body


class Server(ThreadingHTTPServer):
    """Gives the answers that it is told to give, in turn, and else an empty object."""

    daemon_threads = True

    def __init__(self, certificates: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.asked: list[Request] = []
        self.answers: list[tuple[int, Manifest | str]] = []
        self.hang_up = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_request(self) -> None:
        super().handle_one_request()
        if self.server.hang_up:
            self.close_connection = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/v1":
            self._answer(200, RESOURCES)
            return
        self.server.asked.append(Request(self.command, self.path, self.headers, body))
        self._answer(*(self.server.answers.pop(0) if self.server.answers else (200, {})))

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815  (as the class calls them)

    def _answer(self, code: int, answer: Manifest | str) -> None:
        text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("api"))
    made.serve("server")
    return made


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    with Server(authority.folder / "server") as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def api(server: Server, authority: Authority) -> Api:
    return Api(f"127.0.0.1:{server.server_port}", authority.certificate, "a-token")


def test_an_object_is_asked_for_by_its_path(api: Api, server: Server) -> None:
    server.answers = [(200, CONFIG_MAP)]
    assert api.get("v1", "ConfigMap", "settings", "team a") == CONFIG_MAP
    [asked] = server.asked
    assert asked.line == "GET /api/v1/namespaces/team%20a/configmaps/settings"
    assert asked.headers["Authorization"] == "Bearer a-token"
    assert asked.headers["Impersonate-User"] is None


def test_an_object_of_the_cluster_has_no_namespace(api: Api) -> None:
    assert api.path("v1", "Node", "one", "ignored") == "/api/v1/nodes/one"


def test_a_kind_that_the_server_does_not_know(api: Api) -> None:
    with pytest.raises(ToolError, match="knows no Unicorn in v1"):
        api.path("v1", "Unicorn")


def test_what_is_created_is_validated_strictly(api: Api, server: Server) -> None:
    api.create(CONFIG_MAP)
    [asked] = server.asked
    assert asked.line == "POST /api/v1/namespaces/team%20a/configmaps"
    assert asked.query == {"fieldValidation": "Strict"}
    assert json.loads(asked.body) == CONFIG_MAP


def test_what_is_applied_is_validated_strictly(api: Api, server: Server) -> None:
    api.apply(CONFIG_MAP)
    api.apply(CONFIG_MAP, dry_run=True, manager="somebody")
    applied, tried = server.asked
    assert applied.headers["Content-Type"] == "application/apply-patch+yaml"
    assert applied.query["fieldValidation"] == "Strict"
    assert "dryRun" not in applied.query
    assert (tried.query["dryRun"], tried.query["fieldManager"]) == ("All", "somebody")


def test_a_status_is_patched_alone(api: Api, server: Server) -> None:
    api.patch({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}, {"status": {}}, "status")
    [asked] = server.asked
    assert asked.line == "PATCH /api/v1/nodes/one/status"
    assert asked.headers["Content-Type"] == "application/merge-patch+json"


def test_items_say_what_they_are(api: Api, server: Server) -> None:
    server.answers = [(200, {"items": [{"metadata": {"name": "one"}}]})]
    [item] = api.items("v1", "Node", selector="a=b")
    assert item == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}
    assert server.asked[0].query == {"labelSelector": "a=b"}


@pytest.mark.parametrize("answer", [{"message": "no such thing"}, "no such thing"])
def test_a_refusal_is_raised_in_the_servers_words(api: Api, server: Server, answer: Manifest | str) -> None:
    server.answers = [(422, answer)]
    with pytest.raises(ApiError, match="GET /api/v1/nodes/one: no such thing") as refused:
        api.get("v1", "Node", "one")
    assert refused.value.code == 422


def test_what_is_not_there_is_found_to_be_none(api: Api, server: Server) -> None:
    server.answers = [(404, {"message": "not found"}), (403, {"message": "forbidden"})]
    assert api.find("v1", "Node", "one") is None
    with pytest.raises(ApiError, match="forbidden"):
        api.find("v1", "Node", "one")


def test_what_is_put_off_is_asked_again(api: Api, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.control_plane.api.time.sleep", lambda _: None)
    server.answers = [(429, {"message": "later"}), (429, {"message": "later"}), (200, CONFIG_MAP)]
    assert api.get("v1", "ConfigMap", "settings", "team a") == CONFIG_MAP
    assert len(server.asked) == 3


def test_what_is_put_off_for_ever_is_raised(
    api: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.control_plane.api.time.sleep", lambda _: None)
    server.answers = [(429, {"message": "later"})] * 100
    with pytest.raises(ApiError, match="later") as refused:
        api.get("v1", "Node", "one")
    assert refused.value.code == 429


def test_a_closed_connection_is_opened_again(api: Api, server: Server) -> None:
    server.hang_up = True
    for _ in range(3):
        assert api.get("v1", "Node", "one") == {}
    assert len(server.asked) == 3


def test_a_server_that_is_gone_is_an_error(authority: Authority) -> None:
    with Server(authority.folder / "server") as stopped:
        api = Api(f"127.0.0.1:{stopped.server_port}", authority.certificate, "a-token")
    with pytest.raises(OSError, match="refused"):
        api.get("v1", "Node", "one")


def test_acting_as_somebody_else(api: Api, server: Server) -> None:
    api.acting_as("alice", "team-a", "team-b").get("v1", "Node", "one")
    [asked] = server.asked
    assert asked.headers["Impersonate-User"] == "alice"
    assert asked.headers.get_all("Impersonate-Group") == ["team-a", "team-b", "system:authenticated"]
    assert asked.headers["Authorization"] == "Bearer a-token"


def test_a_server_of_another_authority_is_not_spoken_to(server: Server, tmp_path: Path) -> None:
    api = Api(f"127.0.0.1:{server.server_port}", Authority(tmp_path).certificate, "a-token")
    with pytest.raises(ssl.SSLCertVerificationError):
        api.get("v1", "Node", "one")
    assert server.asked == []


def test_a_condition_that_is_not_there_is_empty() -> None:
    ready = {"type": "Ready", "status": "True"}
    assert condition({"status": {"conditions": [ready]}}, "Ready") == ready
    assert condition({"status": {"conditions": None}}, "Ready") == {}
    assert condition({}, "Ready") == {}
