"""Our packages, published to a real registry that asks for a password: as a platform team publishes its own build."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tools.control_plane import registry
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.processes import Processes
from tools.errors import ToolError
from tools.images import command
from tools.images.registry import Registry

OWN = "registry.example.org/platform"
NAMES = ("function-vllm", "configuration-freehold")
PASSWORD = "a password"
PASSWORDS = "platform:$2b$04$dERMjDdMYPxhNO32D6YweecvqhCtoyS3hooJEBImjKUHEwsaLbeT.\n"
"""The registry's file of passwords, of bcrypt."""


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Start a registry that is closed; nobody is logged in."""
    layout = Layout(tmp_path / "registry")
    layout.folder.mkdir()
    passwords = layout.folder / "passwords"
    passwords.write_text(PASSWORDS)
    monkeypatch.setenv("REGISTRY_AUTH_HTPASSWD_REALM", "platform")
    monkeypatch.setenv("REGISTRY_AUTH_HTPASSWD_PATH", str(passwords))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    processes, ports = Processes(layout.folder), Ports(*free_ports(len(fields(Ports))))
    try:
        yield registry.start(processes, layout, ports, Authority(layout.certificates))
    finally:
        processes.stop_all()


def push(remote: Registry, tag: str = "v0.1.0") -> None:
    command.run(NAMES, ["amd64", "arm64"], OWN, tag, remote.host, remote.authority, None)


def test_a_platform_team_publishes_its_own_build(
    real: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolError, match=f"the registry {real.host} asks for credentials"):
        push(real)
    auth = base64.b64encode(f"platform:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {real.host: {"auth": auth}}}))
    push(real)
    assert all(real.digest(f"platform/{name}", "v0.1.0") for name in NAMES)
    capsys.readouterr()
    push(real)
    assert capsys.readouterr().err.count("is there already") == len(NAMES)
    # Of one architecture it is another image.
    with pytest.raises(ToolError, match=r"is there already with other contents .* Nothing was pushed"):
        command.run([NAMES[1]], ["amd64"], OWN, "v0.1.0", real.host, real.authority, None)
    with pytest.raises(ToolError, match=r"the registry 127\.0\.0\.1:1 is not reached"):
        command.run([NAMES[1]], ["amd64"], OWN, "v0.1.0", "127.0.0.1:1", real.authority, None)
