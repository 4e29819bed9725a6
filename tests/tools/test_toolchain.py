from pathlib import Path

import pytest

from tools import paths
from tools.errors import ToolError
from tools.toolchain import CLI, CORE, check_installed, fingerprint, flags, pinned_version


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


def test_the_binary_is_the_named_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = _binary(tmp_path, "true")
    monkeypatch.setenv("CROSSPLANE", str(named))
    assert paths.crossplane() == named
    monkeypatch.setenv("CROSSPLANE", str(tmp_path / "none"))
    with pytest.raises(ToolError, match="CROSSPLANE names it"):
        paths.crossplane()


def test_the_versions_are_those_of_go_mod() -> None:
    assert pinned_version(CLI).startswith("v2.")
    assert pinned_version(CORE) in " ".join(flags(CORE))
    assert fingerprint(CLI) != fingerprint(CORE)
