"""Certificates that the agent makes itself: what clients of OpenSSL say to them, and how they are renewed."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority import made, renewed
from agent.certificate import judge
from functions.api import EXPIRES_SOON
from tests.agent.api_server import Answer
from tests.agent.deliveries import COMPOSITE, NAMESPACE, ControlPlane, GpuCluster, delivery
from tests.agent.test_deliverer import quick, within_seconds, world

HOST = "models.example.org"
NOW, DAY = datetime.now(UTC), timedelta(days=1)


def plain(held: Mapping[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in held.items()}


def parsed(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def openssl(folder: Path, *command: str) -> str:
    done = subprocess.run(["openssl", *command], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def first() -> dict[str, str]:
    return made(HOST, NOW)


def test_clients_that_know_the_authority_take_it(first: dict[str, str], tmp_path: Path) -> None:
    held = plain(first)
    for name, content in held.items():
        (tmp_path / name).write_bytes(content)
    judged = judge(held["tls.crt"], held["tls.key"], HOST, held["ca.crt"].decode())
    assert judged.problem == ""
    verify = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.crt")
    assert openssl(tmp_path, *verify, "-verify_hostname", HOST, "tls.crt") == "tls.crt: OK\n"
    assert "hostname mismatch" in openssl(tmp_path, *verify, "-verify_hostname", "a.example.org", "tls.crt")


def test_what_it_is_made_of(first: dict[str, str]) -> None:
    # Proves: EC P-256, ten years and ninety days, and no key of the authority outside of its Secret.
    held = plain(first)
    authority, certificate = parsed(held["ca.crt"]), parsed(held["tls.crt"])
    for each in (authority, certificate):
        key = each.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert each.not_valid_before_utc <= NOW - timedelta(minutes=59)
    assert (authority.not_valid_after_utc - NOW).days in (3649, 3650)
    assert (certificate.not_valid_after_utc - NOW).days in (89, 90)
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    names = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert names.value.permitted_subtrees == [x509.DNSName(HOST)]
    assert held["ca.key"] not in held["tls.key"] + held["tls.crt"] + held["ca.crt"]


def signed_by(first: dict[str, str], folder: Path, names: str) -> tuple[bytes, bytes]:
    """Return a certificate that somebody with the authority's key has signed."""
    held = plain(first)
    for name in ("ca.crt", "ca.key"):
        (folder / name).write_bytes(held[name])
    new = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/O=x",
    )
    out = ("-CA", "ca.crt", "-CAkey", "ca.key", "-days", "5", "-keyout", "o.key", "-out", "o.crt")
    openssl(folder, *new, *out, "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=CA:FALSE")
    return (folder / "o.crt").read_bytes(), (folder / "o.key").read_bytes()


@pytest.mark.parametrize(
    ("name", "names"), [("bank.example.com", "DNS:bank.example.com"), ("10.0.0.1", "IP:10.0.0.1")]
)
def test_the_authority_vouches_for_its_host_alone(
    first: dict[str, str], tmp_path: Path, name: str, names: str
) -> None:
    # Proves: who trusts it need not fear for other names, whoever gets its key.
    certificate, key = signed_by(first, tmp_path, names)
    refused = judge(certificate, key, name, plain(first)["ca.crt"].decode()).problem
    assert "permitted subtree violation" in refused or "excluded subtree violation" in refused
    own, its_key = signed_by(first, tmp_path, f"DNS:{HOST}")
    assert judge(own, its_key, HOST, plain(first)["ca.crt"].decode()).problem == ""


def test_one_that_lasts_is_left_alone(first: dict[str, str]) -> None:
    assert renewed(HOST, first, NOW) == {}


def test_it_is_renewed_after_sixty_days_by_the_same_authority() -> None:
    # Proves: clients that know the authority notice nothing.
    assert renewed(HOST, made(HOST, NOW - 59 * DAY), NOW) == {}
    old = made(HOST, NOW - 61 * DAY)
    change = renewed(HOST, old, NOW)
    assert set(change) == {"tls.crt", "tls.key"}
    held = plain({**old, **change})
    assert (parsed(held["tls.crt"]).not_valid_after_utc - NOW).days in (89, 90)
    assert held["tls.key"] != plain(old)["tls.key"]
    assert judge(held["tls.crt"], held["tls.key"], HOST, held["ca.crt"].decode()).problem == ""


