"""Charts out of registries and indexed repositories, over real TLS: with passwords, tokens, and faults of theirs."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from urllib3 import ProxyManager

from agent import repository as module
from agent.repository import ChartUnreadable, Credentials, fetch
from tests import tls
from tests.agent.repositories import BASIC, Asked, Said, registry, serving

US = Credentials("us", "secret")
ARCHIVE = b"an archive"
CHARTS = {"charts/lws:v0.10.0": ARCHIVE, "charts/lws:1.0.0_build.1": b"another"}


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.folder() / "ca.crt"))
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")


def test_a_chart_of_a_registry() -> None:
    # Proves: by its version, whose + is a _ in a tag.
    with serving(registry(CHARTS)) as (host, _):
        assert fetch(f"oci://{host}/charts", "lws", "v0.10.0", None) == ARCHIVE
        assert fetch(f"oci://{host}/charts/", "lws", "1.0.0+build.1", None) == b"another"


def test_a_registry_with_a_password() -> None:
    def gate(asked: Asked) -> Said | None:
        if asked.authorization == BASIC:
            return None
        return Said(401, headers={"WWW-Authenticate": 'Basic realm="here"'})

    with serving(registry(CHARTS, gate)) as (host, _):
        assert fetch(f"oci://{host}/charts", "lws", "v0.10.0", US) == ARCHIVE
        for wrong in (None, Credentials("us", "wrong")):
            with pytest.raises(ChartUnreadable, match="pullSecretRef"):
                fetch(f"oci://{host}/charts", "lws", "v0.10.0", wrong)


@pytest.mark.parametrize("credentials", [None, US])
def test_a_registry_with_tokens(credentials: Credentials | None) -> None:
    # Proves: as public registries do, where nobody has a password either.
    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            assert asked.path == "/token?service=s&scope=repository%3Acharts%2Flws%3Apull"
            assert asked.authorization == (BASIC if credentials else "")
            return Said(200, b'{"token": "t"}')
        if asked.authorization != "Bearer t":
            realm = f"https://{host}/token"
            scope = f'Bearer realm="{realm}",service="s",scope="repository:charts/lws:pull"'
            return Said(401, headers={"WWW-Authenticate": scope})
        return registry(CHARTS)(asked)  # type: ignore[no-any-return]

    with serving(answer) as (host, asked):
        assert fetch(f"oci://{host}/charts", "lws", "v0.10.0", credentials) == ARCHIVE
    assert [each.path.split("?")[0] for each in asked].count("/token") == 1


def test_a_chart_of_an_index() -> None:
    # Proves: relative addresses and whole ones; a password goes to the repository's own host alone.
    with serving(lambda _: Said(200, b"elsewhere")) as (other, asked_other):
        index = f"""
entries:
  lws:
  - {{version: v0.10.0, urls: [lws-v0.10.0.tgz]}}
  - {{version: v0.9.0, urls: ["https://{other}/lws-v0.9.0.tgz"]}}
  - {{version: v0.8.0, urls: [lws-v0.8.0.tgz], digest: "00"}}
"""

        def answer(asked: Asked) -> Said:
            if asked.authorization != BASIC:
                return Said(401)
            return Said(200, index.encode() if asked.path.endswith("index.yaml") else asked.path.encode())

        with serving(answer) as (host, _):
            assert fetch(f"https://{host}/a", "lws", "v0.10.0", US) == b"/a/lws-v0.10.0.tgz"
            assert fetch(f"https://{host}/a", "lws", "v0.9.0", US) == b"elsewhere"
            with pytest.raises(ChartUnreadable, match="another archive than it says"):
                fetch(f"https://{host}/a", "lws", "v0.8.0", US)
            with pytest.raises(ChartUnreadable, match=r"has no chart lws of version v0\.7\.0"):
                fetch(f"https://{host}/a", "lws", "v0.7.0", US)
            with pytest.raises(ChartUnreadable, match=r"refuses \(401\)"):
                fetch(f"https://{host}/a", "lws", "v0.10.0", None)
    assert asked_other == [Asked("/lws-v0.9.0.tgz", "")]


def test_a_redirection_keeps_the_password_here() -> None:
    with serving(lambda _: Said(200, ARCHIVE)) as (other, asked_other):
        blobs = registry(CHARTS)

        def answer(asked: Asked) -> Said:
            if "/blobs/" in asked.path:
                return Said(307, headers={"Location": f"https://{other}/storage"})
            if not asked.authorization:
                return Said(401, headers={"WWW-Authenticate": "Basic"})
            return blobs(asked)  # type: ignore[no-any-return]

        with serving(answer) as (host, _):
            assert fetch(f"oci://{host}/charts", "lws", "v0.10.0", US) == ARCHIVE
    assert asked_other == [Asked("/storage", "")]


def without_tls(_: Asked) -> Said:
    return Said(302, headers={"Location": "http://127.0.0.1:1/x"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(lambda _: Said(404), r"has no chart lws of version v0\.10\.0", id="no-chart"),
        pytest.param(lambda _: Said(403), r"refuses \(403\)", id="forbidden"),
        pytest.param(lambda _: Said(503), "answers 503", id="down"),
        pytest.param(lambda _: Said(200, b"<html>"), "does not answer as a chart repository does", id="page"),
        pytest.param(
            lambda _: Said(200, b'{"layers": []}'), "does not answer as a chart", id="no-chart-in-it"
        ),
        pytest.param(without_tls, "is no https address", id="sent-elsewhere-without-tls"),
        pytest.param(
            lambda asked: Said(302, headers={"Location": asked.path}),
            "too many redirections",
            id="in-circles",
        ),
        pytest.param(lambda _: Said(200, b" " * (2**20 + 1)), "longer than", id="endless"),
        pytest.param(
            lambda _: Said(401, headers={"WWW-Authenticate": "Negotiate"}),
            "does not answer as",
            id="kerberos",
        ),
        pytest.param(
            lambda a: Said(401, headers={"WWW-Authenticate": f'Bearer realm="http://{a.path}"'}),
            "is no https address",
            id="token-without-tls",
        ),
    ],
)
def test_faults_are_told_in_words(answer: Callable[[Asked], Said], words: str) -> None:
    with serving(answer) as (host, _), pytest.raises(ChartUnreadable, match=words):
        fetch(f"oci://{host}/charts", "lws", "v0.10.0", US)


def test_a_blob_that_is_another_is_refused() -> None:
    whole = registry(CHARTS)

    def answer(asked: Asked) -> Said:
        return Said(200, b"bad") if "/blobs/" in asked.path else whole(asked)

    with serving(answer) as (host, _), pytest.raises(ChartUnreadable, match="another archive than it says"):
        fetch(f"oci://{host}/charts", "lws", "v0.10.0", None)


def test_who_is_not_trusted_or_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving(registry(CHARTS)) as (host, _), pytest.raises(ChartUnreadable, match="does not answer"):
        fetch(f"oci://{host}/charts", "lws", "v0.10.0", None)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        here = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(ChartUnreadable, match="does not answer"):
            fetch(f"oci://{here}/charts", "lws", "v0.10.0", None)


def test_a_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Proves: the variables that provider-helm goes by.
    monkeypatch.setenv("no_proxy", "")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert isinstance(module._manager("mirror.example.org"), ProxyManager)
        monkeypatch.setenv("no_proxy", "mirror.example.org")
        assert not isinstance(module._manager("mirror.example.org"), ProxyManager)
