"""Sigstore's services, played: what cosign asks when it signs, and what Crossplane takes its trust from.

A certificate authority for identities (Fulcio), which believes every token, and the log of its certificates; the
repository (TUF) by which both are known; and a log of signatures (Rekor), as a platform team's own, which keeps
nothing and signs what is sent. What is signed, and what is verified, is by the real cosign and the real Crossplane core.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

__all__ = ["Services", "run", "token"]

GITHUB = "https://token.actions.githubusercontent.com"
_ISSUER, _SCTS = ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_VALID = timedelta(minutes=10)
"""Of an identity's certificate, as Fulcio's."""
_FAR = "2100-01-01T00:00:00Z"


def token(workflow: str) -> str:
    """Return what GitHub would give a workflow, such as OWNER/NAME/.github/workflows/FILE@REF; nobody signed it."""
    claims = {"iss": GITHUB, "aud": "sigstore", "sub": f"repo:{workflow}", "job_workflow_ref": workflow}
    parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "exp": int(time.time()) + 600})
    encoded = (base64.urlsafe_b64encode(_canonical(part)).decode().rstrip("=") for part in parts)
    return ".".join([*encoded, base64.urlsafe_b64encode(b"nobody").decode().rstrip("=")])


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Services:
    """The services' keys, and where they answer."""

    log_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    authority_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificates_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    authority: x509.Certificate = field(init=False)
    ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "authority", _authority(self.authority_key))

    @property
    def url(self) -> str:
        """Of the authority and the log."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def public(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Return a public key as a file has it."""
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def authority_pem(self) -> bytes:
        """The certificate of the authority."""
        return self.authority.public_bytes(Encoding.PEM)

    def logged(self, proposed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the log's entry of what was sent to it, with the log's promise to include it."""
        body = base64.b64encode(_canonical(_entry(proposed))).decode()
        said = {
            "body": body,
            "integratedTime": int(time.time()),
            "logID": hashlib.sha256(_der(self.log_key)).hexdigest(),
            "logIndex": int(time.time()),
        }
        promise = self.log_key.sign(_canonical(said), ec.ECDSA(hashes.SHA256()))
        verification = {"signedEntryTimestamp": base64.b64encode(promise).decode()}
        return {hashlib.sha256(body.encode()).hexdigest(): {**said, "verification": verification}}

    def certificate(self, key: bytes, claims: Mapping[str, Any]) -> bytes:
        """Return the certificate of whom a token names, and the authority's."""
        own = load_pem_public_key(key)
        assert isinstance(own, ec.EllipticCurvePublicKey)
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.subject)
            .public_key(own)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + _VALID)
            .add_extension(_signs_code(), critical=False)
            .add_extension(_uri(f"https://github.com/{claims['job_workflow_ref']}"), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER, claims["iss"].encode()), critical=False)
        )
        before = made.sign(self.authority_key, hashes.SHA256())
        proof = x509.UnrecognizedExtension(_SCTS, self._promised(before.tbs_certificate_bytes))
        whole = made.add_extension(proof, critical=False).sign(self.authority_key, hashes.SHA256())
        return b"".join(each.public_bytes(Encoding.PEM) for each in (whole, self.authority))

    def _promised(self, certificate: bytes) -> bytes:
        """Return the promise of the log of certificates to include one (RFC 6962), as the certificate has it."""
        at = struct.pack(">Q", int(time.time() * 1000))
        issuer = hashlib.sha256(_der(self.authority_key)).digest()
        signed = b"\0\0" + at + b"\0\1" + issuer + len(certificate).to_bytes(3, "big") + certificate + b"\0\0"
        signature = self.certificates_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(_der(self.certificates_key)).digest()
        promise = b"\0" + log + at + b"\0\0" + b"\4\3" + struct.pack(">H", len(signature)) + signature
        listed = struct.pack(">H", len(promise)) + promise
        content = struct.pack(">H", len(listed)) + listed
        # Below 128 its length is one byte of DER.
        return b"\4" + bytes([len(content)]) + content

    def repository(self, folder: Path) -> Path:
        """Write the repository of the authority's keys; return its root of trust."""
        targets = {
            "fulcio.crt.pem": ("Fulcio", self.authority_pem),
            "ctfe.pub": ("CTFE", self.public(self.certificates_key)),
        }
        (folder / "targets").mkdir(parents=True)
        listed = {}
        for name, (usage, content) in targets.items():
            (folder / "targets" / name).write_bytes(content)
            listed[name] = _hashed(content) | {"custom": {"sigstore": {"usage": usage, "status": "Active"}}}
        return _Repository(folder).write(listed)


@contextmanager
def run() -> Iterator[Services]:
    """Have the services answer on this machine."""
    services = Services()

    class Handler(_Handler):
        played = services

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    services.ports.append(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    played: ClassVar[Services]

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v1/log/entries":
            entry = self.played.logged(sent)
            return self._answer("application/json", json.dumps(entry).encode(), *entry)
        claims = self.headers["Authorization"].split(".")[1]
        identity = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        key = base64.b64decode(sent["publicKey"]["content"])
        return self._answer("application/pem-certificate-chain", self.played.certificate(key, identity))

    def _answer(self, type_: str, content: bytes, entry: str = "") -> None:
        self.send_response(201)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", f"{self.path}/{entry}")
        self.send_header("ETag", entry)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _entry(proposed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the log keeps: of an envelope its hashes alone, everything else as it was sent."""
    if proposed["kind"] != "dsse":
        return proposed
    sent = proposed["spec"]["proposedContent"]
    envelope, [verifier] = json.loads(sent["envelope"]), sent["verifiers"]
    spec = {
        "envelopeHash": _sha256(sent["envelope"].encode()),
        "payloadHash": _sha256(base64.b64decode(envelope["payload"])),
        "signatures": [{"signature": each["sig"], "verifier": verifier} for each in envelope["signatures"]],
    }
    return {**proposed, "spec": spec}


def _sha256(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "played")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _signs_code() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])


def _uri(name: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)])


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _canonical(value: object) -> bytes:
    """Return JSON as it is signed; nothing here has a character that canonical JSON writes in another way."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _hashed(content: bytes) -> dict[str, Any]:
    made = {name: hashlib.new(name, content).hexdigest() for name in ("sha256", "sha512")}
    return {"length": len(content), "hashes": made}


class _Repository:
    """A repository of The Update Framework, with one key for all roles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ed25519.Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes_raw().hex()
        self._public = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
        self._id = hashlib.sha256(_canonical(self._public)).hexdigest()

    def write(self, targets: Mapping[str, Any]) -> Path:
        """Write what it has; return the file that a client is given to begin with."""
        roles = {
            role: {"keyids": [self._id], "threshold": 1}
            for role in ("root", "targets", "snapshot", "timestamp")
        }
        root = {"keys": {self._id: self._public}, "roles": roles, "consistent_snapshot": False}
        self._signed("root", root)
        listed = self._signed("targets", {"targets": targets})
        snapshot = self._signed("snapshot", {"meta": {"targets.json": {"version": 1} | _hashed(listed)}})
        self._signed("timestamp", {"meta": {"snapshot.json": {"version": 1} | _hashed(snapshot)}})
        return self.folder / "root.json"

    def _signed(self, role: str, says: Mapping[str, Any]) -> bytes:
        said = {"_type": role, "spec_version": "1.0", "version": 1, "expires": _FAR, **says}
        signature = {"keyid": self._id, "sig": self._key.sign(_canonical(said)).hex()}
        content = _canonical({"signed": said, "signatures": [signature]})
        (self.folder / f"{role}.json").write_bytes(content)
        return content
