"""Processes of pods as this machine sees them, and what is reached from there."""

from __future__ import annotations

import http.client
from contextlib import suppress
from pathlib import Path

from tests.e2e.conftest import Plane
from tools.machine import machine, made
from tools.manifests import Manifest


def processes_of(real: Plane, pod: Manifest) -> list[int]:
    """Return the processes of a pod as this machine counts them, those of its sandbox too."""
    own = machine.name(real.layout.folder), f"pod{pod['metadata']['uid']}"
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and all(name in (entry / "cgroup").read_text() for name in own):
                found.append(int(entry.name))
    return found


def reaches_from(pid: int, address: str, port: int) -> bool:
    """Say whether a process reaches an address, from the network that it is in."""
    try:
        made.connected_from(pid, address, port, seconds=2).close()
    except OSError:
        return False
    return True


def answers(real: Plane, address: str, port: int, path: str) -> bool:
    """Say whether an HTTP server answers the node, with whatever."""
    asked = http.client.HTTPConnection(address, port)
    try:
        asked.sock = made.connected(real.layout.folder, address, port)
        asked.request("GET", path)
        asked.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
    return True
