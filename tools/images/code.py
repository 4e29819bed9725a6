"""Our own packages as a layer: the files of the clone that git knows or would add."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.errors import ToolError
from tools.images import python, wheels
from tools.images.image import Part
from tools.images.tree import File, mounted
from tools.paths import ROOT

__all__ = ["part", "site"]


def part(name: str, *paths: str) -> Part:
    """Return the layer with some folders and files of the clone, Python packages; by default that `name`."""
    files = _files(paths or (name,))
    inputs = [each for path, file in sorted(files.items()) for each in (path.encode(), file.read())]
    return Part(f"code of {name}", inputs, lambda: python.compiled(mounted(files, wheels.SITE)))


def site(lock: Path, architecture: str, *without: str) -> Part:
    """Return the layer with the packages that a file of requirements pins, without some folders of them."""
    inputs = [lock.read_bytes(), architecture.encode(), *(folder.encode() for folder in without)]
    return Part(
        f"packages of {lock.name}",
        inputs,
        lambda: python.compiled(wheels.tree(lock, architecture, without)),
        materials=wheels.materials(lock, architecture),
    )


def _files(paths: tuple[str, ...]) -> dict[str, File]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"the files of {', '.join(paths)} are those that git lists, and:\n{done.stderr}")
    # A file that was removed and not yet committed is listed all the same.
    found = [path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]
    return {path: File(ROOT / path) for path in found}
