"""A machine of a folder: started by one call, ended by another with everything that runs in it."""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import paths
from tools.control_plane.processes import MACHINE, Processes
from tools.errors import ToolError
from tools.machine import cgroups, made, programs
from tools.machine.needs import check

_HIDDEN = ("/proc", "/run", "/sys", "/usr", "/var/lib", "/var/log")
"""What first.py mounts something else over."""
FORWARDER = "forwarder"
_DEAD_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
"""Else a pull of an image that is not there waits for a name server that nobody reaches."""


def start(
    processes: Processes, redirects: Mapping[int, int] | None = None, hosts: Sequence[str] = ()
) -> made.Machine:
    """Start a machine; what is started in the folder from then on runs there.

    Args:
        processes: of the machine's folder.
        redirects: ports of 127.0.0.1 at which something is called in the machine that listens at another.
        hosts: names of 127.0.0.1 in the machine.

    Raises:
        ToolError: when something is missing for one, or it does not start.
    """
    folder = processes.folder
    _check_folder(folder)
    check()
    own = folder / "machine"
    own.mkdir(parents=True, exist_ok=True)
    (own / "resolv.conf").write_text(_DEAD_RESOLVER)
    (own / "hosts").write_text(f"127.0.0.1 {' '.join(('localhost', *hosts))}\n")
    made.forget(folder)
    extra = programs.provide()
    ports = [f"{port}={other}" for port, other in (redirects or {}).items()]
    arguments = [str(folder), name(folder), str(extra or ""), *ports]
    processes.start(MACHINE, _module("first", *arguments), {"PYTHONPATH": str(paths.ROOT)})
    processes.wait(MACHINE, lambda: made.ready(folder))
    return made.Machine.read(folder)


def _check_folder(folder: Path) -> None:
    hidden = next((top for top in _HIDDEN if folder.resolve().is_relative_to(top)), None)
    if hidden:
        raise ToolError(f"{folder} cannot be a machine's folder: inside, {hidden} is another; move the clone")


def forward(processes: Processes, targets: dict[int, tuple[str, int]], name: str = FORWARDER) -> None:
    """Make servers in the machine reachable outside, at ports of 127.0.0.1.

    Args:
        processes: of the machine's folder.
        targets: by the port outside, the address and port inside.
        name: of the process.
    """
    arguments = [f"{port}={address}:{inside}" for port, (address, inside) in targets.items()]
    command = _module("forward", str(processes.folder), *arguments)
    processes.start(name, command, {"PYTHONPATH": str(paths.ROOT)}, outside=True)


def resolve(folder: Path, address: str, *search: str) -> None:
    """Have a machine's processes ask a name server, which is there by now.

    Args:
        folder: the machine's.
        address: the name server's.
        search: domains in which names are looked for first.
    """
    # Into the same file, which is mounted.
    (folder / "machine" / "resolv.conf").write_text(
        f"nameserver {address}\nsearch {' '.join(search)}\noptions ndots:5 timeout:1 attempts:1\n"
    )


def sweep(folder: Path) -> None:
    """Remove what a machine left whose guard was killed: empty cgroups. Its processes must have ended."""
    made.forget(folder)
    left = cgroups.remove(cgroups.all_named(name(folder)))
    if left:
        raise ToolError(
            f"processes still run in {', '.join(map(str, left))}: end them, or restart this machine"
        )


def name(folder: Path) -> str:
    """Return the name of a folder's machine, of its cgroups too: another folder's is another."""
    return f"freehold-{hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:10]}"


def _module(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tools.machine.{module}", *arguments]
