"""Built programs in the user's cache, for other clones: to link a control plane's anew takes minutes."""

import os
import shutil
import time
from pathlib import Path

from tools.paths import CACHE

__all__ = ["FOLDER", "forget", "keep", "take"]

FOLDER = CACHE / "freehold" / "built"
_UNUSED_SECONDS = 30 * 24 * 3600.0
"""After so long another build of the same program is removed."""


def keep(name: str, made_from: str, program: Path) -> None:
    """Put a program into the cache, and remove its builds that nobody has taken for long.

    Args:
        name: the program's.
        made_from: the digest of what it was built from.
        program: its file.
    """
    kept = _file(name, made_from)
    if kept.is_file():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    _link(program, kept)
    kept.touch()
    for other in FOLDER.glob(f"{name}@*"):
        if time.time() - other.stat().st_mtime > _UNUSED_SECONDS:
            other.unlink(missing_ok=True)


def take(name: str, made_from: str, program: Path) -> bool:
    """Put a program where a clone has it; return whether the cache has it."""
    kept = _file(name, made_from)
    if not kept.is_file():
        return False
    program.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    _link(kept, program)
    return True


def forget(name: str, made_from: str) -> None:
    """Remove a program that does not run."""
    _file(name, made_from).unlink(missing_ok=True)


def _file(name: str, made_from: str) -> Path:
    return FOLDER / f"{name}@{made_from}"


def _link(source: Path, target: Path) -> None:
    """Have a file at another place too; by a copy, where one file system does not hold both."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copy2(source, partial)
    partial.replace(target)
