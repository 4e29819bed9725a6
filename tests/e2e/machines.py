"""What tests on a machine of its own have in common: whether one can be made, and what it must not leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.machine import cgroups, machine, needs

_KERNELS = ("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic", "/proc/sys/net/ipv4/ip_forward")


def require() -> None:
    """Skip where no machine can be made, saying why; fail in CI, where one must."""
    missing = "; ".join(needs.missing())
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI makes machines of its own, and here is missing: {missing}")
    if missing:
        pytest.skip(f"no machine of its own: missing {missing}")


def traces(*folders: Path) -> dict[str, set[str]]:
    """Return what machines of these folders could leave behind: their cgroups, mounts, interfaces, addresses."""
    names = {machine.name(folder) for folder in folders}
    return {
        "cgroups": {
            folder
            for each in cgroups.hierarchies()
            # What goes meanwhile is another machine's: it is left out.
            for folder, _, _ in os.walk(each.mounted)
            if names & set(Path(folder).parts)
        },
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "interfaces": {path.name for path in Path("/sys/class/net").iterdir()},
        "addresses": {line.strip() for line in Path("/proc/net/fib_trie").read_text().splitlines()},
        "sysctls": {path.read_text() for path in map(Path, _KERNELS)},
    }


def inhabitants(first: int) -> list[int]:
    """Return the processes that are in the process namespace of a machine's first process."""
    wanted = Path(f"/proc/{first}/ns/pid").readlink()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns" / "pid").readlink() == wanted:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
