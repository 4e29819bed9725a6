"""The cgroups of a machine: one below that of whoever starts it, in each hierarchy that is mounted.

Version 1 has a hierarchy for each controller, version 2 one for all, and a hybrid both.
"""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_UNIFIED = "cgroup2"
_COPIED = ("cpuset.cpus", "cpuset.mems")
"""A new cpuset is empty, and takes no process."""
_SHARES = {"cpu.shares": "6144", "cpu.weight": "600"}
"""Of version 1 and 2: as much CPU as six processes, where it would get as much as one.

As much as sixteen, and two engines that answer kept an API server beside the machine waiting for ten seconds.
"""
_GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy of cgroups."""

    kind: str
    """cgroup or cgroup2."""
    option: str
    """What mounts it: the controllers of version 1, such as cpu,cpuacct or name=systemd."""
    mounted: Path
    own: str
    """The path of this process' cgroup in it."""

    @property
    def folder(self) -> Path:
        """The folder of this process' cgroup."""
        return self.mounted / self.own.lstrip("/")


def hierarchies() -> list[Hierarchy]:
    """Return the hierarchies that are mounted and that this process is in."""
    return read(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())


def read(memberships: str, mounts: str) -> list[Hierarchy]:
    """Return the hierarchies by what the kernel says in /proc/PID/cgroup and /proc/PID/mountinfo."""
    own: dict[str, str] = {}
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    found: dict[str, Hierarchy] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, folder = before.split()[3:5]
        kind, _, options = after.split()[:3]
        option = _option(own, kind, options)
        if option is not None and option not in found:
            found[option] = Hierarchy(kind, option, Path(folder), _below(root, own[option]))
    return [hierarchy for hierarchy in found.values() if hierarchy.folder.is_dir()]


def _option(own: Mapping[str, str], kind: str, options: str) -> str | None:
    """Return the controllers of a mount, as the memberships name them; None when it is not one of theirs."""
    if kind == _UNIFIED:
        return "" if "" in own else None
    if kind != "cgroup":
        return None
    there = set(options.split(","))
    return next((each for each in own if each and set(each.split(",")) <= there), None)


def _below(root: str, own: str) -> str:
    """Return a cgroup's path below a mount's root: in a container that is the container's own cgroup."""
    return own[len(root) :] if root != "/" and own.startswith(root) else own


def make(name: str) -> list[Path]:
    """Make a cgroup of a name in every hierarchy; return their folders."""
    made = []
    for hierarchy in hierarchies():
        above = _root(hierarchy)
        folder = above / name
        folder.mkdir(exist_ok=True)
        for file in _COPIED:
            if (folder / file).is_file() and not (folder / file).read_text().strip():
                (folder / file).write_text((above / file).read_text())
        for file, share in _SHARES.items():
            if (folder / file).is_file():
                (folder / file).write_text(share)
        if (folder / "cgroup.clone_children").is_file():
            # So that cpusets below are not empty either.
            (folder / "cgroup.clone_children").write_text("1")
        made.append(folder)
    return made


def _root(hierarchy: Hierarchy) -> Path:
    """Return the cgroup to make another below.

    Of version 2 only the root may hold processes and have cgroups with controllers below.
    """
    return hierarchy.mounted if hierarchy.kind == _UNIFIED else hierarchy.folder


def remove(folders: list[Path]) -> list[Path]:
    """Remove cgroups whose processes have ended, and those below; return what could not be removed."""
    deadline = time.monotonic() + _GONE_SECONDS
    left = [folder for folder in folders if not _removed(folder)]
    while left and time.monotonic() < deadline:
        # A process that was killed stays in its cgroup for a moment.
        time.sleep(0.05)
        left = [folder for folder in left if not _removed(folder)]
    return left


def _removed(folder: Path) -> bool:
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            Path(path).rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return False
            raise
    return not folder.exists()


def all_named(name: str) -> list[Path]:
    """Return the cgroups of a name that exist, such as those that a killed machine left."""
    folders = [_root(hierarchy) / name for hierarchy in hierarchies()]
    return [folder for folder in folders if folder.is_dir()]
