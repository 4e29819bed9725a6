"""A small Hugging Face Hub, for tests and a control plane of one's own, that misbehaves as it is told.

It answers what huggingface_hub and the pods that read a model's own files ask: the files with their sizes,
and each file or a part of it. Of the standard library alone: an image holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["COMMIT", "Asked", "Hub", "Limit", "by_tls", "files_of", "server"]

COMMIT = "f" * 40
_PIECE = 64 * 1024
_LARGE = (".safetensors", ".bin")
"""Ends of the names of files that the real Hub keeps as LFS: they are known by their SHA-256."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    token: str
    """What came as Bearer; empty without one."""


@dataclass
class Limit:
    """How many requests a client may make before it has to wait.

    The real Hub counts in spans of time. What a slow client is refused would depend on the machine then, so
    the time to wait begins with the first refusal here.
    """

    requests: int
    seconds: float
    _made: dict[str, int] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, client: str) -> float:
        """Count a request of a client; return the seconds that it has to wait, 0 if it is answered."""
        now = time.monotonic()
        with self._lock:
            if client in self._until:
                if now < self._until[client]:
                    return self._until[client] - now
                del self._until[client], self._made[client]
            self._made[client] = self._made.get(client, 0) + 1
            if self._made[client] <= self.requests:
                return 0
            self._until[client] = now + self.seconds
            return self.seconds


@dataclass
class Hub:
    """One model on the Hub. Its fields may change while it serves."""

    repository: str
    files: dict[str, bytes]
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    """The commit of each branch and tag; a commit is its own."""
    token: str = ""
    """The token that may read the model, which is gated then."""
    busy: list[int] = field(default_factory=list)
    """Statuses to answer the next requests with, such as 429 and 503; the last one stays where it is -1."""
    limit: Limit | None = None
    stop_after: Mapping[str, int] = field(default_factory=dict)
    """Files that are sent up to a number of bytes; then nothing comes until `goes_on`."""
    cut_after: dict[str, int] = field(default_factory=dict)
    """Files whose first answer ends after a number of bytes, as by a broken connection."""
    asked: list[Asked] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set once a file of `stop_after` has been sent up to there."""
    goes_on: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def listening(
        self,
        make_socket: Callable[[Callable[[], socket.socket]], socket.socket],
        port: int,
        certificates: Path,
    ) -> Iterator[None]:
        """Serve TLS on a port of the network that `make_socket` makes sockets in.

        Args:
            make_socket: calls a function there.
            port: of any address.
            certificates: the folder of tls.crt and tls.key.
        """
        listens = make_socket(lambda: socket.create_server(("", port)))
        serves = server([self], by_tls(listens, certificates))
        thread = threading.Thread(target=serves.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.goes_on.set()
            serves.shutdown()
            serves.server_close()

    def commit(self, revision: str) -> str:
        """Return the commit that a revision means; empty for one that does not exist."""
        return revision if revision in self.revisions.values() else self.revisions.get(revision, "")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a model in a folder, by their names in the repository."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def by_tls(listens: socket.socket, certificates: Path) -> ssl.SSLSocket:
    """Return a socket that listens by TLS, in place of one that does not.

    Args:
        listens: which is closed.
        certificates: the folder of tls.crt and tls.key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    return context.wrap_socket(listens, server_side=True)


def server(
    hubs: Sequence[Hub], listens: socket.socket, log: Callable[[str], None] = lambda _: None
) -> ThreadingHTTPServer:
    """Return a server of some models. The caller lets it serve.

    Args:
        hubs: the models.
        listens: the socket, TLS or not.
        log: takes a line for each request: what is answered, and to what.
    """
    made = ThreadingHTTPServer(listens.getsockname()[:2], _handler(hubs, log), bind_and_activate=False)
    made.socket.close()
    made.socket = listens
    made.daemon_threads = True
    return made


def _asked_of(hubs: Sequence[Hub], path: str) -> Hub:
    """Return the model that a path is about, or any: the path's own repository says that it is not there."""
    name = f"{path.removeprefix('api/models/')}/"
    return next((hub for hub in hubs if name.startswith(f"{hub.repository}/")), hubs[0])


