"""The command as `pip install .` leaves it: outside of a clone, with the files that it reads."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import paths


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in sorted(set(listed.stdout.splitlines())):
        if (paths.ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).symlink_to(paths.ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, source], check=True)
    [wheel] = folder.glob("freehold-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(installed / "cache")}
    command = [sys.executable, "-P", "-m", "tools", *arguments]
    return subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


def test_a_plan_needs_no_clone(installed: Path) -> None:
    examples = [str(paths.EXAMPLES / name) for name in ("models/minimal.yaml", "aws/small.yaml")]
    done = run(installed, "plan", *examples)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nPlaced=True Placed: on platform/eu-prod, node pool l4" in done.stdout


def test_what_a_render_builds_from_is_installed(installed: Path) -> None:
    for name in (
        "go/admission/main.go",
        "go/admission/go.sum",
        "go/crossplane-core/go.mod",
        "files/requirements/go.txt",
    ):
        assert (installed / "tools" / name).is_file(), name
    assert (installed / "tools/files/xrds/xmodels.yaml").is_file()


@pytest.mark.parametrize("command", [["demo"], ["up"], ["down"], ["build", "--control-plane"]])
def test_what_needs_a_clone_says_so(
    installed: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ADMISSION", "CROSSPLANE_CORE"):
        monkeypatch.setenv(variable, str(paths.MADE / "bin" / "admission"))
    done = run(installed, *command)
    assert (done.returncode, done.stderr) == (
        1,
        f"`freehold {' '.join(command)}` needs a clone of the project: run it there, after `make venv`\n",
    )
