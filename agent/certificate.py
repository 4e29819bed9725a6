"""Whether a certificate and its key serve a host: asked of OpenSSL, by a handshake in memory."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["problem"]

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET, _EXPIRED, _OTHER_HOST = 9, 10, 62
_ROUNDS = 8


def problem(certificate: bytes, key: bytes, host: str) -> str:
    """Say what is wrong with a certificate for a host, in words that hold nothing of either; empty: nothing.

    Who has issued it is not asked: clients know, and they may know authorities of their own.

    Args:
        certificate: as PEM, then those of its issuers.
        key: the private key, as PEM.
        host: DNS name.
    """
    first = _PEM.search(certificate)
    if first is None:
        return "tls.crt holds no certificate as PEM"
    if b"PRIVATE KEY-----" not in key:
        return "tls.key holds no private key as PEM"
    try:
        server = _server(certificate, key)
        client = _client(first.group())
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "tls.key is not the key of the first certificate in tls.crt"
        return "OpenSSL cannot read tls.crt or tls.key: they are PEM, the key without a password"
    try:
        _shake_hands(server, client, host)
    except ssl.SSLCertVerificationError as error:
        return _refused(error, host)
    except (ssl.SSLError, ValueError) as error:
        return f"OpenSSL cannot serve TLS with them ({getattr(error, 'reason', None) or 'no word why'})"
    return ""


def _refused(error: ssl.SSLCertVerificationError, host: str) -> str:
    words = {
        _EXPIRED: "the certificate in tls.crt has expired",
        _NOT_YET: "the certificate in tls.crt is not valid yet",
        _OTHER_HOST: f"the certificate in tls.crt is for other names than {host}",
    }
    return words.get(error.verify_code) or f"the certificate in tls.crt is refused: {error.verify_message}"


def _server(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The module reads files alone. These are in memory, and gone with their descriptors.
    with _file(certificate) as chain, _file(key) as private:
        context.load_cert_chain(chain, private, password=lambda: "")
    return context


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _client(trusted: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=trusted.decode("ascii", "replace"))
    return context


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Let both talk to one another until they agree.

    Raises:
        ssl.SSLError: why they do not.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=host),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(_ROUNDS):
        for end in list(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
        if not ends:
            return
    raise ValueError("no end of it")
