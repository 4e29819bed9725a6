"""Publishing: all of a version or nothing, with the credentials that `docker login` left."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.images.played_registry import BASIC, PASSWORD, USER, Played, serving
from tools.errors import ToolError
from tools.images import command, credentials
from tools.images.image import Image, Part
from tools.images.kinds import KINDS
from tools.images.publish import Version, publish
from tools.images.store import Store
from tools.images.tree import File


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's credentials."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"


@pytest.fixture
def versions(tmp_path: Path) -> list[Version]:
    return made(tmp_path, "1")


def made(folder: Path, content: str, architectures: Sequence[str] = ("amd64", "arm64")) -> list[Version]:
    """Two images, the second a package that depends on the first."""
    store = Store(folder / "store")
    return [
        Version(
            replace(KINDS["functions"], name=name, reference=f"r.example.org/own/{name}:v1"),
            [
                store.build(
                    name,
                    Image(
                        [Part(name, [content.encode()], lambda: {"a": File(content.encode())})],
                        architecture=each,
                    ),
                )
                for each in architectures
            ],
        )
        for name in ("function", "configuration")
    ]


def login(home: Path, host: str, **entry: str) -> None:
    (home / "config.json").write_text(json.dumps({"auths": {host: entry}}))


def test_tags_are_set_at_the_end_and_in_order(versions: list[Version]) -> None:
    played = Played()
    with serving(played) as remote:
        publish(remote, versions)
    assert played.tags == ["own/function:v1", "own/configuration:v1"]
    index = json.loads(played.manifests["own/function:v1"])
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    assert {f"own/function:{each['digest']}" for each in index["manifests"]} <= played.manifests.keys()
    assert played.blobs == {
        f"{each.kind.repository}:sha256:{path.name}"
        for each in versions
        for built in each.builts
        for path in built.blobs
    }


def test_the_digest_of_what_a_tag_names_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what a release signs, and what Crossplane verifies."""
    played, name = Played(), "configuration-freehold"
    with serving(played) as remote:
        command.run(
            [name], ["amd64", "arm64"], "r.example.org/own", "v1", f"http://{remote.host}", None, None
        )
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    printed = {architecture: digest for _, architecture, digest, *_ in rows[1:]}
    assert printed.keys() == {"amd64", "arm64", command.INDEX}
    tagged = hashlib.sha256(played.manifests[f"own/{name}:v1"]).hexdigest()
    assert printed[command.INDEX] == f"sha256:{tagged}"


def test_what_is_there_already_is_left_alone(
    versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    played = Played()
    with serving(played) as remote:
        publish(remote, versions)
        capsys.readouterr()
        publish(remote, versions)
    assert len(played.tags) == 2
    assert "own/configuration:v1 is there already\n" in capsys.readouterr().err


def test_a_version_is_published_once(versions: list[Version], tmp_path: Path) -> None:
    """The second image is there with other contents: nothing is sent of the first either."""
    played = Played()
    with serving(played) as remote:
        publish(remote, made(tmp_path, "other")[1:])
        before = dict(played.manifests), set(played.blobs)
        said = (
            rf"^{re.escape(remote.host)}/own/configuration:v1 is there already with other contents "
            r"\(sha256:[0-9a-f]{64}\), and a version is published once: raise the version in "
            r"pyproject\.toml, or name another by --tag\. Nothing was pushed$"
        )
        with pytest.raises(ToolError, match=said):
            publish(remote, versions)
        assert (dict(played.manifests), set(played.blobs)) == before


def test_a_push_that_is_refused_half_way_sets_no_tag(versions: list[Version]) -> None:
    played = Played()
    played.refused = "own/configuration/blobs/uploads"
    with serving(played) as remote:
        said = r"answers 403 \(the credentials may not push there\) to POST /v2/own/configuration/.*: denied$"
        with pytest.raises(ToolError, match=said):
            publish(remote, versions)
        assert played.tags == []
        played.refused = ""
        publish(remote, versions)
    assert len(played.tags) == 2, "it goes on"


@pytest.mark.parametrize("asks", ["basic", "bearer"])
def test_a_registry_that_asks(asks: str, versions: list[Version], home: Path) -> None:
    played = Played(asks)
    with serving(played) as remote:
        login(home, remote.host, auth=BASIC.removeprefix("Basic "))
        publish(remote, versions)
    assert len(played.tags) == 2
    scopes = [f"repository:own/{name}:pull,push" for name in ("function", "configuration")]
    assert played.scopes == (scopes if asks == "bearer" else []), "one for each repository"


@pytest.mark.parametrize("asks", ["basic", "bearer"])
def test_without_credentials(asks: str, versions: list[Version], home: Path) -> None:
    with serving(Played(asks)) as remote:
        said = (
            f"the registry {remote.host} asks for credentials, and {home / 'config.json'} has none of it: "
            f"`docker login {remote.host}` writes them"
        )
        with pytest.raises(ToolError, match=f"^{re.escape(said)}$"):
            publish(remote, versions)


def test_a_wrong_password(versions: list[Version], home: Path) -> None:
    wrong = base64.b64encode(b"platform:another").decode()
    with serving(Played("basic")) as remote:
        login(home, remote.host, auth=wrong)
        with pytest.raises(
            ToolError, match=r"answers 401 \(the credentials are wrong\) to HEAD /v2/own/function/"
        ):
            publish(remote, versions)
    with serving(Played("bearer")) as remote:
        login(home, remote.host, auth=wrong)
        said = r"/token gives no token for own/function \(401\): the credentials of .* are wrong, or may not"
        with pytest.raises(ToolError, match=said):
            publish(remote, versions)


def test_a_helper_keeps_the_password(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-credential-kept"
    program.write_text(
        "#!/bin/sh\nread host\n"
        '[ "$1 $host" = "get r.example.org" ] || { echo "credentials not found in native keychain"; exit 1; }\n'
        f'printf \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (home / "config.json").write_text(json.dumps({"credsStore": "kept"}))
    assert credentials.find("r.example.org") == credentials.Credentials(USER, PASSWORD)
    assert credentials.find("another.example.org") is None
    (home / "config.json").write_text(json.dumps({"credHelpers": {"r.example.org": "lost"}}))
    with pytest.raises(
        ToolError, match=r"names docker-credential-lost for r\.example\.org, which does not run"
    ):
        credentials.find("r.example.org")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ('{"auths": {"r.example.org": {"auth": "?"}}}', "is not USER:PASSWORD in base64"),
    ],
)
def test_credentials_that_cannot_be_read(content: str, said: str, home: Path) -> None:
    (home / "config.json").write_text(content)
    with pytest.raises(ToolError, match=said):
        credentials.find("r.example.org")


@pytest.mark.parametrize("realm", ["http://tokens.example.org", "http://127.0.0.1.example.org/token"])
def test_a_password_goes_to_no_address_without_tls(realm: str, versions: list[Version], home: Path) -> None:
    played = Played("bearer")
    with serving(played) as remote:
        login(home, remote.host, auth=BASIC.removeprefix("Basic "))
        played.realm = realm
        with pytest.raises(ToolError, match="which is no https address"):
            publish(remote, versions)
