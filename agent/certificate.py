"""Whether a certificate and its key serve a host, and until when: OpenSSL says, by handshakes in memory."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

__all__ = ["Judged", "judge"]

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET, _EXPIRED, _OTHER_HOST = 9, 10, 62
_ROUNDS = 8


class Judged(NamedTuple):
    """What is to be said of a certificate."""

    problem: str = ""
    """What is wrong with it, in words that hold nothing of it or its key; empty: nothing."""
    ends: float = 0.0
    """When it expires, in seconds since 1970; 0 where something is wrong."""


def judge(certificate: bytes, key: bytes, host: str, authorities: str = "") -> Judged:
    """Say what is wrong with a certificate for a host, or when it expires.

    Args:
        certificate: as PEM, then those of its issuers.
        key: the private key, as PEM.
        host: DNS name.
        authorities: certificates as PEM, one of which clients know; empty: who has issued it is not asked,
            since clients know, and they may know authorities of their own.
    """
    first = _PEM.search(certificate)
    if first is None:
        return Judged("tls.crt holds no certificate as PEM")
    if b"PRIVATE KEY-----" not in key:
        return Judged("tls.key holds no private key as PEM")
    try:
        server = _server(certificate, key)
        client = _client(first.group().decode("ascii", "replace"))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return Judged("tls.key is not the key of the first certificate in tls.crt")
        return Judged("OpenSSL cannot read tls.crt or tls.key: they are PEM, the key without a password")
    try:
        ends = _shake_hands(server, client, host)
    except ssl.SSLCertVerificationError as error:
        return Judged(_refused(error, host))
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no word why"
        return Judged(f"OpenSSL cannot serve TLS with them ({reason})")
    why = _unvouched(server, host, authorities) if authorities else ""
    return Judged(why) if why else Judged(ends=ends)


def _unvouched(server: ssl.SSLContext, host: str, authorities: str) -> str:
    """Say why clients that know some authorities alone refuse the certificate; empty: they do not."""
    pems = (each.decode() for each in _PEM.findall(authorities.encode("ascii", "ignore")))
    try:
        client = _client("\n".join(pems))
    except (ssl.SSLError, ValueError):
        return "OpenSSL cannot read the authorities that vouch for the certificate"
    try:
        _shake_hands(server, client, host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (_EXPIRED, _NOT_YET):
            return "of those that have issued the certificate in tls.crt one is not valid now"
        return (
            "none of the authorities that should vouch for it has issued the certificate in tls.crt, or "
            f"tls.crt lacks those between ({error.verify_message})"
        )
    except (ssl.SSLError, ValueError) as error:
        return f"OpenSSL refuses it to clients ({getattr(error, 'reason', None) or 'no word why'})"
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


def _client(trusted: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=trusted)
    return context


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> float:
    """Let both talk to one another until they agree; return when the server's certificate expires.

    Raises:
        ssl.SSLError: why they do not.
        ValueError: when there is no end of it.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=host)
    ends = [asking, server.wrap_bio(there, back, server_side=True)]
    for _ in range(_ROUNDS):
        for end in list(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
        if not ends:
            return float(ssl.cert_time_to_seconds(str((asking.getpeercert() or {})["notAfter"])))
    raise ValueError("no end of it")
