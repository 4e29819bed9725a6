"""An image's file system on this machine, and a process in it: read-only, as its user, no container runtime."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tools.images.store import Built

__all__ = ["command", "needs_root", "unpacked"]

_INSIDE = """
set -e
root=$1 user=$2 variables=$3 chroot=$(command -v chroot)
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec env -i $variables "$chroot" --userspec="$user" "$root" "$@"
"""


def unpacked(built: Built, folder: Path) -> Path:
    """Return a folder with the file system of an image, its layers one above the other."""
    for layer in built.layers:
        with tarfile.open(built.blob(layer["digest"])) as tar:
            tar.extractall(folder, filter="fully_trusted", numeric_owner=True)
    # A folder of pytest's is its owner's alone.
    folder.chmod(0o755)
    for name in ("dev", "proc"):
        (folder / name).mkdir()
    return folder


def command(built: Built, root: Path, *words: str) -> list[str]:
    """Return what runs a program in an image's file system, by default its entry point, as the image's user.

    The program's process is the one that is started: signals reach it.
    """
    process = built.config["config"]
    inside = ["sh", str(root), process["User"], " ".join(process["Env"])]
    return ["unshare", "--mount", "sh", "-c", _INSIDE, *inside, *(words or process["Entrypoint"])]


def needs_root() -> None:
    """Skip the test for a user who may not change the root; in CI, which is root, fail."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("runs an image's process in its file system: needs root")
        pytest.skip("runs an image's process in its file system: needs root")
