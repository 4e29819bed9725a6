"""Certificates that do not serve a host, each made anew."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from agent.certificate import judge
from agent.delivery import Asked, Carried, Undelivered, Version, private_key, secret, status_of, value_of
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


def problem(certificate: bytes, key: bytes, host: str, authorities: str = "") -> str:
    return judge(certificate, key, host, authorities).problem


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


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def test_the_authorities_that_the_claim_names() -> None:
    # Proves: what clients with them alone would say, an authority between included.
    root, other = trustme.CA(), trustme.CA()
    between = root.create_child_ca()
    for authority, chain in ((root, 1), (between, 2)):
        found = authority.issue_cert(HOST)
        certificate = b"".join(each.bytes() for each in found.cert_chain_pems)
        key = found.private_key_pem.bytes()
        assert len(found.cert_chain_pems) == chain
        assert problem(certificate, key, HOST, pem(root)) == ""
        assert problem(certificate, key, HOST, f"# ours: é\n{pem(other)}\n{pem(root)}") == ""
        refused = problem(certificate, key, HOST, pem(other))
        assert refused.startswith("none of the authorities that should vouch for it has issued")
    alone = found.cert_chain_pems[0].bytes()
    assert "tls.crt lacks those between" in problem(alone, key, HOST, pem(root))


def test_authorities_that_openssl_cannot_read() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    for text in (broken, "-----BEGIN CERTIFICATE-----"):
        assert (
            problem(*issued(), HOST, text)
            == "OpenSSL cannot read the authorities that vouch for the certificate"
        )


def test_an_authority_that_has_expired(tmp_path: Path) -> None:
    # Proves: that is told of the issuers, and not of a certificate that is fine.
    authority, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    begin = (NOW - 9 * DAY).strftime("%y%m%d%H%M%SZ")
    end = (NOW - DAY).strftime("%y%m%d%H%M%SZ")
    (tmp_path / "index").touch()
    config = tmp_path / "ca.cnf"
    config.write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        "copy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n[ca_ext]\nbasicConstraints=critical,CA:TRUE\n"
    )

    def run(*command: str) -> None:
        subprocess.run(["openssl", *command], cwd=tmp_path, check=True, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(*new, "-keyout", str(key), "-out", "ca.csr", "-subj", "/CN=old authority")
    base = ["ca", "-batch", "-config", str(config), "-rand_serial", "-keyfile", str(key)]
    run(*base, "-selfsign", "-in", "ca.csr", "-out", str(authority), "-startdate", begin, "-enddate", end)
    run(
        *new,
        "-keyout",
        "l.key",
        "-out",
        "l.csr",
        "-subj",
        f"/CN={HOST}",
        "-addext",
        f"subjectAltName=DNS:{HOST}",
    )
    run(*base, "-cert", str(authority), "-in", "l.csr", "-out", "l.crt", "-days", "2")
    certificate, private = (tmp_path / "l.crt").read_bytes(), (tmp_path / "l.key").read_bytes()
    assert problem(certificate, private, HOST) == ""
    words = problem(certificate, private, HOST, authority.read_text())
    assert words == "of those that have issued the certificate in tls.crt one is not valid now"


def test_when_it_expires() -> None:
    until = NOW + 5 * DAY
    assert judge(*issued(not_after=until), HOST).ends == int(until.timestamp())


def delivery_to(host: str, **more: str) -> Asked:
    return asked(
        source={"key": "tls.crt"},
        target={"key": "tls.crt", "type": "kubernetes.io/tls", "certificateFor": host, **more},
    )


def test_one_that_expires_soon_is_delivered_and_told() -> None:
    delivery, found = delivery_to(HOST), data(*issued(not_after=NOW + 15 * DAY))
    value = value_of(delivery, found)
    assert private_key(delivery, found, value, time.time()).warning == ""
    proven = private_key(delivery, found, value, time.time() + 2 * 86400)
    assert proven.more["tls.key"] == found["data"]["tls.key"]
    ends = (NOW + 15 * DAY).strftime("%Y-%m-%d %H:%M")
    words = f"the certificate in Secret team-a/hub expires on {ends} UTC: put one there that lasts longer"
    assert proven.warning == words
    status = status_of(delivery, Carried(Version("u", "1")), "2026-01-01T00:00:00Z", proven.warning)
    ready, synced = status["conditions"]
    assert (ready["status"], ready["reason"]) == ("True", "Delivered")
    assert (synced["status"], synced["reason"], synced["message"]) == ("True", "ExpiresSoon", words)


def test_one_that_the_claims_authorities_do_not_vouch_for_is_not_delivered() -> None:
    delivery, found = delivery_to(HOST, authorities=pem(trustme.CA())), data(*issued())
    with pytest.raises(Undelivered, match="none of the authorities") as refused:
        private_key(delivery, found, value_of(delivery, found), time.time())
    assert refused.value.reason == Undeliverable.CERTIFICATE_INVALID
    assert f"Put a certificate for {HOST} there, of an authority that spec.gateway.tls.ca names" in str(
        refused.value
    )


def data(certificate: bytes, key: bytes) -> dict[str, dict[str, str]]:
    return {"data": {"tls.crt": base64_of(certificate.decode()), "tls.key": base64_of(key.decode())}}


def test_a_certificate_is_delivered_with_its_key(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to(HOST), data(*good)
    value = value_of(delivery, found)
    made = secret(delivery, value, {"uid": "o"}, private_key(delivery, found, value, time.time()).more)
    assert made["data"] == found["data"]
    assert made["type"] == "kubernetes.io/tls"


def test_one_that_serves_another_host_is_not(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to("models.example.com"), data(*good)
    with pytest.raises(Undelivered, match=r"is for other names than models\.example\.com") as refused:
        private_key(delivery, found, value_of(delivery, found), time.time())
    assert refused.value.reason == Undeliverable.CERTIFICATE_INVALID
    assert str(refused.value).startswith("Secret team-a/hub: ")


def test_without_its_key_it_is_not_either(good: tuple[bytes, bytes]) -> None:
    delivery, found = delivery_to(HOST), data(*good)
    del found["data"]["tls.key"]
    with pytest.raises(Undelivered, match="holds no private key"):
        private_key(delivery, found, value_of(delivery, found), time.time())


def test_of_what_is_no_certificate_the_value_alone_is_delivered(good: tuple[bytes, bytes]) -> None:
    assert private_key(asked(source={"key": "tls.crt"}), data(*good), "eA==", 0.0).more == {}
