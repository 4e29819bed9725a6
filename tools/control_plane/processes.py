"""Processes that outlive the command that starts them, and are stopped by another.

Each is written down the moment it runs: its id, when the kernel started it and
in which boot, so that a later process of the same id is never taken for it.
Linux only (/proc).
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tools.control_plane.waiting import patience
from tools.errors import ToolError, last_lines
from tools.machine import made

START_SECONDS = 60.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_SPARES_CPU = {"GOGC": "300"}
"""Go's garbage collector took a third of the API server's CPU and a sixth of the others'.

Running it less often takes memory: of what a control plane has beside the API server, 270 MiB more.
"""
_SPARES_MEMORY = {"kube-apiserver": {"GOMEMLIMIT": "1800MiB"}}
"""Near this, garbage is collected as often as it takes to stay below; the start alone would take 2.4 GiB.

Of 1800 MiB some 450 are in use at a time; with 1300 MiB the API server took more CPU.
"""
_WAITED_FOR = ("etcd",)
"""What takes little CPU and everything waits for: an engine at work kept one waiting for eleven seconds."""
_SOONER = "-10"
"""The nice value of its session, to which Linux gives CPU as a whole (sched(7), autogroup); it takes root."""
MACHINE = "machine"
"""The process that guards a machine of its own (tools/machine): what is started after it is started there."""

Check = Callable[[], bool]

_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Processes that this very command started, which it has to reap."""


@dataclass(frozen=True)
class Started:
    """A process that was started, as `processes.json` lists it."""

    name: str
    pid: int
    started: str
    """The kernel's time of the start, in ticks since the boot, and the boot's id."""
    command: list[str]
    environment: dict[str, str]
    """Variables that were set on top of the environment of the command that started it."""
    outside: bool = False
    """Whether it stays outside of a machine."""

    def alive(self) -> bool:
        """Say whether this process still runs; another process of the same id does not count."""
        # One that ended before its start was looked at has no time of it.
        return self.started != "" and _identity(self.pid) == self.started


class Processes:
    """The processes of one folder: `logs/NAME.log`, and `processes.json` that lists them."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not exist."""
        self.folder = folder

    @property
    def file(self) -> Path:
        """The path of the list of processes."""
        return self.folder / "processes.json"

    def log(self, name: str) -> Path:
        """Return the path of a process' log."""
        return self.folder / "logs" / f"{name}.log"

    def all(self) -> dict[str, Started]:
        """Return the processes that were started and not stopped, by name, oldest first."""
        if not self.file.is_file():
            return {}
        return {entry["name"]: Started(**entry) for entry in json.loads(self.file.read_text())}

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        outside: bool = False,
    ) -> Started:
        """Start a process and list it; in the machine, where there is one, unless it stays outside."""
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        extra = dict(environment or {})
        whole = os.environ | _SPARES_CPU | _SPARES_MEMORY.get(name, {}) | extra
        with log.open("ab") as output:
            if MACHINE in self.all() and not outside:
                pid = made.start(self.folder, self.folder, command, whole, output)
            else:
                pid = self._start(command, whole, output)
                if name in _WAITED_FOR:
                    _serve_sooner(pid)
        started = Started(name, pid, _identity(pid), list(command), extra, outside)
        self._write({**self.all(), name: started})
        return started

    def _start(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> int:
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C is for the command that starts the process, not for the process.
            start_new_session=True,
        )
        _CHILDREN[process.pid] = process
        return process.pid

    def wait(self, name: str, ready: Check, seconds: float = START_SECONDS) -> None:
        """Return when a process is ready; raise ToolError with the end of its log otherwise."""
        seconds *= patience()
        process, deadline = self.all()[name], time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self._alive(process):
                raise ToolError(f"{name} ended when it started; {self.log(name)}:\n{self._tail(name)}")
            if ready():
                return
            time.sleep(_POLL_SECONDS)
        raise ToolError(f"{name} is not ready after {seconds:.0f} s; {self.log(name)}:\n{self._tail(name)}")

    def listens(self, port: int) -> bool:
        """Say whether a server listens at a port of 127.0.0.1, as the processes see it."""
        try:
            if MACHINE in self.all():
                made.connected(self.folder, "127.0.0.1", port).close()
            else:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    def alive(self, name: str) -> bool:
        """Say whether a process runs."""
        process = self.all().get(name)
        return process is not None and self._alive(process)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Stop one listed process, if it still runs, and take it off the list."""
        processes = self.all()
        process = processes.pop(name, None)
        if process is not None:
            self._end(process, number)
            self._write(processes)

    def restart(self, name: str, number: int = signal.SIGTERM) -> None:
        """Stop a process and start it again with the same command."""
        process = self.all()[name]
        self.stop(name, number)
        self.start(name, process.command, process.environment, outside=process.outside)

    def stop_all(self) -> list[str]:
        """Stop all processes, a machine first and then the youngest; return the names of those that ran."""
        running = [process for process in self.all().values() if self._alive(process)]
        # With a machine all that runs in it ends at once.
        first = [process for process in running if process.name == MACHINE]
        for process in (*first, *reversed(running)):
            self.stop(process.name)
        self._write({})
        return [process.name for process in running]

    def _end(self, process: Started, number: int) -> None:
        if not self._alive(process):
            return
        os.kill(process.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while self._alive(process):
            if time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(_POLL_SECONDS)

    def _alive(self, process: Started) -> bool:
        child = _CHILDREN.get(process.pid)
        if child is not None and child.poll() is not None:
            return False
        return process.alive()

    def _tail(self, name: str) -> str:
        return last_lines(self.log(name).read_text(errors="replace"))

    def _write(self, processes: Mapping[str, Started]) -> None:
        # Renamed when it is whole: half a list would leave processes running.
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(process) for process in processes.values()], indent=1))
        partial.replace(self.file)


def _serve_sooner(pid: int) -> None:
    # Not every kernel has sessions' nice values, and not every user may lower them.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(_SOONER)


def _identity(pid: int) -> str:
    """Return when a process started and in which boot; an empty text when it has ended."""
    try:
        # The name, in brackets, may hold anything; the state and the rest follow it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # Killed, a process looks dead with its first thread; its port is free after the last.
    state, threads = fields[0], int(fields[17])
    if state == "X" or (state == "Z" and threads <= 1):
        return ""
    return f"{fields[19]} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
