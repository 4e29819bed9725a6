"""What a machine needs of the one that it is made on; where something is missing, it says what."""

import os
import shutil
import sys
from pathlib import Path

from tools.errors import ToolError
from tools.machine import cgroups, linux

_FILE_SYSTEMS = ("overlay", "tmpfs", "proc", "sysfs")
_CONTROLLERS = ("cpu", "memory", "pids")
_ALL = (
    linux.NEW_MOUNTS | linux.NEW_NETWORK | linux.NEW_CGROUPS | linux.NEW_UTS | linux.NEW_IPC | linux.NEW_PIDS
)


def missing() -> list[str]:
    """Return what is missing for a machine, in words; empty when nothing is."""
    if sys.platform != "linux":
        return ["Linux: its namespaces and cgroups make the machine"]
    if os.geteuid() != 0:
        return ["root: run it with sudo, or in a container that is privileged"]
    found = []
    if not _may_unshare():
        found.append("the right to make namespaces (CAP_SYS_ADMIN): a container must be privileged")
    if shutil.which("ip") is None:
        found.append("the program `ip`, of the package iproute2")
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    found += [f"the file system {name} in the kernel" for name in _FILE_SYSTEMS if name not in known]
    found += _missing_controllers()
    return found


def check() -> None:
    """Raise ToolError unless a machine can be made here."""
    found = missing()
    if found:
        raise ToolError(f"no machine of its own can be made here; missing: {'; '.join(found)}")


def _missing_controllers() -> list[str]:
    hierarchies = cgroups.hierarchies()
    there: set[str] = set()
    for each in hierarchies:
        there |= set(each.option.split(","))
        listed = each.mounted / "cgroup.controllers"
        if each.kind == "cgroup2" and listed.is_file():
            there |= set(listed.read_text().split())
    lost = [name for name in _CONTROLLERS if name not in there]
    found = [f"the cgroup controller {name}, mounted below /sys/fs/cgroup" for name in lost]
    shut = [each.folder for each in hierarchies if not os.access(each.folder, os.W_OK)]
    return [*found, *(f"the right to write in {folder}" for folder in shut)]


def _may_unshare() -> bool:
    """Try it in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            linux.unshare(_ALL)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
