from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tools.control_plane.certificates import Authority, signing_key


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "made")


@pytest.fixture(scope="module")
def served(authority: Authority) -> Path:
    return authority.serve("kube-apiserver", "kubernetes.default.svc")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
def test_a_server_is_trusted_by_its_names(served: Path, host: str) -> None:
    assert handshake(served, served / "ca.crt", host) is None


def test_an_authority_goes_on_where_it_was_made(authority: Authority) -> None:
    served = Authority.of(authority.folder).serve("later")
    assert handshake(served, authority.certificate, "localhost") is None


def test_a_server_is_not_trusted_by_other_names(served: Path) -> None:
    error = handshake(served, served / "ca.crt", "example.com")
    assert error is not None
    assert "doesn't match" in str(error) or "mismatch" in str(error)


def test_another_authority_does_not_trust_it(served: Path, tmp_path: Path) -> None:
    error = handshake(served, Authority(tmp_path).certificate, "localhost")
    assert error is not None


def handshake(served: Path, authority: Path, host: str) -> ssl.SSLError | None:
    """Return what a client that trusts the authority has against the server."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(served / "tls.crt", served / "tls.key")
    client = ssl.create_default_context(cafile=str(authority))
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=_answer, args=(server, theirs))
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=host).close()
    except ssl.SSLError as error:
        return error
    finally:
        ours.close()
        thread.join()
    return None


def _answer(context: ssl.SSLContext, connection: socket.socket) -> None:
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()


def test_the_key_of_the_authority_is_pkcs1(authority: Authority) -> None:
    """Crossplane parses nothing else."""
    assert authority.key.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----\n")


def test_no_key_is_for_others_to_read(authority: Authority, served: Path, tmp_path: Path) -> None:
    signing = tmp_path / "service-accounts.key"
    signing_key(signing)
    assert "PRIVATE KEY" in signing.read_text()
    modes = [path.stat().st_mode & 0o777 for path in (authority.key, served / "tls.key", signing)]
    assert modes == [0o600] * 3