def test_another_host_gets_another_authority(first: dict[str, str]) -> None:
    change = renewed("other.example.org", first, NOW)
    assert set(change) == {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    held = plain(change)
    assert judge(held["tls.crt"], held["tls.key"], "other.example.org", held["ca.crt"].decode()).problem == ""
    assert parsed(held["ca.crt"]).subject != parsed(plain(first)["ca.crt"]).subject


def test_an_authority_at_its_end_is_followed_by_another() -> None:
    old = made(HOST, NOW - 3649 * DAY)
    change = renewed(HOST, old, NOW)
    assert "ca.crt" in change
    held = plain(change)
    assert judge(held["tls.crt"], held["tls.key"], HOST, held["ca.crt"].decode()).problem == ""


@pytest.mark.parametrize("broken", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("content", ["", "bm9uc2Vuc2U=", "%%", None])
def test_what_somebody_has_broken_is_made_anew(first: dict[str, str], broken: str, content: Any) -> None:
    change = renewed(HOST, {**first, broken: content}, NOW)
    if broken == "ca.key":
        assert change == {}, "it is needed at the next renewal only"
        first = made(HOST, NOW - 61 * DAY)
        change = renewed(HOST, {**first, broken: content}, NOW)
    held = plain({**first, **change})
    assert judge(held["tls.crt"], held["tls.key"], HOST, held["ca.crt"].decode()).problem == ""
    assert ("ca.crt" in change) == broken.startswith("ca")


SOURCE = "eu-gateway-certificate"
OWNER = {**COMPOSITE, "kind": "XInferenceCluster", "name": "eu-x1", "uid": "uid-of-eu-x1"}


def of_gateway(**more: Any) -> dict[str, Any]:
    target = {
        "namespace": "freehold-gateway",
        "name": "certificate",
        "key": "tls.crt",
        "type": "kubernetes.io/tls",
    }
    return delivery(
        "eu-certificate",
        source={"namespace": NAMESPACE, "name": SOURCE, "key": "tls.crt"},
        target={**target, "certificateFor": HOST, **more},
        made=True,
        owners=[OWNER],
    )


def cluster() -> GpuCluster:
    return GpuCluster(owners={"certificate": "eu-certificate"})


assert quick


def test_it_is_made_delivered_and_told(caplog: pytest.LogCaptureFixture) -> None:
    # Proves: the authority's key leaves the control plane in no request, status or log.
    place = f"{NAMESPACE}/{SOURCE}"
    with world(gpu=cluster()) as now:
        now.has(of_gateway())
        within_seconds(lambda: now.said("eu-certificate")[0] == "Delivered")
        held = now.plane.secrets[place][1]
        assert now.plane.owners[place][0]["uid"] == "uid-of-eu-x1"
        [request] = now.gpu.applied
        assert request.body["data"] == {key: held[key] for key in ("tls.crt", "tls.key")}
        status = now.plane.statuses["eu-certificate"]
        assert base64.b64encode(status["authorities"].encode()).decode() == held["ca.crt"]
        said = f"{status}{request.body}{caplog.text}"
        assert held["ca.key"] not in said
        assert "PRIVATE KEY" not in f"{status}{caplog.text}"


def test_one_that_ends_soon_is_renewed_in_its_secret() -> None:
    old = made(HOST, NOW - 70 * DAY)
    place = f"{NAMESPACE}/{SOURCE}"
    plane = ControlPlane(secrets={place: (1, old)}, owners={place: [OWNER]})
    with world(plane, cluster()) as now:
        now.has(of_gateway())
        within_seconds(lambda: now.said("eu-certificate")[0] == "Delivered")
        held = plane.secrets[place][1]
        assert held["ca.key"] == old["ca.key"]
        assert held["tls.crt"] != old["tls.crt"]
        assert now.gpu.applied[-1].body["data"]["tls.crt"] == held["tls.crt"]
        assert plane.owners[place] == [OWNER]


def test_one_that_may_not_be_renewed_is_delivered_as_it_is_and_told() -> None:
    old = made(HOST, NOW - 70 * DAY)
    place = f"{NAMESPACE}/{SOURCE}"
    plane = ControlPlane(
        secrets={place: (1, old)}, owners={place: [OWNER]}, unchanged=Answer(403, {"message": "no"})
    )
    with world(plane, cluster()) as now:
        now.has(of_gateway())
        within_seconds(lambda: now.said("eu-certificate")[0] != "")
        reason, words = now.said("eu-certificate")
        assert reason == EXPIRES_SOON
        assert "cannot be renewed" in words
        assert "apply package/install.yaml of this version" in words
        assert now.gpu.applied[-1].body["data"]["tls.crt"] == old["tls.crt"]


def test_one_that_has_expired_and_may_not_be_renewed_is_not_delivered() -> None:
    old = made(HOST, NOW - 91 * DAY)
    place = f"{NAMESPACE}/{SOURCE}"
    plane = ControlPlane(
        secrets={place: (1, old)}, owners={place: [OWNER]}, unchanged=Answer(403, {"message": "no"})
    )
    with world(plane, cluster()) as now:
        now.has(of_gateway())
        within_seconds(lambda: now.said("eu-certificate")[0] != "")
        assert now.said("eu-certificate")[0] == "NotReadable"
        assert now.gpu.applied == []
