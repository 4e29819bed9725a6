"""Calls of the kernel that Python 3.11 has no functions for."""

import ctypes
import os
from pathlib import Path

NEW_MOUNTS, NEW_CGROUPS, NEW_UTS = 0x00020000, 0x02000000, 0x04000000
NEW_IPC, NEW_PIDS, NEW_NETWORK = 0x08000000, 0x20000000, 0x40000000
READ_ONLY, BIND, RECURSIVE, PRIVATE, SHARED = 1, 4096, 16384, 1 << 18, 1 << 20
NAMESPACES = {"mnt": NEW_MOUNTS, "uts": NEW_UTS, "ipc": NEW_IPC, "net": NEW_NETWORK, "pid": NEW_PIDS}
"""By the name in /proc/PID/ns; that of cgroups is entered last, from the cgroup that it shows as its root."""
_PARENT_DEATH_SIGNAL = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process namespaces of its own."""
    _checked(_libc.unshare(flags), "unshare")


def enter(namespace: int, kind: int = 0) -> None:
    """Enter the namespace of an open file of /proc/PID/ns; that of processes is for children alone."""
    _checked(_libc.setns(namespace, kind), "setns")


def mount(what: str, where: Path | str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change how one is mounted."""
    arguments = (os.fsencode(what), os.fsencode(where), kind.encode() or None)
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None), f"mount {where}")


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends."""
    _checked(_libc.prctl(_PARENT_DEATH_SIGNAL, number, 0, 0, 0), "prctl")


def _checked(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
