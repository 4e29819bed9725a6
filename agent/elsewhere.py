"""The API server of a GPU cluster, which is somebody else's: what it can cost the agent is bounded."""

from __future__ import annotations

import base64
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client import ApiClient, Configuration
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.util.ssl_ import create_urllib3_context

from .cluster import Cluster

__all__ = ["reached"]

_SECONDS = (5.0, 10.0)
"""Time to connect, and to wait for the next byte: others wait behind this cluster."""
_WHOLE_SECONDS = 30.0
"""Time for everything that is asked of it in one go: bytes that come one by one are answers, too."""
_MOST_BYTES = 4 * 2**20
"""Of an answer: an object of Kubernetes has less."""


@contextmanager
def reached(kubeconfig: Mapping[str, Any]) -> Iterator[Cluster]:
    """Give the cluster of a kubeconfig that `kubeconfig.usable` has let through, while the block runs.

    What fails is not tried again here: the deliverer knows when. What takes too long ends in TimeoutError.

    Raises:
        TypeError, ValueError: for an address, certificates or a token that are none.
    """
    [cluster], [user] = ([each[kind] for each in kubeconfig[f"{kind}s"]] for kind in ("cluster", "user"))
    limit = _Limit()
    client = ApiClient(_configuration(cluster, user))
    manager = client.rest_client.pool_manager
    manager.connection_pool_kw["ssl_context"] = _context(cluster, user)
    manager.pool_classes_by_scheme = {"https": limit.pool()}
    timer = threading.Timer(_WHOLE_SECONDS, limit.end)
    timer.daemon = True
    timer.start()
    try:
        yield _Elsewhere(client, limit)
    finally:
        timer.cancel()
        manager.clear()
        limit.close()


def _configuration(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Configuration:
    """Return the client's, without what the client would keep in files for as long as it runs."""
    server = str(cluster["server"])
    if not urlsplit(server).hostname:
        raise ValueError("no address of a server")
    made = Configuration(host=server.rstrip("/"), retries=False)
    made.verify_ssl = not cluster.get("insecure-skip-tls-verify")
    made.tls_server_name = cluster.get("tls-server-name")
    if token := user.get("token"):
        made.api_key["BearerToken"] = f"Bearer {token}"
    return made


def _context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """Return how the cluster is known, and how the agent is known there."""
    context = create_urllib3_context()
    authority = cluster.get("certificate-authority-data")
    try:
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif authority:
            context.load_verify_locations(cadata=base64.b64decode(authority).decode())
        else:
            context.load_default_certs()
        if certificate := user.get("client-certificate-data"):
            _present(context, base64.b64decode(certificate), base64.b64decode(user["client-key-data"]))
    except (ssl.SSLError, KeyError):
        # Not the error itself: it may quote what stands there.
        raise ValueError("no certificate, or one without its key") from None
    return context


def _present(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have the agent show a certificate; ssl reads files alone, and these are gone at once."""
    with tempfile.TemporaryDirectory() as folder:
        shown, own = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        shown.write_bytes(certificate)
        own.write_bytes(key)
        # Without a password it would be asked for at a terminal.
        context.load_cert_chain(shown, own, password="")


class _Limit:
    """The connections of one block, which end when its time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.over = False

    def pool(self) -> type[HTTPSConnectionPool]:
        """Return a pool whose connections are known here."""
        limit = self

        class Connection(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                limit.begin(self.sock)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        return Pool

    def begin(self, connection: Any) -> None:
        """Know a connection.

        Raises:
            TimeoutError: when it is too late for one.
        """
        with self._lock:
            if self.over:
                connection.close()
                raise TimeoutError
            self._open.append(connection)

    def end(self) -> None:
        """End whatever waits for a byte."""
        with self._lock:
            self.over = True
            for connection in self._open:
                # It may be closed already. Not the method of SSLSocket, which goes on without encryption.
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection: one whose answer was not read to its end is no longer the pool's."""
        with self._lock:
            for connection in self._open:
                connection.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say of whatever has ended by the end of the time that this is why, an answer included."""
        try:
            yield
        finally:
            if self.over:
                raise TimeoutError from None


class _Elsewhere(Cluster):
    def __init__(self, client: ApiClient, limit: _Limit) -> None:
        super().__init__(client, _SECONDS)
        self._limit = limit

    def _send(self, *arguments: Any, **more: Any) -> Any:
        with self._limit.told():
            return super()._send(*arguments, **more)

    def _whole(self, response: Any) -> bytes:
        with self._limit.told():
            data: bytes = response.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            # The rest is not read: the connection would stay open until the garbage collector finds it.
            response.close()
            raise ProtocolError("the answer is too long")
        return data
