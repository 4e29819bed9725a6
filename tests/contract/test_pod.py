"""Containers end with the test that started them, whatever becomes of it: nothing is left on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.contract.pod import run, wait_for
from tests.contract.rendered import Container

SLEEPS = Container(
    "sleeps",
    {"securityContext": {"runAsUser": 2000, "runAsGroup": 2000, "fsGroup": 2000}, "volumes": []},
    {"command": ["sleep", "600"], "volumeMounts": []},
)
STARTS = """
import sys, time
from pathlib import Path
from tests.contract.pod import run
from tests.contract.test_pod import SLEEPS, has_begun
with run(SLEEPS, Path(sys.argv[1]), {}) as pod:
    has_begun(pod.pid)
    print(pod.pid, flush=True)
    time.sleep(600)
"""


def has_begun(pid: int) -> None:
    """Return once a container's first process is its command, which has no rights any more."""
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text().strip() == "sleep", 60, "the command to run")


def is_gone(pid: int) -> None:
    """Return once a process is gone."""
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 20, f"process {pid} to be gone")


def test_a_container_ends_with_its_test(tmp_path: Path) -> None:
    with run(SLEEPS, tmp_path, {}) as pod:
        pid = pod.pid
        has_begun(pid)
    is_gone(pid)


def test_a_container_dies_with_a_killed_test(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "a pipe"
        pid = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    is_gone(pid)
