"""The first process of a machine: makes its namespaces, mounts and network, then waits for others to end.

Started as `python -m tools.machine.first FOLDER NAME PROGRAMS [PORT=OTHER...]`. The process that is started
stays outside and guards: when the first process ends, it removes the cgroups; when it is killed itself, the
kernel kills the first process, and with that everything in the machine.
"""

import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tools.machine import cgroups, linux, network
from tools.machine.made import Machine, forget

_PROCESSES = "processes"
"""The cgroup of version 2 that holds the machine's processes: one with others below it may hold none."""
_SYSCTLS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
"""What the kubelet sets for the whole kernel: here it writes into files that lie over those."""
_KEPT = ("var/lib/kubelet", "var/lib/containerd", "var/lib/cni", "var/log")
"""Folders of the machine that are kept in its folder: the others of /var/lib and /run are in memory."""


@dataclass(frozen=True)
class Made:
    """What the first process is told."""

    folder: Path
    name: str
    programs: Path | None
    """A folder whose `usr` lies over the machine's, with programs that are not installed."""
    redirects: list[str]
    """PORT=OTHER: what the machine's processes call at a port of 127.0.0.1 listens at another."""


def main(arguments: list[str]) -> int:
    """Make a machine and guard it; return when it has ended."""
    folder, name, programs, *redirects = arguments
    made = Made(Path(folder), name, Path(programs) if programs else None, redirects)
    folders = cgroups.make(name)
    linux.unshare(linux.NEW_PIDS)
    guard_lives, guards_end = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(guards_end)
        _first(made, folders, guard_lives)
    signal.signal(signal.SIGTERM, lambda _number, _frame: _kill(first))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(first, 0)
    forget(made.folder)
    left = cgroups.remove(folders)
    for folder_left in left:
        print(f"{folder_left} could not be removed", flush=True)
    return 1 if left or os.waitstatus_to_exitcode(status) != -signal.SIGKILL else 0


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _first(made: Made, folders: list[Path], guard_lives: int) -> None:
    """Be the first process; never returns."""
    try:
        linux.end_with_parent(signal.SIGKILL)
        # The guard may have ended before: only it has the other end of this pipe.
        if select.select([guard_lives], [], [], 0)[0]:
            os._exit(1)
        pid = _own_pid()
        _isolate(folders)
        _mount(made)
        network.up(made.name, made.redirects)
        signal.signal(signal.SIGCHLD, _reap)
        joined = [str(_joined(folder)) for folder in folders]
        Machine(pid, joined).write(made.folder)
    except BaseException as error:
        print(f"the machine did not start: {error}", flush=True)
        os._exit(1)
    while True:
        signal.pause()


def _own_pid() -> int:
    """Return this process' id where its parent lives: /proc is still the parent's."""
    return int(Path("/proc/self").readlink().name)


def _isolate(folders: list[Path]) -> None:
    for folder in folders:
        (folder / "cgroup.procs").write_text("0")
    linux.unshare(linux.NEW_MOUNTS | linux.NEW_NETWORK | linux.NEW_CGROUPS | linux.NEW_UTS | linux.NEW_IPC)
    for folder in folders:
        if _unified(folder):
            _move_down(folder)


def _unified(folder: Path) -> bool:
    return (folder / "cgroup.controllers").is_file()


def _joined(folder: Path) -> Path:
    """Return the cgroup that the machine's processes are in."""
    return folder / _PROCESSES if _unified(folder) else folder


def _move_down(folder: Path) -> None:
    """Leave the root of the machine's cgroups of version 2, with all controllers, to the kubelet."""
    _joined(folder).mkdir(exist_ok=True)
    (_joined(folder) / "cgroup.procs").write_text("0")
    for controller in (folder / "cgroup.controllers").read_text().split():
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _mount(made: Made) -> None:
    linux.mount("none", "/", flags=linux.RECURSIVE | linux.PRIVATE)
    hierarchies = cgroups.hierarchies()
    if made.programs is not None:
        linux.mount("overlay", "/usr", "overlay", linux.READ_ONLY, f"lowerdir={made.programs / 'usr'}:/usr")
    linux.mount("proc", "/proc", "proc")
    linux.mount("sysfs", "/sys", "sysfs")
    for folder in ("/run", "/var/lib"):
        linux.mount("tmpfs", folder, "tmpfs", options="mode=755")
    Path("/run/lock").mkdir()
    _mount_cgroups(hierarchies)
    own = made.folder / "machine"
    for folder in _KEPT:
        _bind(own / folder, Path("/") / folder, is_folder=True)
    for name, value in _SYSCTLS.items():
        file = own / "sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _bind(file, Path("/proc/sys") / name)
    for name in ("resolv.conf", "hosts"):
        # At first there is no name server: a name is not found at once, not after a minute.
        if (own / name).is_file() and Path("/etc", name).exists():
            _bind(own / name, Path("/etc", name).resolve())
    linux.mount("none", "/", flags=linux.RECURSIVE | linux.SHARED)


def _bind(what: Path, where: Path, *, is_folder: bool = False) -> None:
    if is_folder:
        what.mkdir(parents=True, exist_ok=True)
        where.mkdir(parents=True, exist_ok=True)
    linux.mount(str(what), where, flags=linux.BIND)


def _mount_cgroups(hierarchies: list[cgroups.Hierarchy]) -> None:
    """Mount the hierarchies anew: each mount's root is then the machine's own cgroup."""
    if [hierarchy.kind for hierarchy in hierarchies] == ["cgroup2"]:
        linux.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
        return
    linux.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", options="mode=755")
    for hierarchy in hierarchies:
        if hierarchy.kind == "cgroup2":
            continue
        where = Path("/sys/fs/cgroup") / hierarchy.option.removeprefix("name=")
        where.mkdir()
        linux.mount("cgroup", where, "cgroup", options=hierarchy.option)


def _reap(_number: int, _frame: FrameType | None) -> None:
    """Take away processes that have ended; the machine's own are this process' children."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
