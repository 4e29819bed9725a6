"""A machine that was made: what it takes to enter it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.machine import linux

_ROOT = Path(__file__).resolve().parents[2]
_FILE = "machine.json"


@dataclass(frozen=True)
class Machine:
    """A running machine, as its first process wrote it down when everything was there."""

    first: int
    """The id of its first process: everything ends with that."""
    cgroups: list[str]
    """The cgroups that its processes are in, one of each hierarchy."""

    @classmethod
    def read(cls, folder: Path | str) -> Machine:
        """Return the machine of a folder. Raises FileNotFoundError until it is ready."""
        with open(f"{folder}/{_FILE}") as file:  # noqa: PTH123  (enter.py starts often)
            return cls(**json.load(file))

    def write(self, folder: Path) -> None:
        """Write the machine down, whole or not at all."""
        partial = folder / f"{_FILE}.partial"
        partial.write_text(json.dumps({"first": self.first, "cgroups": self.cgroups}))
        partial.replace(folder / _FILE)


def ready(folder: Path) -> bool:
    """Say whether the machine of a folder is ready."""
    return (folder / _FILE).is_file()


def forget(folder: Path) -> None:
    """Remove what was written down of a machine that has ended."""
    (folder / _FILE).unlink(missing_ok=True)


def start(
    folder: Path, cwd: Path, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
) -> int:
    """Start a program in the machine of a folder; return its process id as this machine counts it.

    Raises:
        ChildProcessError: when the machine cannot be entered, such as when it has ended.
    """
    answer, end = os.pipe()
    try:
        entering = subprocess.Popen(
            [sys.executable, "-m", "tools.machine.enter", str(end), str(folder), str(cwd), *command],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(end,),
        )
        os.close(end)
        entering.wait()
        said = os.read(answer, 20)
    finally:
        os.close(answer)
    if not said:
        raise ChildProcessError(f"the machine of {folder} cannot be entered")
    return int(said)


def connected(folder: Path, address: str, port: int, seconds: float = 1) -> socket.socket:
    """Return a socket that is connected to a server as the machine sees it. Raises OSError like any other."""
    return connected_from(Machine.read(folder).first, address, port, seconds)


def connected_from(pid: int, address: str, port: int, seconds: float = 1) -> socket.socket:
    """Return a socket that is connected to a server as a process sees it, such as one in a pod."""
    made = outcome = None

    # A namespace is a thread's: the caller's stays what it is.
    def enter() -> None:
        nonlocal made, outcome
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                linux.enter(namespace, linux.NEW_NETWORK)
            finally:
                os.close(namespace)
            made = socket.create_connection((address, port), timeout=seconds)
        except OSError as error:
            outcome = error

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if outcome is not None:
        raise outcome
    assert made is not None, "no error"
    return made


def listens_at(folder: Path, path: str) -> bool:
    """Say whether a process of the machine listens at a path of its own."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(f"/proc/{Machine.read(folder).first}/root{path}")
        except OSError:
            return False
    return True
