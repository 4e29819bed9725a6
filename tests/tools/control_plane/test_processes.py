from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.control_plane.processes import Processes, Started
from tools.errors import ToolError

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""

HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("headless", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "plane")
    found.folder.mkdir()
    yield found
    found.stop_all()


def test_what_everything_waits_for_is_served_sooner(processes: Processes) -> None:
    """As root, where Linux gives CPU to sessions."""
    started = processes.start("etcd", SLEEP)
    of_session = Path(f"/proc/{started.pid}/autogroup")
    if not of_session.is_file() or os.geteuid() != 0:
        pytest.skip("sessions have no nice values that this user may lower")
    assert of_session.read_text().split()[-1] == "-10"


def test_a_process_runs_until_it_is_stopped(processes: Processes) -> None:
    started = processes.start("sleeper", SLEEP)
    assert processes.alive("sleeper")
    processes.stop("sleeper")
    assert not processes.alive("sleeper")
    assert not started.alive()
    assert processes.all() == {}


def test_a_process_lives_as_long_as_any_of_its_threads(processes: Processes) -> None:
    started = processes.start("headless", (sys.executable, "-c", HEADLESS))
    stat = Path(f"/proc/{started.pid}/stat")
    deadline = time.monotonic() + 10
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "its first thread ends"
        time.sleep(0.01)
    assert processes.alive("headless"), "it still has what it holds open, such as its port"
    processes.stop("headless")
    assert not started.alive()


def test_another_command_finds_what_runs(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    assert Processes(processes.folder).alive("sleeper")


def test_stopping_what_never_ran_does_nothing(processes: Processes) -> None:
    processes.stop("nobody")
    assert not processes.alive("nobody")
    assert processes.stop_all() == []


def test_a_restart_is_of_the_same_command(processes: Processes) -> None:
    before = processes.start("sleeper", SLEEP, {"GREETING": "hello"})
    processes.restart("sleeper")
    after = processes.all()["sleeper"]
    assert after.pid != before.pid
    assert (after.command, after.environment) == (list(SLEEP), {"GREETING": "hello"})
    assert processes.alive("sleeper")
    assert not before.alive()


def test_stop_all_stops_what_runs_and_tells_which(processes: Processes) -> None:
    ends = processes.start("ends", (sys.executable, "-c", ""))
    _until(lambda: not ends.alive())
    running = [processes.start(name, SLEEP) for name in ("first", "second")]
    assert processes.stop_all() == ["first", "second"]
    assert not any(process.alive() for process in running)
    assert processes.all() == {}


def test_waiting_ends_when_it_is_ready(processes: Processes) -> None:
    processes.start(
        "greeter", (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")
    )
    processes.wait("greeter", lambda: "ready" in processes.log("greeter").read_text())


def test_one_that_ends_at_start_is_told_in_its_own_words(processes: Processes) -> None:
    processes.start("broken", (sys.executable, "-c", "raise SystemExit('port 1 is taken')"))
    with pytest.raises(ToolError, match="broken ended when it started") as told:
        processes.wait("broken", lambda: False)
    assert "port 1 is taken" in str(told.value)


def test_one_that_ended_before_its_start_was_looked_at_does_not_run() -> None:
    """As a program that is not there, in a machine."""
    gone = int(Path("/proc/sys/kernel/pid_max").read_text())
    assert not Started("gone", gone, "", [], {}).alive()


def test_one_that_takes_too_long_is_told(processes: Processes) -> None:
    processes.start("slow", SLEEP)
    with pytest.raises(ToolError, match="slow is not ready after 0 s"):
        processes.wait("slow", lambda: False, seconds=0.1)


def test_one_that_does_not_listen_is_killed(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.control_plane.processes.STOP_SECONDS", 0.2)
    deaf = processes.start("deaf", (sys.executable, "-c", DEAF))
    processes.wait("deaf", lambda: "deaf" in processes.log("deaf").read_text())
    processes.stop("deaf")
    assert not deaf.alive()


def test_a_process_can_be_killed_at_once(processes: Processes) -> None:
    deaf = processes.start("deaf", (sys.executable, "-c", DEAF))
    processes.stop("deaf", signal.SIGKILL)
    assert not deaf.alive()


def test_a_later_process_of_the_same_id_is_left_alone(processes: Processes) -> None:
    """As after a reboot: the list names an id that is somebody else's now."""
    bystander = processes.start("bystander", SLEEP)
    other = Processes(processes.folder / "other")
    other.folder.mkdir()
    [entry] = json.loads(processes.file.read_text())
    other.file.write_text(json.dumps([{**entry, "started": "1 an-earlier-boot"}]))
    assert not other.alive("bystander")
    assert other.stop_all() == []
    other.file.write_text(json.dumps([{**entry, "started": "1 an-earlier-boot"}]))
    other.stop("bystander")
    assert bystander.alive()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
