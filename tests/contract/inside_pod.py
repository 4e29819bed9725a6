"""The first process of a made-up container: mounts its file system, gives up all rights, becomes the command.

`pod` starts this as root in new namespaces, with the plan as JSON on the command line. The root is read-only
and holds the programs of the host, with vLLM's environment, or of an image, and the pod's volumes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc")
DEVICES = ("null", "zero", "full", "random", "urandom")
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Become the container's command."""
    plan = json.loads(sys.argv[1])
    root = Path(plan["root"])
    _mount("--make-rprivate", "/")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root))
    for name in SYSTEM:
        _system(root, Path(plan["system"]) / name)
    _bind(root, "/sys", "/sys", read_only=True)
    for path in plan["programs"]:
        _bind(root, path, path, read_only=True)
    _devices(root)
    (root / "proc").mkdir()
    _mount("-t", "proc", "proc", str(root / "proc"))
    for volume in plan["volumes"]:
        if "size" in volume:
            _tmpfs(root / volume["at"].lstrip("/"), volume["size"], plan["group"])
        else:
            _bind(root, volume["folder"], volume["at"], read_only=volume["read_only"])
    for source, target in plan["files"].items():
        _bind(root, source, target)
    _mount("-o", "remount,ro", str(root))
    os.chroot(root)
    os.chdir("/")
    _become(plan["user"], plan["group"])
    os.execvpe(plan["command"][0], plan["command"], plan["environment"])


def _system(root: Path, path: Path) -> None:
    if path.is_symlink():
        (root / path.name).symlink_to(path.readlink())
    elif path.is_dir():
        _bind(root, str(path), f"/{path.name}", read_only=True)


def _devices(root: Path) -> None:
    for name in DEVICES:
        _bind(root, f"/dev/{name}", f"/dev/{name}")
    for name, target in (("fd", "/proc/self/fd"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(target)
    (root / "dev" / "shm").mkdir()
    # The size that a container runtime gives where no volume is mounted.
    _mount("-t", "tmpfs", "-o", "size=64m,mode=1777", "tmpfs", str(root / "dev" / "shm"))


def _tmpfs(target: Path, size: int, group: int) -> None:
    """Mount a volume in memory, for the pod's group as a kubelet does."""
    target.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},mode=2777,gid={group}", "tmpfs", str(target))


def _bind(root: Path, source: str, at: str, *, read_only: bool = False) -> None:
    target = root / at.lstrip("/")
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.touch()
    _mount("--bind", source, str(target))
    if read_only:
        _mount("-o", "remount,bind,ro", str(target))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _become(user: int, group: int) -> None:
    """Become a user without an entry in /etc/passwd, without capabilities and without a way to get any."""
    libc: Any = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # The kernel forgets with the user that this process dies with the one that made the namespaces.
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "death signal")


if __name__ == "__main__":
    main()
