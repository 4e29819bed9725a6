"""A control plane goes back to what it was: what a fault leaves behind cannot always be taken away."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conftest import Plane
from tools.control_plane import crossplane, kubernetes
from tools.control_plane.plane import ports_of
from tools.control_plane.processes import Started
from tools.servers import FUNCTIONS

_STORE, _SERVER = "etcd", "kube-apiserver"
"""What the others end without; these start first."""


@contextmanager
def rewound(plane: Plane) -> Iterator[None]:
    """At the end, all that was written meanwhile is gone, and every process has started anew.

    It takes half of what another control plane takes to start, and no memory beside this one's.
    """
    processes, data = plane.processes, plane.layout.folder / _STORE
    kept = data.with_name(f"{_STORE}-before")
    _copy(processes.all()[_STORE].pid, data, kept)
    try:
        yield
    finally:
        known = processes.all()
        for name in reversed(known):
            # What it would still write is thrown away.
            processes.stop(name, signal.SIGKILL)
        shutil.rmtree(data)
        kept.rename(data)
        _start(plane, {name: known[name] for name in (_STORE, _SERVER, *known)})


def _copy(pid: int, data: Path, to: Path) -> None:
    """Copy what etcd has stored, as a crash at this moment would leave it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        shutil.copytree(data, to)
    finally:
        os.kill(pid, signal.SIGCONT)


def _start(plane: Plane, known: dict[str, Started]) -> None:
    processes, ports = plane.processes, ports_of(plane.layout)
    ready = {
        _STORE: lambda: kubernetes.listens(ports.etcd),
        _SERVER: lambda: kubernetes.ready(plane.api),
    }
    for name, process in known.items():
        processes.start(name, process.command, process.environment, outside=process.outside)
        if name in ready:
            processes.wait(name, ready[name])
    processes.wait("crossplane", lambda: crossplane.ready(ports))
    for name in FUNCTIONS:
        command = known[name].command
        port = int(command[command.index("--address") + 1].rpartition(":")[2])
        processes.wait(name, lambda port=port: kubernetes.listens(port))  # type: ignore[misc]  # its own port
