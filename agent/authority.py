"""An authority of a gateway's own, and the certificates that it issues for the gateway's host.

The authority may vouch for that host alone. Its key stays in the Secret where it was made.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .certificate import judge

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["AUTHORITY", "made", "renewed"]

AUTHORITY = "ca.crt"
"""Key of the authority's certificate in the Secret."""
_AUTHORITY_KEY, _CERTIFICATE, _KEY = "ca.key", "tls.crt", "tls.key"
_AUTHORITY_LASTS = timedelta(days=3650)
_LASTS, _RENEWED_BEFORE = timedelta(days=90), timedelta(days=30)
_SKEW = timedelta(hours=1)
"""How far the clocks of clients may be behind."""


def made(host: str, now: datetime) -> dict[str, str]:
    """Return what the Secret of a new authority holds: with a first certificate, by key, in base64."""
    return _encoded(_new(host, now))


def renewed(host: str, held: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return what is to change in the Secret so that it serves the host for a time; empty: nothing.

    The authority stays as long as it can vouch for the host.

    Args:
        host: DNS name.
        held: content of the Secret, by key, in base64.
        now: the time.
    """
    have = {key: _decoded(held.get(key)) for key in (AUTHORITY, _AUTHORITY_KEY, _CERTIFICATE, _KEY)}
    if _lasts(host, have, now):
        return {}
    issued = _issued(host, have, now)
    if issued and _lasts(host, {**have, **issued}, now):
        return _encoded(issued)
    return _encoded(_new(host, now))


def _lasts(host: str, have: Mapping[str, bytes], now: datetime) -> bool:
    authority = have[AUTHORITY].decode("ascii", "replace")
    if not authority:
        return False
    judged = judge(have[_CERTIFICATE], have[_KEY], host, authority)
    return not judged.problem and judged.ends - now.timestamp() > _RENEWED_BEFORE.total_seconds()


def _new(host: str, now: datetime) -> dict[str, bytes]:
    # Not with the module: an agent that makes no certificate needs none of it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Freehold"),
            # Of its own: a client may know the authorities of several gateways.
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Freehold gateway {subject_key.digest.hex()[:16]}"),
        ]
    )
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(host)],
        # What is no DNS name is not constrained by one.
        excluded_subtrees=[
            x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
            x509.IPAddress(ipaddress.ip_network("::/0")),
        ],
    )
    built = (
        _builder(key, name, name, now, _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = {AUTHORITY: _pem(built), _AUTHORITY_KEY: _private(key)}
    return {**authority, **_issue(host, built, key, now)}


def _issued(host: str, have: Mapping[str, bytes], now: datetime) -> dict[str, bytes]:
    """Return a certificate of the authority that is there, and its key; empty where there is none to use."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        authority = x509.load_pem_x509_certificate(have[AUTHORITY])
        key = load_pem_private_key(have[_AUTHORITY_KEY], None)
    except (ValueError, TypeError):
        return {}  # Somebody has changed it.
    if not isinstance(key, ec.EllipticCurvePrivateKey) or authority.not_valid_after_utc <= now:
        return {}
    return _issue(host, authority, key, now)


def _issue(
    host: str, authority: x509.Certificate, authority_key: EllipticCurvePrivateKey, now: datetime
) -> dict[str, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Freehold")])
    lasts = min(_LASTS, authority.not_valid_after_utc - now)
    built = (
        _builder(key, subject, authority.subject, now, lasts)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    return {_CERTIFICATE: _pem(built), _KEY: _private(key)}


def _builder(
    key: EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lasts)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _private(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""))
    except binascii.Error:
        return b""


def _encoded(content: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in content.items()}