def _handler(hubs: Sequence[Hub], log: Callable[[str], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        hub: Hub

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: `hub.asked` has every request."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            del size
            log(f"{int(code)} {self.command} {self.path}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = urlsplit(self.path).path.strip("/")
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            hub = self.hub = _asked_of(hubs, path)
            hub.asked.append(Asked(self.command, path, token))
            seconds = math.ceil(hub.limit.wait(self.client_address[0])) if hub.limit else 0
            if seconds:
                headers = {"Retry-After": str(seconds), "RateLimit": f'"api";r=0;t={seconds}'}
                self._refuse(429, headers=headers)
            elif hub.busy:
                status = hub.busy[0] if len(hub.busy) > 1 and hub.busy[1] < 0 else hub.busy.pop(0)
                self._refuse(status, headers={"Retry-After": "1"} if status == 429 else {})
            elif path.startswith("api/models/"):
                self._model(path.removeprefix("api/models/"), token)
            else:
                self._resolve(path, token)

        def _model(self, path: str, token: str) -> None:
            """Say what a revision is, or list its files, without the folders that they are in."""
            hub = self.hub
            name, tree, revision = path.partition("/tree/")
            if not tree:
                name, _, revision = path.partition("/revision/")
            if name == hub.repository and not self._admits(token):
                return
            commit = hub.commit(unquote(revision) or "main")
            if name != hub.repository:
                self._refuse(401 if not token else 404, "RepoNotFound")
            elif not commit:
                self._refuse(404, "RevisionNotFound")
            elif tree:
                self._json([_listed(file, data) for file, data in hub.files.items()])
            else:
                siblings = [
                    {"rfilename": file, "size": len(data), "blobId": _etag(file, data)}
                    for file, data in hub.files.items()
                ]
                self._json(
                    {"id": name, "modelId": name, "sha": commit, "private": False, "siblings": siblings}
                )

        def _resolve(self, path: str, token: str) -> None:
            hub = self.hub
            name, _, rest = path.partition("/resolve/")
            revision, _, file = unquote(rest).partition("/")
            if name != hub.repository:
                self._refuse(404, "RepoNotFound")
            elif self._admits(token):
                if not hub.commit(revision):
                    self._refuse(404, "RevisionNotFound")
                elif file not in hub.files:
                    self._refuse(404, "EntryNotFound")
                else:
                    self._send(file, hub.commit(revision))

        def _admits(self, token: str) -> bool:
            """Tell whether a token may read the model; else answer as the Hub does."""
            if not self.hub.token or token == self.hub.token:
                return True
            known = token.startswith("hf_known")
            self._refuse(403 if known else 401, "GatedRepo" if known or not token else "")
            return False

        def _send(self, file: str, commit: str) -> None:
            data = self.hub.files[file]
            wanted = self.headers.get("Range", "")
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first or 0), min(int(last) + 1, len(data)) if last else len(data)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
            etag = f'"{_etag(file, data)}"'
            headers = {"ETag": etag, "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            if file.endswith(_LARGE):
                headers |= {"X-Linked-ETag": etag, "X-Linked-Size": str(len(data))}
            if wanted:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            for name, value in {**headers, "Content-Length": str(end - start)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):
                    self._body(file, data[:end], start)

        def _body(self, file: str, data: bytes, start: int) -> None:
            hub = self.hub
            cut = hub.cut_after.pop(file, None)
            for begin in range(start, len(data), _PIECE):
                if cut is not None and begin - start >= cut:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if begin >= hub.stop_after.get(file, len(data)):
                    hub.stopped.set()
                    hub.goes_on.wait(120)
                self.wfile.write(data[begin : begin + _PIECE])

        def _refuse(self, status: int, code: str = "", headers: Mapping[str, str] | None = None) -> None:
            said = {"X-Error-Code": code, "X-Error-Message": f"this Hub says {status}"} if code else {}
            self._json({"error": f"this Hub says {status}"}, status, {**said, **(headers or {})})

        def _json(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(text)

    return Handler


def _listed(file: str, data: bytes) -> dict[str, Any]:
    """Return what the Hub's list of files says of one."""
    found = {"type": "file", "path": file, "size": len(data), "oid": _etag(file, data)}
    if file.endswith(_LARGE):
        found["lfs"] = {"oid": _etag(file, data), "size": len(data), "pointerSize": 134}
    return found


def _etag(file: str, data: bytes) -> str:
    """Return what the Hub knows a file's content by."""
    if file.endswith(_LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
