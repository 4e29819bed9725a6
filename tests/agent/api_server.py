"""A small API server that answers as a test says, over real HTTP."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from kubernetes.client import ApiClient, Configuration

from agent.cluster import Cluster
from tests import tls


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class Answer(NamedTuple):
    """A status, and the body; a list of bodies is a watch, each a line."""

    status: int
    body: Any


@contextmanager
def listening(
    answer: Callable[[Asked], Answer], *, encrypted: bool = False, certified: bool = False
) -> Iterator[tuple[str, list[Asked]]]:
    """Serve while the block runs; give the address, and what was asked so far.

    Args:
        answer: to each request.
        encrypted: whether it is an https server, with the certificate of `tests.tls`.
        certified: whether it answers only who shows a certificate of the same authority.
    """
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            request = Asked(self.command, url.path, dict(parse_qsl(url.query)), body)
            asked.append(request)
            status, content = answer(request)
            self.send_response(status)
            if not isinstance(content, list):
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            # In pieces that end within a line, as a network may deliver them.
            data = "".join(json.dumps(each) + "\n" for each in content).encode()
            for start in range(0, len(data), 50):
                piece = data[start : start + 50]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_PATCH = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that goes in the middle of a watch."""

    server = Server(("127.0.0.1", 0), Handler)
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.folder() / "tls.crt", tls.folder() / "tls.key")
        if certified:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.folder() / "ca.crt")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # By default it sees only after half a second that it is to end.
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http{'s' if encrypted else ''}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(answer: Callable[[Asked], Answer]) -> Iterator[tuple[Cluster, list[Asked]]]:
    """Serve while the block runs; give the agent's client, and what was asked so far."""
    with listening(answer) as (address, asked):
        client = ApiClient(Configuration(host=address))
        try:
            yield Cluster(client), asked
        finally:
            client.rest_client.close()
