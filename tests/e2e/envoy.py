"""A played Envoy: it answers over TLS who has a Model's own key, as the Secret in the Model's namespace has it."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from functions.api import contract
from tools.control_plane.api import Api


class Envoy:
    """How it answers whoever has a key."""

    def __init__(self) -> None:
        self.status = 200
        self.port = 0
        self.asked: list[str] = []
        """Paths of requests with a right key."""


@contextmanager
def answering(api: Api, issued: trustme.LeafCert) -> Iterator[Envoy]:
    """Answer at a port while the block runs."""
    played = Envoy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, namespace, name, *_ = f"{self.path}///".split("/")
            key = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            found = [
                s["data"] for s in api.items("v1", "Secret") if s["metadata"]["name"] == contract.MODEL_KEYS
            ]
            held = {base64.b64decode(data.get(f"{namespace}.{name}", "")).decode() for data in found}
            right = bool(key) and key in held and self.path == f"/{namespace}/{name}/v1/models"
            if right:
                played.asked.append(self.path)
            self.send_response(played.status if right else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    played.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()
