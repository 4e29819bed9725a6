"""Chart repositories over real TLS, which answer as a test says."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests import tls

BASIC = f"Basic {base64.b64encode(b'us:secret').decode()}"
_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Said(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A request: its path with the query, and the header Authorization."""

    path: str
    authorization: str


@contextmanager
def serving(answer: Callable[[Asked], Said], *, encrypted: bool = True) -> Iterator[tuple[str, list[Asked]]]:
    """Serve while the block runs; give HOST:PORT, and what was asked so far."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Asked(self.path, self.headers.get("Authorization") or "")
            asked.append(request)
            said = answer(request)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that goes in the middle of an answer."""

    server = Server(("127.0.0.1", 0), Handler)
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.folder() / "tls.crt", tls.folder() / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"localhost:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def manifest(archive: bytes) -> bytes:
    """Return the manifest of a chart in a registry."""
    layer = {"mediaType": _CONTENT, "digest": f"sha256:{hashlib.sha256(archive).hexdigest()}"}
    return json.dumps({"config": {}, "layers": [layer]}).encode()


def registry(charts: Mapping[str, bytes], gate: Callable[[Asked], Said | None] = lambda _: None) -> Callable:  # type: ignore[type-arg]
    """Return the answers of a registry.

    Args:
        charts: by path and tag, such as charts/lws:v0.10.0.
        gate: gives the answer to who may not come in.
    """
    blobs = {f"sha256:{hashlib.sha256(each).hexdigest()}": each for each in charts.values()}

    def answer(asked: Asked) -> Said:
        if refused := gate(asked):
            return refused
        where, _, what = asked.path.removeprefix("/v2/").rpartition("/")
        if where.endswith("/blobs") and what in blobs:
            return Said(200, blobs[what])
        name = f"{where.removesuffix('/manifests')}:{what}"
        return Said(200, manifest(charts[name])) if name in charts else Said(404)

    return answer
