"""A request through the gateway as an app makes it, and what its answer means; nothing of it holds a key."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import suppress
from threading import Event, Timer
from typing import NamedTuple

from functions.api import GatewayTrouble, contract

__all__ = ["Question", "Tried", "ask", "resolves", "trusting"]

_SECONDS = 10.0
"""Time to connect, and to wait for the next byte."""
_SECONDS_IN_ALL = 20.0
"""For the whole question: an engine whose answer drips would keep the agent from asking others."""
_MOST_BYTES = 4096
"""Of an answer: its status is what counts."""
_NO_POD = b"no healthy upstream"
"""Envoy's words where a Service has no ready pod."""
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
"""OpenSSL's codes for a certificate of an authority that is not known (x509_vfy.h)."""
_STATUS = {
    401: GatewayTrouble.KEY_REFUSED,
    403: GatewayTrouble.KEY_REFUSED,
    404: GatewayTrouble.ROUTE_MISSING,
    502: GatewayTrouble.PODS_UNREACHED,
    503: GatewayTrouble.PODS_UNREACHED,
    504: GatewayTrouble.NO_ANSWER,
}


class Question(NamedTuple):
    """How a Model is asked which models it serves: a question that takes no GPU, and that no usage counts."""

    host: str
    path: str
    key: str


class Tried(NamedTuple):
    """What came of a request."""

    reason: GatewayTrouble | None = None
    """Why it is not answered; None: it is."""
    message: str = ""
    """What was seen."""
    judged: bool = True
    """Whether anything follows: not where the agent alone does not know who issued the certificate."""


def trusting(authorities: str, system: str) -> ssl.SSLContext:
    """Return how the gateway is known.

    Args:
        authorities: certificates as PEM that clients are given; empty: they know the gateway's by themselves.
        system: file of the certificates that everybody knows.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # One between, named there, is taken by clients, too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if authorities:
        context.load_verify_locations(cadata=authorities)
    else:
        context.load_verify_locations(cafile=system)
    return context


def ask(question: Question, address: tuple[str, int], context: ssl.SSLContext, *, all_known: bool) -> Tried:
    """Ask a Model through the gateway.

    Args:
        question: to the Model.
        address: of the gateway within the cluster.
        context: how the gateway is known.
        all_known: whether the context has all authorities that clients know.
    """
    try:
        with (
            socket.create_connection(address, timeout=_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=question.host) as connection,
        ):
            return _in_time(question, connection)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _UNKNOWN_ISSUER and not all_known:
            return Tried(judged=False)
        return Tried(GatewayTrouble.CERTIFICATE_REFUSED, error.verify_message)
    except TimeoutError:
        return Tried(GatewayTrouble.NO_ANSWER, f"no answer came back within {_SECONDS:.0f} seconds")
    except (OSError, http.client.HTTPException) as error:
        return Tried(GatewayTrouble.GATEWAY_UNREACHABLE, _words(error))


def resolves(host: str) -> bool:
    """Tell whether a host's name leads anywhere, for pods of the agent's cluster."""
    try:
        return bool(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


def _in_time(question: Question, connection: ssl.SSLSocket) -> Tried:
    over = Event()

    def end() -> None:
        over.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = Timer(_SECONDS_IN_ALL, end)
    timer.daemon = True
    timer.start()
    try:
        found = _asked(question, connection)
    except (OSError, http.client.HTTPException):
        if not over.is_set():
            raise
    finally:
        timer.cancel()
    if over.is_set():
        # What was cut may look like an answer.
        raise TimeoutError
    return found


def _asked(question: Question, connection: ssl.SSLSocket) -> Tried:
    client = http.client.HTTPConnection(question.host, timeout=_SECONDS)
    client.sock = connection
    headers = {"Authorization": f"Bearer {question.key}", "User-Agent": contract.PROBE}
    client.request("GET", question.path, headers=headers)
    answer = client.getresponse()
    status = answer.status
    if status == http.client.OK:
        return Tried()
    reason = _STATUS.get(status, GatewayTrouble.UNEXPECTED_ANSWER)
    said = f"the gateway answers {status}"
    if reason == GatewayTrouble.PODS_UNREACHED:
        no_pod = _NO_POD in answer.read(_MOST_BYTES)
        said += ": it knows no ready pod" if no_pod else ": no pod takes its connection"
    return Tried(reason, said)


def _words(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else ""
    return text or type(error).__name__
