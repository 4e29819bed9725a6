from pathlib import Path

import pytest

from tools import toolchain
from tools.control_plane.binaries import ETCD
from tools.errors import ToolError
from tools.toolchain import (
    ADMISSION,
    CORE,
    Tool,
    built,
    check_installed,
    fingerprint,
    flags,
    pinned_version,
    provide,
    render_engine,
)


def _binary(folder: Path, script: str) -> Path:
    path = folder / "crossplane"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_an_installed_binary_is_accepted(tmp_path: Path) -> None:
    check_installed(CORE, _binary(tmp_path, "echo v2.4.1"))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo v2.3.9", r"is v2.3.9; Freehold needs v2.4.0 or newer"),
        ("echo hello", r"answers 'hello\\n': is it the Crossplane core"),
        ("echo broken >&2; exit 4", r"exits 4:\nbroken"),
    ],
)
def test_an_unusable_binary_is_refused(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        check_installed(CORE, _binary(tmp_path, script))


def test_a_missing_binary_is_refused_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"CROSSPLANE_CORE=.*there is no such file"):
        check_installed(CORE, tmp_path / "none")


@pytest.fixture
def nothing_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in (CORE.variable, ADMISSION.variable):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(toolchain, "MADE", tmp_path / "made")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("nothing_built")
def test_the_binary_is_the_named_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = _binary(tmp_path, "true")
    monkeypatch.setenv(CORE.variable, str(named))
    assert render_engine() == named
    monkeypatch.setenv(CORE.variable, str(tmp_path / "none"))
    with pytest.raises(ToolError, match="CROSSPLANE_CORE names it"):
        render_engine()


@pytest.mark.usefixtures("nothing_built")
def test_without_a_binary_it_says_what_builds_one() -> None:
    with pytest.raises(ToolError, match="`freehold build` builds it"):
        built(ADMISSION)


@pytest.mark.usefixtures("nothing_built")
def test_a_core_on_the_path_renders_without_a_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = _binary(tmp_path, f"echo {pinned_version(CORE)}")
    wanted: list[Tool] = []
    monkeypatch.setattr(toolchain, "provide", lambda *tools: wanted.extend(tools))
    toolchain.for_a_render()
    assert wanted == [ADMISSION]
    assert render_engine() == found


@pytest.mark.usefixtures("nothing_built")
@pytest.mark.parametrize(
    "script", ["echo v2.3.9", "echo v2.99.0", "exit 1", "echo Client Version: v2.4.0 >&2; exit 80"]
)
def test_another_version_and_the_command_line_are_no_core(
    script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _binary(tmp_path, script)
    wanted: list[Tool] = []
    monkeypatch.setattr(toolchain, "provide", lambda *tools: wanted.extend(tools))
    toolchain.for_a_render()
    assert wanted == [ADMISSION, CORE]


def test_the_versions_are_those_of_go_mod() -> None:
    assert pinned_version(CORE) in " ".join(flags(CORE))
    assert fingerprint(ADMISSION) != fingerprint(CORE)


def test_only_what_is_missing_is_built_and_how_long_it_takes_is_said_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a compiler that writes a script in place of each binary."""
    built = []

    def compile_(tool: Tool) -> None:
        built.append(tool.name)
        tool.binary.parent.mkdir(parents=True, exist_ok=True)
        tool.binary.write_text("#!/bin/sh\necho etcd Version: 3.9.9 v9.9.9\n")
        tool.binary.chmod(0o755)

    monkeypatch.setattr(toolchain, "MADE", tmp_path)
    monkeypatch.setattr(toolchain, "build", compile_)
    provide(CORE)
    capsys.readouterr()
    provide(ETCD, CORE)
    assert f"building {ETCD.name}, once: about {ETCD.minutes} minute" in capsys.readouterr().err
    provide(ETCD, CORE)
    assert built == [CORE.name, ETCD.name]
    assert capsys.readouterr().err == ""
