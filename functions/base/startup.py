"""Check what a server is started with, so that a mistake is one clear line.

gRPC explains only in a log of its own why it cannot start, takes a port modulo
65536, and says nothing at all about the certificate authority.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

__all__ = ["check_address", "check_certificates"]


def check_address(address: str) -> None:
    """Bind to the address for a moment.

    Raises:
        ValueError: when it is not HOST:PORT.
        OSError: when it cannot be bound, or the host not be resolved.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise ValueError("it is not HOST:PORT")
    if int(port) > 65535:
        raise ValueError(f"port {port} is not between 0 and 65535")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"{host}: {error}") from error
    family, kind, _, _, where = found[0]
    with socket.socket(family, kind) as probe:
        # As gRPC does: connections of a server that has just stopped do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)


def check_certificates(directory: str | None) -> None:
    """Read the certificates that Crossplane mounts.

    Raises:
        ValueError: when there are none, or they are of no use.
        OSError: when they cannot be read.
    """
    if directory is None:
        raise ValueError("it needs --tls-certs-dir or --insecure")
    certificate, key, authority = (Path(directory, name) for name in ("tls.crt", "tls.key", "ca.crt"))
    for path in (certificate, key, authority):
        path.read_bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ValueError(
            f"{directory}: tls.crt and tls.key are not a certificate and its key ({error.reason})"
        ) from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise ValueError(f"{directory}: ca.crt is not a certificate ({error.reason})") from error
