"""A container of a rendered pod as processes of this machine: its command, environment, user and mounts.

It runs in namespaces of its own. It has no network but its own loopback, which is not the machine's, and the
root is read-only. Its programs are those of an image's file system, or the machine's and those of vLLM's environment
for the CPU. What differs from a node: nothing bounds memory and CPU. It needs root, as CI has.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.rendered import Container
from tools.control_plane.waiting import patience
from tools.errors import last_lines
from tools.images.image import PATH as IMAGE_PATH
from tools.vllm_cpu import environment

HERE = Path(__file__).parent
TERMINATION_LOG = "/dev/termination-log"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass
class Pod:
    """A running container."""

    process: subprocess.Popen[bytes]
    """The one that made the namespaces; it ends when the container's first process does."""
    log: Path
    termination_log: Path

    @property
    def pid(self) -> int:
        """The container's first process, as this machine counts processes."""
        wait_for(lambda: self._children.read_text().split(), 10, "the container's first process")
        return int(self._children.read_text().split()[0])

    @property
    def _children(self) -> Path:
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

    def kill(self) -> None:
        """End every process of the container, and wait until its first one is gone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in self._children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def said(self, lines: int = 40) -> str:
        """Return the last lines that the container wrote."""
        return last_lines(self.log.read_text(errors="replace"), lines)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the container's first process, as a kubelet does."""
        os.kill(self.pid, number)

    def end(self, seconds: float) -> int:
        """Wait for the container's end and return its exit code; 1 for one that a signal killed."""
        return self.process.wait(seconds)

    def socket(self, make: Callable[[], socket.socket]) -> socket.socket:
        """Make a socket in the container's network, which belongs to it from then on."""
        return _in_network_of(self.pid, make)

    def connection(self, port: int, seconds: float) -> http.client.HTTPConnection:
        """Return a connection to a port of the container."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        connection.sock = self.socket(lambda: socket.create_connection(("127.0.0.1", port), seconds))
        return connection


@contextlib.contextmanager
def run(
    container: Container,
    folder: Path,
    volumes: Mapping[str, Path],
    *,
    hosts: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    image: Path | None = None,
    before: Callable[[Pod], None] | None = None,
) -> Iterator[Pod]:
    """Start a container; it is killed at the end, whatever happens, and when this process dies.

    Args:
        container: as rendered.
        folder: of the test's own, for what the container writes outside its volumes.
        volumes: a folder for each PersistentVolumeClaim, by the volume's name.
        hosts: names that mean the container's own loopback.
        secrets: values of the variables that a Secret fills in.
        image: the file system of the image that it runs in; by default the machine's.
        before: called when the network is there and the command does not run yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pod = _start(
        _plan(container, folder, volumes, hosts, image, secrets or {}),
        folder,
    )
    try:
        if before is not None:
            before(pod)
        assert pod.process.stdin is not None, "started with stdin=PIPE"
        pod.process.stdin.close()
        yield pod
    finally:
        pod.kill()


def _start(plan: dict[str, Any], folder: Path) -> Pod:
    log, termination_log = folder / "log", Path(next(iter(plan["files"])))
    # Read first: the test's Hub listens in the container's network before its command runs.
    waits = 'read _; exec "$@"'
    command = [
        *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"),
        *("sh", "-c", waits, "sh", sys.executable, str(HERE / "inside_pod.py"), json.dumps(plan)),
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent
        )
    return Pod(process, log, termination_log)


def _die_with_parent() -> None:
    """Have the kernel kill this process, and with it the container, when the test's process dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _plan(
    container: Container,
    folder: Path,
    volumes: Mapping[str, Path],
    hosts: Sequence[str],
    image: Path | None,
    variables: Mapping[str, str],
) -> dict[str, Any]:
    root, termination_log, names = folder / "root", folder / "termination-log", folder / "hosts"
    root.mkdir(exist_ok=True)
    names.write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n")
    context = container.pod["securityContext"]
    user, group = context["runAsUser"], context["runAsGroup"]
    termination_log.touch()
    os.chown(termination_log, user, group)
    prefix = environment.folder()
    path = IMAGE_PATH if image else f"{prefix / 'bin'}:{PATH}"
    return {
        "root": str(root),
        "system": str(image or "/"),
        # Where the environment's Python comes from, for its standard library.
        "programs": [] if image else sorted({sys.base_prefix, str(prefix)} - {"/usr"}),
        "volumes": [_volume(container, mount, folder, volumes) for mount in container.spec["volumeMounts"]],
        "files": {str(termination_log): TERMINATION_LOG, str(names): "/etc/hosts"},
        "user": user,
        "group": context.get("fsGroup", group),
        "environment": {"PATH": path, **container.environment, **variables},
        "command": container.command,
    }


def _volume(
    container: Container, mount: Mapping[str, Any], folder: Path, claims: Mapping[str, Path]
) -> dict[str, Any]:
    """Return how a volume is mounted: a folder, or memory of a size in bytes."""
    name, at = mount["name"], mount["mountPath"]
    volume = next(v for v in container.pod["volumes"] if v["name"] == name)
    if volume.get("emptyDir", {}).get("medium") == "Memory":
        return {"at": at, "size": _bytes(volume["emptyDir"]["sizeLimit"])}
    own = claims[name] if "persistentVolumeClaim" in volume else folder / name
    own.mkdir(exist_ok=True)
    _give(own, container.pod["securityContext"]["fsGroup"])
    return {"at": at, "folder": str(own), "read_only": mount.get("readOnly", False)}


def _give(folder: Path, group: int) -> None:
    """Give a volume to the pod's group, as a kubelet does by fsGroup, where the file system lets it."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, group, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _SUFFIXES[quantity[-2:]]


def _in_network_of(pid: int, make: Callable[[], socket.socket]) -> socket.socket:
    """Make a socket in the network namespace of a process. A thread can change its own alone."""
    made: list[socket.socket] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with Path(f"/proc/{pid}/ns/net").open() as namespace:
                libc: Any = ctypes.CDLL(None, use_errno=True)
                if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(make())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def wait_for(holds: Callable[[], Any], seconds: float, what: str, pause: float = 0.2) -> None:
    """Wait until something holds. Raises AssertionError after the time, times PATIENCE."""
    seconds *= patience()
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"{what}: not within {seconds:.0f} s"
        time.sleep(pause)
