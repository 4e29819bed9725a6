"""The wheels of a lock, unpacked for an image's Python and architecture, whatever this machine's are."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from tools.console import working
from tools.errors import ToolError
from tools.images.image import Material
from tools.images.tree import Entry, from_folder, mounted
from tools.paths import CACHE
from tools.uv import run, uv

__all__ = ["SITE", "downloaded", "materials", "tree"]

SITE = "/usr/lib/python3/dist-packages"
"""Where Debian's Python looks for packages."""
_PYTHON = "3.11"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = (*range(28, 16, -1), *range(36, 28, -1))
"""Minor versions of glibc that wheels may be made for: manylinux2014 is 17, Debian's 36."""

_INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""What an installer notes of itself in a package's metadata."""


def tree(lock: Path, architecture: str, without: Sequence[str] = ()) -> dict[str, Entry]:
    """Return the packages that a file of requirements pins by hash, below SITE, without some folders of them.

    Their programs and what the installer noted of itself are left out: both name paths of this machine.
    Raises ToolError when a package has no wheel for the architecture, or its hash is not pinned.
    """
    left_out = tuple(f"{folder}/" for folder in without)

    def is_shipped(path: str) -> bool:
        return _is_shipped(path) and not f"{path}/".startswith(left_out)

    return mounted(from_folder(_unpacked(lock, architecture), is_shipped), SITE)


def materials(lock: Path, architecture: str) -> list[Material]:
    """Return the wheels that the packages of a file of requirements are unpacked from, downloaded if need be.

    Raises ToolError as `tree` does.
    """
    found = []
    for file in sorted(downloaded(lock, architecture).iterdir()):
        name, version = file.name.split("-")[:2]
        package = f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version, safe='')}"
        uri = f"{package}?file_name={quote(file.name)}"
        found.append(Material(uri, hashlib.sha256(file.read_bytes()).hexdigest()))
    return found


def downloaded(lock: Path, architecture: str) -> Path:
    """Return the folder with the wheels of a lock, downloaded if need be. Raises ToolError as `tree` does."""
    if architecture not in _MACHINES:
        raise ToolError(f"no wheels for {architecture}: one of {', '.join(_MACHINES)}")
    machine = _MACHINES[architecture]
    platforms = [*(f"manylinux_2_{minor}_{machine}" for minor in _GLIBC), f"manylinux2014_{machine}"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    pip += ["--require-hashes", "--no-deps", "--only-binary=:all:"]
    pip += ["--implementation=cp", f"--python-version={_PYTHON}"]
    pip += [f"--platform={each}" for each in platforms]
    pip += [f"--abi={each}" for each in ("cp311", "abi3", "none")]

    def download(place: Path) -> None:
        run([*pip, f"--dest={place}", f"--requirement={lock}"])

    return _once("downloading", lock, architecture, download)


def _unpacked(lock: Path, architecture: str) -> Path:
    wheels = downloaded(lock, architecture)
    platform = f"{_MACHINES[architecture]}-manylinux_2_28"

    def unpack(place: Path) -> None:
        command: list[str | Path] = [uv(), "pip", "install", "--quiet", "--target", place]
        command += ["--python-version", _PYTHON, "--python-platform", platform, "--link-mode", "copy"]
        command += ["--no-index", "--find-links", wheels, "--require-hashes", "--no-deps"]
        run([*command, "--requirements", lock])

    return _once("unpacking", lock, architecture, unpack)


def _once(doing: str, lock: Path, architecture: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache that follows from a lock and an architecture, made unless it is there."""
    key = hashlib.sha256(f"{_PYTHON} {architecture} {doing}\n".encode() + lock.read_bytes()).hexdigest()
    target = CACHE / "freehold" / "wheels" / f"{lock.stem}-{architecture}-{key[:12]}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        working(f"{doing} the wheels of {lock.name} for {architecture}"),
        tempfile.TemporaryDirectory(dir=target.parent) as partial,
    ):
        place = Path(partial) / "made"
        place.mkdir()
        make(place)
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
    return not (top.endswith(".dist-info") and rest in _INSTALLERS)
