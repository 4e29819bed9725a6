"""A registry over HTTP that asks for a password or a token, and notes what it was sent."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tools.images.registry import Registry

USER, PASSWORD = "platform", "a password"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Played:
    """What a registry holds, and how it behaves."""

    def __init__(self, asks: str = "") -> None:
        """Hold nothing; ask for nothing, "basic" or "bearer"."""
        self.asks = asks
        self.port = 0
        self.blobs: set[str] = set()
        """REPOSITORY:DIGEST."""
        self.manifests: dict[str, bytes] = {}
        """By REPOSITORY:TAG or REPOSITORY:DIGEST."""
        self.tags: list[str] = []
        """In the order in which they were set."""
        self.refused = ""
        """A path that begins so is answered 403."""
        self.realm = ""
        """Where it sends for a token; itself by default."""
        self.scopes: list[str] = []


@contextmanager
def serving(played: Played) -> Iterator[Registry]:
    """Serve it on a port of 127.0.0.1."""

    class Handler(_Handler):
        pass

    Handler.played = played
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        played.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Registry(f"127.0.0.1:{played.port}", plain=True)
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    played: Played

    def do_HEAD(self) -> None:
        if not self._allowed():
            return
        path = urlsplit(self.path).path
        repository, kind, name = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests":
            content = self.played.manifests.get(f"{repository}:{name}")
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if content is not None else ""
            self._answer(404 if content is None else 200, {"Docker-Content-Digest": digest})
        else:
            self._answer(200 if f"{repository}:{name}" in self.played.blobs else 404)

    def do_GET(self) -> None:
        """Give a token, as the server that the challenge names."""
        if self.headers["Authorization"] != BASIC:
            self._answer(401)
            return
        query = parse_qs(urlsplit(self.path).query)
        self.played.scopes += query["scope"]
        self._answer(200, body=json.dumps({"token": f"of {query['scope'][0]}"}).encode())

    def do_POST(self) -> None:
        if self._allowed():
            self._answer(202, {"Location": f"{self.path}1?_state=x"})

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._allowed():
            return
        split = urlsplit(self.path)
        if "uploads" in split.path:
            [digest] = parse_qs(split.query)["digest"]
            assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
            repository = split.path.removeprefix("/v2/").partition("/blobs/")[0]
            self.played.blobs.add(f"{repository}:{digest}")
        else:
            repository, _, name = split.path.removeprefix("/v2/").rsplit("/", 2)
            self.played.manifests[f"{repository}:{name}"] = content
            if not name.startswith("sha256:"):
                self.played.tags.append(f"{repository}:{name}")
        self._answer(201)

    def _allowed(self) -> bool:
        repository = urlsplit(self.path).path.removeprefix("/v2/")
        if self.played.refused and repository.startswith(self.played.refused):
            self._answer(403, body=b"denied")
            return False
        told = self.headers.get("Authorization", "")
        if self.played.asks == "basic" and told != BASIC:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="here"'})
            return False
        if self.played.asks == "bearer" and not told.startswith("Bearer of repository:"):
            realm = self.played.realm or f"http://127.0.0.1:{self.played.port}/token"
            self._answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="registry"'})
            return False
        return True

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
