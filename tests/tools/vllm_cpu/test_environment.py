"""The environment of `make contract`: made once, and anew after an install that was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.vllm_cpu import environment


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The folders that were installed into, in a cache of the test's own; nothing is downloaded."""
    done: list[Path] = []

    def install(where: Path) -> None:
        assert not (where / "half").exists(), "what an interrupted install left is removed first"
        (where / "lib").mkdir(parents=True)
        done.append(where)

    monkeypatch.setattr(environment, "CACHE", tmp_path)
    monkeypatch.setattr(environment, "_install", install)
    return done


def test_it_is_installed_once(installs: list[Path]) -> None:
    assert environment.provide() == environment.provide() == environment.folder()
    assert installs == [environment.folder()]


def test_an_interrupted_install_begins_anew(installs: list[Path]) -> None:
    (environment.folder() / "half").mkdir(parents=True)
    environment.provide()
    assert installs == [environment.folder()]


def test_an_install_that_failed_is_tried_again(installs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    works = environment._install

    def fails(where: Path) -> None:
        works(where)
        raise ToolError("no network")

    monkeypatch.setattr(environment, "_install", fails)
    with pytest.raises(ToolError, match="no network"):
        environment.provide()
    monkeypatch.setattr(environment, "_install", works)
    environment.provide()
    assert len(installs) == 2


def test_another_lock_is_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = environment.folder()
    lock = tmp_path / "contract.txt"
    lock.write_text(environment.LOCK.read_text().replace("torch==", "torch==9."))
    monkeypatch.setattr(environment, "LOCK", lock)
    assert environment.folder() != before


def test_a_machine_without_wheels_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "CACHE", tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(ToolError, match="Linux on x86_64"):
        environment.provide()
