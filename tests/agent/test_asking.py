"""A request through the gateway: what each answer, and each way to have none, is told as."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certifi
import pytest
import trustme

from agent import asking
from agent.asking import Question, Tried, ask, resolves, trusting
from functions.api import GatewayTrouble as Trouble

HOST, PATH, KEY = "models.example.org", "/team-a/chat/v1/models", "k" * 32
OURS, THEIRS = trustme.CA(), trustme.CA()
QUESTION = Question(HOST, PATH, KEY)


@contextmanager
def gateway(status: int = 200, body: bytes = b"{}", leaf: trustme.LeafCert | None = None) -> Iterator[int]:
    """Answer at a port whoever asks as an app would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            as_an_app = (self.path, self.headers["Host"], self.headers["Authorization"]) == (
                PATH,
                HOST,
                f"Bearer {KEY}",
            )
            self.send_response(status if as_an_app else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (leaf or OURS.issue_cert(HOST)).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def tried(port: int, authority: trustme.CA | None = OURS) -> Tried:
    pem = authority.cert_pem.bytes().decode() if authority else ""
    context = trusting(pem, certifi.where())
    return ask(QUESTION, ("127.0.0.1", port), context, all_known=bool(pem))


def test_an_answer() -> None:
    with gateway() as port:
        assert tried(port) == Tried()


@pytest.mark.parametrize(
    ("status", "body", "reason", "words"),
    [
        (401, b"", Trouble.KEY_REFUSED, "the gateway answers 401"),
        (403, b"", Trouble.KEY_REFUSED, "the gateway answers 403"),
        (404, b"", Trouble.ROUTE_MISSING, "the gateway answers 404"),
        (503, b"no healthy upstream", Trouble.PODS_UNREACHED, "503: it knows no ready pod"),
        (503, b"upstream connect error", Trouble.PODS_UNREACHED, "503: no pod takes its connection"),
        (504, b"", Trouble.NO_ANSWER, "the gateway answers 504"),
        (500, b"x" * 100_000, Trouble.UNEXPECTED_ANSWER, "the gateway answers 500"),
        (302, b"", Trouble.UNEXPECTED_ANSWER, "the gateway answers 302"),
    ],
)
def test_what_the_gateway_answers(status: int, body: bytes, reason: Trouble, words: str) -> None:
    with gateway(status, body) as port:
        found = tried(port)
    assert (found.reason, found.judged) == (reason, True)
    assert words in found.message


def test_a_certificate_for_another_host() -> None:
    with gateway(leaf=OURS.issue_cert("other.example.org")) as port:
        found = tried(port)
    assert found.reason == Trouble.CERTIFICATE_REFUSED
    assert "models.example.org" in found.message


def test_a_certificate_that_has_expired() -> None:
    over = OURS.issue_cert(HOST, not_after=datetime.now(UTC) - timedelta(days=1))
    with gateway(leaf=over) as port:
        found = tried(port)
    assert (found.reason, found.message) == (Trouble.CERTIFICATE_REFUSED, "certificate has expired")


def test_a_certificate_of_another_authority_than_clients_are_given() -> None:
    with gateway(leaf=THEIRS.issue_cert(HOST)) as port:
        assert tried(port).reason == Trouble.CERTIFICATE_REFUSED


def test_an_authority_that_clients_may_know_by_themselves_is_not_judged() -> None:
    """Nothing is sent there either: the agent would not know to whom."""
    with gateway(leaf=THEIRS.issue_cert(HOST)) as port:
        assert tried(port, None) == Tried(judged=False)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert tried(port) == Tried(Trouble.GATEWAY_UNREACHABLE, "Connection refused")


def test_nothing_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = tried(silent.getsockname()[1])
    assert found.reason == Trouble.NO_ANSWER


def test_an_answer_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is the tenant's, and eight of these would keep the agent from asking anybody else."""
    monkeypatch.setattr(asking, "_SECONDS_IN_ALL", 0.5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    OURS.issue_cert(HOST).configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as client:
                client.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
                for _ in range(200):
                    client.sendall(b"x")
                    time.sleep(0.05)

        server = threading.Thread(target=drip)
        server.start()
        began = time.monotonic()
        found = tried(listening.getsockname()[1])
        assert time.monotonic() - began < 5
        server.join()
    assert found.reason == Trouble.NO_ANSWER


def test_no_words_hold_the_key() -> None:
    for status in (200, 401, 404, 500, 503):
        with gateway(status, KEY.encode()) as port:
            assert KEY not in str(tried(port))


def test_names() -> None:
    assert resolves("localhost")
    assert not resolves("models.invalid")
    assert not resolves("a" * 300)
