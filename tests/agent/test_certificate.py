"""Certificates that do not serve a host, each made anew."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from agent.certificate import problem
from agent.delivery import Asked, Undelivered, private_key, secret, value_of
from functions.api import Undeliverable
from tests.agent.deliveries import asked, base64_of

HOST = "models.example.org"
NOW, DAY = datetime.now(UTC), timedelta(days=1)


def made(folder: Path, name: str, *more: str, names: str = f"DNS:{HOST}") -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-keyout", key, "-out", certificate, "-subj", f"/CN={HOST}"]  # type: ignore[list-item]
    command += ["-addext", f"subjectAltName={names}", *(more or ("-days", "2"))]
    subprocess.run(command, check=True, capture_output=True)
    return certificate.read_bytes(), key.read_bytes()


def issued(**when: datetime) -> tuple[bytes, bytes]:
    """Return a certificate of an authority, and its key, valid when it is said."""
    times = {"not_before": NOW - 3 * DAY, "not_after": NOW + 3 * DAY, **when}
    found = trustme.CA().issue_cert(HOST, not_before=times["not_before"], not_after=times["not_after"])
    return found.cert_chain_pems[0].bytes(), found.private_key_pem.bytes()


@pytest.fixture
def good(tmp_path: Path) -> tuple[bytes, bytes]:
    return made(tmp_path, "good")


def test_a_good_one(good: tuple[bytes, bytes]) -> None:
    assert problem(*good, HOST) == ""


def test_one_of_an_authority() -> None:
    # Proves: nobody asks here who has issued it.
    assert problem(*issued(), HOST) == ""


def test_one_of_a_wildcard_and_with_those_of_its_issuers(tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    certificate, key = made(tmp_path, "wildcard", names="DNS:*.example.org")
    assert problem(certificate + good[0], key, HOST) == ""


def test_one_for_another_name(tmp_path: Path) -> None:
    # Proves: the common name, which clients no longer look at, does not count.
    pair = made(tmp_path, "other", names="DNS:models.example.com")
    assert problem(*pair, HOST) == f"the certificate in tls.crt is for other names than {HOST}"


def test_one_that_has_expired() -> None:
    assert problem(*issued(not_after=NOW - DAY), HOST) == "the certificate in tls.crt has expired"


def test_one_that_is_not_valid_yet() -> None:
    assert problem(*issued(not_before=NOW + DAY), HOST) == "the certificate in tls.crt is not valid yet"


def test_one_that_is_for_no_server(tmp_path: Path) -> None:
    pair = made(tmp_path, "client", "-days", "2", "-addext", "extendedKeyUsage=clientAuth")
    assert problem(*pair, HOST).startswith("the certificate in tls.crt is refused: ")


def test_another_key(tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    _, key = made(tmp_path, "another")
    assert problem(good[0], key, HOST) == "tls.key is not the key of the first certificate in tls.crt"


def test_what_is_none(tmp_path: Path, good: tuple[bytes, bytes]) -> None:
    certificate, key = good
    assert problem(b"", key, HOST) == problem(key, key, HOST) == "tls.crt holds no certificate as PEM"
    assert problem(certificate, b"", HOST) == "tls.key holds no private key as PEM"
    cut = certificate[:60] + certificate[-60:]
    assert "OpenSSL cannot read" in problem(cut, key, HOST)
    locked = tmp_path / "locked.key"
    command = ["openssl", "ec", "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, input=key, check=True, capture_output=True)
    assert "without a password" in problem(certificate, locked.read_bytes(), HOST)


def test_no_word_holds_a_secret(good: tuple[bytes, bytes]) -> None:
    marked = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    assert "c2VjcmV0" not in problem(good[0], marked, HOST)


def delivery_to(host: str) -> Asked:
    return asked(
        source={"key": "tls.crt"},
        target={"key": "tls.crt", "type": "kubernetes.io/tls", "certificateFor": host},
    )


def data(certificate: bytes, key: bytes) -> dict[str, dict[str, str]]:
    return {"data": {"tls.crt": base64_of(certificate.decode()), "tls.key": base64_of(key.decode())}}


def test_a_certificate_is_delivered_with_its_key(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to(HOST), data(*good)
    value = value_of(delivery, found)
    made = secret(delivery, value, {"uid": "o"}, private_key(delivery, found, value))
    assert made["data"] == found["data"]
    assert made["type"] == "kubernetes.io/tls"


def test_one_that_serves_another_host_is_not(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to("models.example.com"), data(*good)
    with pytest.raises(Undelivered, match=r"is for other names than models\.example\.com") as refused:
        private_key(delivery, found, value_of(delivery, found))
    assert refused.value.reason == Undeliverable.CERTIFICATE_INVALID
    assert str(refused.value).startswith("Secret team-a/hub: ")


def test_without_its_key_it_is_not_either(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to(HOST), data(*good)
    del found["data"]["tls.key"]
    with pytest.raises(Undelivered, match="holds no private key"):
        private_key(delivery, found, value_of(delivery, found))


def test_of_what_is_no_certificate_the_value_alone_is_delivered(good: tuple[bytes, bytes]) -> None:
    assert private_key(asked(source={"key": "tls.crt"}), data(*good), "eA==") == {}
