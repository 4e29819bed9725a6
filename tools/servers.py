"""Function servers as local processes, each on a free port of 127.0.0.1."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from tools.control_plane.waiting import patience
from tools.errors import ToolError, last_lines
from tools.paths import ROOT

FUNCTIONS = ("function-node-pools", "function-cluster-stack", "function-vllm")
"""The names that pipelines use; `python -m functions` leaves the prefix away."""

START_SECONDS = 30.0
STOP_SECONDS = 5.0


@dataclass
class Server:
    """One running function."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def target(self) -> str:
        """Where it answers gRPC, in plain text."""
        return f"127.0.0.1:{self.port}"


@dataclass
class Servers:
    """Running functions by the name that pipelines use. Made by `running`."""

    log_dir: Path
    by_name: dict[str, Server] = field(default_factory=dict)

    @property
    def targets(self) -> Mapping[str, str]:
        """The address of each function."""
        return {name: server.target for name, server in self.by_name.items()}


@contextlib.contextmanager
def running(
    names: Iterable[str] = FUNCTIONS,
    log_dir: Path | None = None,
    command: Sequence[str] = (sys.executable, "-m", "functions"),
) -> Iterator[Servers]:
    """Start the named functions, and stop them again whatever happens.

    Returns when each accepts connections. Logs go to `log_dir`, a file per
    function; without it to a folder that is gone afterwards. A SIGTERM in the
    meantime ends the caller like an exception, so that the servers go too.

    Raises ToolError with a server's own words when it exits or does not
    answer within START_SECONDS, times PATIENCE.
    """
    with contextlib.ExitStack() as stack:
        if log_dir is None:
            log_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freehold-")))
        log_dir.mkdir(parents=True, exist_ok=True)
        stack.enter_context(SigtermAsExit())
        servers = Servers(log_dir)
        stack.callback(_stop, servers.by_name.values())
        for name in dict.fromkeys(names):
            servers.by_name[name] = _start(name, log_dir, command)
        for server in servers.by_name.values():
            _wait(server)
        yield servers


def _start(name: str, log_dir: Path, command: Sequence[str]) -> Server:
    port = free_port()
    log = log_dir / f"{name}.log"
    arguments = [
        *command,
        name.removeprefix("function-"),
        *("--insecure", "--address", f"127.0.0.1:{port}"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Server(name, port, process, log)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    # Another process may take it before the server does; the server then
    # exits, and its own words say so.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: Server) -> None:
    seconds = START_SECONDS * patience()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        code = server.process.poll()
        if code is not None:
            output = last_lines(server.log.read_text(errors="replace"))
            raise ToolError(f"{server.name} exited with code {code} when it started:\n{output}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    output = last_lines(server.log.read_text(errors="replace"))
    raise ToolError(f"{server.name} did not answer on {server.target} in {seconds:.0f} s:\n{output}")


def _stop(servers: Iterable[Server]) -> None:
    alive = [server.process for server in servers if server.process.poll() is None]
    for process in alive:
        process.terminate()
    for process in alive:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class SigtermAsExit:
    """While entered, SIGTERM raises SystemExit, so that `finally` blocks run.

    Does nothing outside the main thread, where Python sets no handlers, or
    where somebody has set one already.
    """

    def __init__(self) -> None:
        self._was_default = False

    def __enter__(self) -> None:
        with contextlib.suppress(ValueError):
            if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._exit)
                self._was_default = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._was_default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @staticmethod
    def _exit(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)
