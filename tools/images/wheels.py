"""The wheels of a lock, unpacked for an image's Python and architecture, whatever this machine's are."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from tools.console import working
from tools.errors import ToolError
from tools.images.tree import Entry, from_folder, mounted
from tools.paths import CACHE
from tools.uv import run, uv

__all__ = ["SITE", "tree"]

SITE = "/usr/lib/python3/dist-packages"
"""Where Debian's Python looks for packages."""
_PYTHON = "3.11"
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}


def tree(lock: Path, architecture: str) -> dict[str, Entry]:
    """Return the packages that a file of requirements pins by hash, below SITE.

    Their programs and what the installer noted of itself are left out: both name paths of this machine.
    Raises ToolError when a package has no wheel for the architecture, or its hash is not pinned.
    """
    return mounted(from_folder(_unpacked(lock, architecture), _is_shipped), SITE)


def _unpacked(lock: Path, architecture: str) -> Path:
    if architecture not in _PLATFORMS:
        raise ToolError(f"no wheels for {architecture}: one of {', '.join(_PLATFORMS)}")
    key = hashlib.sha256(f"{_PYTHON} {_PLATFORMS[architecture]}\n".encode() + lock.read_bytes()).hexdigest()
    target = CACHE / "freehold" / "wheels" / f"{lock.stem}-{architecture}-{key[:12]}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        working(f"unpacking the wheels of {lock.name} for {architecture}"),
        tempfile.TemporaryDirectory(dir=target.parent) as partial,
    ):
        place = Path(partial) / "site"
        options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
        platform = ["--python-version", _PYTHON, "--python-platform", _PLATFORMS[architecture]]
        run(
            [
                uv(),
                "pip",
                "install",
                "--quiet",
                "--target",
                place,
                *platform,
                *options,
                "--requirements",
                lock,
            ]
        )
        try:
            place.rename(target)
        except OSError:
            # Another process was faster.
            shutil.rmtree(place)
    return target


def _is_shipped(path: str) -> bool:
    """Tell whether a file of a folder of packages is the packages' own, and not the installer's."""
    top, _, rest = path.partition("/")
    if top in {"bin", ".lock", "include", "share", "etc", "man"} or "/__pycache__/" in f"/{path}":
        return False
    return not (
        top.endswith(".dist-info") and rest in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    )
