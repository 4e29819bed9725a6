"""A machine of its own: everything in it ends with its first process, and nothing of it is left."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import machines
from tests.e2e.conftest import REAL_PREFIX
from tools import paths
from tools.control_plane.layout import free_ports
from tools.control_plane.processes import MACHINE, Processes
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.machine import machine, made, network

BUSY = """
set -e
mkdir -p deep/mounted; mount -t tmpfs tmpfs deep/mounted
ip link add bridge0 type bridge; ip address add 10.244.0.1/24 dev bridge0; ip link set bridge0 up
ip netns add pod; ip link add pod0 type veth peer name eth0 netns pod
for folder in /sys/fs/cgroup/*/; do mkdir -p $folder/kubepods/burst; done
(setsid sleep 1001 &) ; (setsid sh -c 'trap "" TERM; sleep 1002' &)
echo 2 > /proc/sys/vm/overcommit_memory
nft add table inet test
touch ready; exec sleep 1003
"""
"""What a node does: mounts, interfaces, a network of a pod, cgroups, processes that leave their parents."""


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    machines.require()


@pytest.fixture
def folder() -> Iterator[Path]:
    with new("one") as made:
        yield made


@contextmanager
def new(name: str) -> Iterator[Path]:
    where = paths.MADE / f"{REAL_PREFIX}machine-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{name}"
    try:
        yield where
    finally:
        Processes(where).stop_all()
        machine.sweep(where)
        subprocess.run(["rm", "-rf", where], check=True)


def busy(folder: Path) -> int:
    """Start a machine in which something happens; return its first process' id."""
    processes = Processes(folder)
    first = machine.start(processes).first
    processes.start("busy", ["sh", "-c", BUSY])
    processes.wait("busy", (folder / "ready").is_file)
    # The first process, the shell's sleep, and those that left it.
    assert len(machines.inhabitants(first)) >= 4
    return first


def test_nothing_is_left_when_it_is_stopped(folder: Path) -> None:
    before = machines.traces(folder)
    first = busy(folder)
    members = machines.inhabitants(first)
    during = machines.traces(folder)
    assert during["cgroups"] - before["cgroups"] != set(), "what is compared can be seen"
    assert during | {"cgroups": before["cgroups"]} == before, "while it runs, this machine is as it was"
    assert Processes(folder).stop_all() == [MACHINE, "busy"]
    assert machines.traces(folder) == before
    assert [pid for pid in members if Path(f"/proc/{pid}").exists()] == []
    assert not made.ready(folder)


def test_all_of_it_ends_with_its_first_process(folder: Path) -> None:
    before = machines.traces(folder)
    first = busy(folder)
    members = machines.inhabitants(first)
    began = time.monotonic()
    os.kill(first, signal.SIGKILL)
    gone = lambda: not any(Path(f"/proc/{pid}").exists() for pid in members)  # noqa: E731
    wait_for("everything in the machine to end", gone)
    # Its guard removes the cgroups and ends.
    wait_for("the guard to end", lambda: not Processes(folder).alive(MACHINE))
    print(f"ended in {time.monotonic() - began:.2f} s")
    assert machines.traces(folder) == before


def test_all_of_it_ends_with_its_guard(folder: Path) -> None:
    before = machines.traces(folder)
    first = busy(folder)
    members = machines.inhabitants(first)
    os.kill(Processes(folder).all()[MACHINE].pid, signal.SIGKILL)
    gone = lambda: not any(Path(f"/proc/{pid}").exists() for pid in members)  # noqa: E731
    wait_for("everything in the machine to end", gone)
    left = machines.traces(folder)
    assert {**left, "cgroups": before["cgroups"]} == before
    # Nobody was there to remove the cgroups, which are empty.
    assert Processes(folder).stop_all() == []
    machine.sweep(folder)
    assert machines.traces(folder) == before


@pytest.mark.parametrize("after_seconds", [0.0, 0.15, 0.2, 0.25, 0.3, 0.4])
def test_a_start_that_is_killed_half_way_leaves_nothing(folder: Path, after_seconds: float) -> None:
    before = machines.traces(folder)
    command = [sys.executable, "-m", "tools.machine.first", str(folder), machine.name(folder), ""]
    folder.mkdir(parents=True)
    guard = subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.DEVNULL)
    time.sleep(after_seconds)
    guard.kill()
    guard.wait()
    machine.sweep(folder)
    assert machines.traces(folder) == before


def test_two_at_once_have_the_same_addresses_and_know_nothing_of_each_other(folder: Path) -> None:
    with new("two") as other:
        outside = free_ports(2)
        for where, port in zip((folder, other), outside, strict=True):
            processes = Processes(where)
            machine.start(processes)
            (where / "name").write_text(where.name)
            processes.start("web", web(8080))
            machine.forward(processes, {port: (network.ADDRESS, 8080)})
        for where, port in zip((folder, other), outside, strict=True):
            wait_for("the server to be reached", lambda port=port: get(port, "/name") is not None)  # type: ignore[misc]
            assert get(port, "/name") == where.name
        Processes(other).stop_all()
        assert get(outside[0], "/name") == folder.name
        assert get(outside[1], "/name") is None


def web(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", "--bind", "0.0.0.0", str(port)]


def get(port: int, path: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def test_a_port_is_open_outside_while_it_is_inside(folder: Path) -> None:
    processes, (port,) = Processes(folder), free_ports(1)
    machine.start(processes)
    machine.forward(processes, {port: ("127.0.0.1", port)})
    time.sleep(0.3)
    assert refused(port)
    processes.start("web", web(port))
    wait_for("the server to be reached", lambda: get(port, "/") is not None)
    assert made.Machine.read(folder).first in machines.inhabitants(processes.all()["web"].pid)
    processes.restart("web")
    wait_for("the server to be reached again", lambda: get(port, "/") is not None)
    assert made.Machine.read(folder).first in machines.inhabitants(processes.all()["web"].pid), "inside again"
    processes.stop("web")
    assert get(port, "/") is None
    wait_for("the port to be closed", lambda: refused(port))


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_name_of_the_world_is_a_server_inside(folder: Path) -> None:
    processes, (port,) = Processes(folder), free_ports(1)
    machine.start(processes, {80: port}, ["registry.example.org"])
    machine.resolve(folder, "10.96.0.10", "svc.cluster.local")
    processes.start("web", web(port))
    processes.wait("web", lambda: processes.listens(port))
    asking = "import urllib.request; print(urllib.request.urlopen('http://registry.example.org').status)"
    processes.start("ask", ["sh", "-c", f'cat /etc/resolv.conf; {sys.executable} -c "{asking}"'])
    wait_for("the answer", lambda: not processes.alive("ask"))
    said = processes.log("ask").read_text().splitlines()
    assert said[:2] == ["nameserver 10.96.0.10", "search svc.cluster.local"]
    assert said[-1] == "200"


def test_nothing_outside_is_reached_from_inside(folder: Path) -> None:
    machine.start(Processes(folder))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            made.connected(folder, "127.0.0.1", port)
    own = {line.split()[0] for line in Path("/proc/net/route").read_text().splitlines()[1:]}
    assert own, "this machine has a network"
    with pytest.raises(OSError, match=r"No route to host|timed out"):
        made.connected(folder, "192.0.2.1", 443)


def test_a_start_that_fails_says_why_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machines.traces(folder)
    # Such as an interface of a kernel without virtual cables.
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    folder.mkdir(parents=True)
    (folder / "ip").write_text("#!/bin/sh\necho Unknown device type. >&2; exit 2\n")
    (folder / "ip").chmod(0o755)
    with pytest.raises(ToolError, match=r"`ip link set lo up` failed: Unknown device type\."):
        machine.start(Processes(folder))
    Processes(folder).stop_all()
    assert machines.traces(folder) == before
