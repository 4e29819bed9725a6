"""The images that are shipped, as they are made: the same bytes each time, small, and their processes run.

What runs here runs in the image's own file system, read-only and as its user. The first time 30 MB are
downloaded.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from functions.catalog import image
from tests.rootfs import command, needs_root, unpacked
from tools import paths
from tools.definitions import Definitions
from tools.images.command import build
from tools.images.kinds import KINDS
from tools.images.kinds.names import version
from tools.images.store import Built, Store
from tools.inputs import as_xr
from tools.manifests import load
from tools.rendering import render
from tools.servers import running

SHIPPED = ("functions", "agent")
MEGABYTES = 40
"""The most that an image may be as it is pulled."""
PROGRAMS = {"python", "python3", "python3.11"}
"""No shell, no package manager."""
OURS = re.compile(rb"%b|%b|/tmp/tmp\w{8}/" % tuple(re.escape(bytes(p)) for p in (paths.ROOT, paths.CACHE)))
"""Folders of this machine."""


@pytest.fixture(scope="module")
def images() -> dict[str, Built]:
    return {name: build(name) for name in SHIPPED}


@pytest.fixture(scope="module")
def roots(images: dict[str, Built], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    needs_root()
    return {name: unpacked(built, tmp_path_factory.mktemp(name)) for name, built in images.items()}


def entries(built: Built) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    found = {}
    for layer in built.layers:
        with tarfile.open(built.blob(layer["digest"])) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                found[member.name] = (member, file.read() if file else b"")
    return found


def test_made_again_in_other_folders_an_image_is_the_same(
    images: dict[str, Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert build("functions", store=Store(tmp_path / "store")).digest == images["functions"].digest


@pytest.mark.parametrize("name", SHIPPED)
def test_what_an_image_holds(name: str, images: dict[str, Built]) -> None:
    built = images[name]
    found = entries(built)
    assert built.size < MEGABYTES * 1e6
    assert {
        p.rpartition("/")[2] for p, (m, _) in found.items() if m.mode & 0o111 and p.startswith("usr/bin/")
    } == PROGRAMS
    assert [path for path, (member, _) in found.items() if member.mode & 0o6000] == []
    assert [path for path, (_, content) in found.items() if OURS.search(content)] == []
    assert f"usr/lib/python3/dist-packages/{name}/__main__.py" in found
    assert f"usr/lib/python3/dist-packages/{name}/__pycache__/__main__.cpython-311.pyc" in found


@pytest.mark.parametrize("name", [*SHIPPED, "function-vllm", "configuration-freehold"])
def test_an_image_says_of_which_commit_it_is(name: str) -> None:
    git = ["git", "-C", str(paths.ROOT)]
    head, changed = (
        subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
    )
    dirty = "-dirty" if changed else ""
    said = build(name).config["config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert said[f"{prefix}title"] == name
    assert said[f"{prefix}revision"] == f"{head}{dirty}"
    assert said[f"{prefix}version"] == f"{version()}{dirty}"


def test_images_share_the_layer_of_python(images: dict[str, Built]) -> None:
    assert len({built.layers[0]["digest"] for built in images.values()}) == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_the_other_architecture_is_made_here(name: str) -> None:
    built = build(name, "arm64")
    assert built.config["architecture"] == "arm64"
    machines = {content[18:20] for _, content in entries(built).values() if content[:4] == b"\x7fELF"}
    assert machines == {b"\xb7\x00"}, "EM_AARCH64 alone"


def test_the_agent_has_the_name_that_its_pod_asks_for() -> None:
    kind = KINDS["agent"]
    assert f"ghcr.io/{kind.repository}:{kind.tag}" == image("agent")


def test_the_agent_starts(images: dict[str, Built], roots: dict[str, Path]) -> None:
    words = ["python", "-m", "agent", "--help"]  # as in the pod
    done = subprocess.run(
        command(images["agent"], roots["agent"], *words), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: agent ")


def test_the_agent_alone_makes_certificates(images: dict[str, Built], roots: dict[str, Path]) -> None:
    """With what the wheels bring, on the image's own libraries."""
    script = (
        "import sys; from datetime import UTC, datetime; import agent.__main__; "
        "assert 'cryptography' not in sys.modules, 'an agent that makes none loads none of it'; "
        "from agent.authority import made; print(sorted(made('h.example.org', datetime.now(UTC))))"
    )
    words = ["python3", "-c", script]
    done = subprocess.run(
        command(images["agent"], roots["agent"], *words), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['ca.crt', 'ca.key', 'tls.crt', 'tls.key']\n", "")
    assert not [path for path in entries(images["functions"]) if "/cryptography/" in path]


def test_a_process_is_nobody_and_changes_nothing(images: dict[str, Built], roots: dict[str, Path]) -> None:
    script = "import os; print(os.getuid(), os.getgid(), os.getgroups()); open('/tmp/x', 'w')"
    words = ["python3", "-c", script]
    done = subprocess.run(
        command(images["functions"], roots["functions"], *words), capture_output=True, text=True, check=False
    )
    assert done.stdout == "65532 65532 [65532]\n"
    assert "Read-only file system: '/tmp/x'" in done.stderr


def test_the_functions_render_what_they_do_here(images: dict[str, Built], roots: dict[str, Path]) -> None:
    definitions = Definitions()
    [claim] = load(paths.EXAMPLES / "existing" / "small.yaml")
    xr = as_xr(claim, definitions)
    with running() as here, running(command=command(images["functions"], roots["functions"])) as there:
        expected, found = (render(xr, s.targets, definitions=definitions) for s in (here, there))
    assert found.composed, "something was rendered"
    assert (found.composed, found.xr, found.fatal) == (expected.composed, expected.xr, None)
