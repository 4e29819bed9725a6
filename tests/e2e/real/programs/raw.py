"""In a pod: sends requests as they are given, byte for byte, over TLS, and prints what each is answered.

Variables: HOST, CA (a file), READY (a path) and KEY (asked until the answer is 200, since a pod's network and a route
take a moment), TRIES (JSON: name to `head`, the request's lines, `size` of the body, whether `chunked`, `sni`).
Prints JSON: name to status, or how the connection ended, and the begin of the body.
"""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import time
from typing import Any

HOST = os.environ["HOST"]
_CONTEXT = ssl.create_default_context(cafile=os.environ["CA"])
_PIECE = b"x" * 16384
_SECONDS = 30


def _connected(sni: str) -> ssl.SSLSocket:
    raw = socket.create_connection((HOST, 443), timeout=_SECONDS)
    context = _CONTEXT
    if sni != HOST:
        # The certificate is for the host.
        context = ssl.create_default_context(cafile=os.environ["CA"])
        context.check_hostname = False
    return context.wrap_socket(raw, server_hostname=sni)


def _early(end: ssl.SSLSocket) -> bytes:
    """Return what has come by now; what TLS has to say for itself is nothing."""
    if not select.select([end], [], [], 0)[0]:
        return b""
    end.settimeout(0)
    try:
        return end.recv(65536)
    except ssl.SSLWantReadError:
        return b""
    finally:
        end.settimeout(_SECONDS)


def _send(end: ssl.SSLSocket, size: int, chunked: bool) -> bytes:
    """Send a body, until all is sent or an answer comes; return the answer's begin."""
    left, got = size, b""
    while left > 0 and not (got := _early(end)):
        piece = _PIECE[:left]
        end.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        left -= len(piece)
    if chunked and left <= 0:
        end.sendall(b"0\r\n\r\n")
    return got


def _answer(end: ssl.SSLSocket, got: bytes) -> tuple[str, str]:
    while b"\r\n\r\n" not in got:
        piece = end.recv(65536)
        if not piece:
            return "closed", got.decode("latin-1")
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    sizes = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
    while sizes and len(body) < int(sizes[0]):
        piece = end.recv(65536)
        if not piece:
            break
        body += piece
    return lines[0].split(" ")[1], body.decode("latin-1")[:20000]


def tried(head: str, size: int = 0, chunked: bool = False, sni: str = HOST) -> tuple[str, str]:
    """Return the status of the answer, or how the connection ended, and the answer's body."""
    got = b""
    try:
        with _connected(sni) as end:
            try:
                end.sendall(head.encode("latin-1"))
                got = _send(end, size, chunked)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                # Refused while it was sent.
                pass
            return _answer(end, got)
    except (ConnectionResetError, TimeoutError, ssl.SSLError) as error:
        return f"{type(error).__name__}", ""


def _until_ready() -> None:
    head = f"GET {os.environ['READY']} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {os.environ['KEY']}\r\n\r\n"
    last: Any = None
    for _ in range(120):
        try:
            last = tried(head)
            if last[0] == "200":
                return
        except OSError as error:
            last = error
        time.sleep(0.5)
    raise SystemExit(f"not ready: {last}")


_until_ready()
print(json.dumps({name: tried(**each) for name, each in json.loads(os.environ["TRIES"]).items()}))
