"""Run one test of the suite while a function has a deliberate fault, and check how the test fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import Plane
from tests.e2e.mutants import MUTANTS, SUITE
from tools import paths
from tools.control_plane.kubernetes import listens
from tools.control_plane.processes import Started
from tools.control_plane.waiting import patience

_SECONDS = 400


def assert_caught(control_plane: Plane, name: str) -> None:
    """Serve a function with a fault, and check that the fault's test fails with the fault's words."""
    mutant = MUTANTS[name]
    with served_wrongly(control_plane, f"function-{mutant.function}", name):
        done = suite(control_plane, mutant.caught_by)
    assert done.returncode == 1, done.stdout
    # An ERROR is of a fixture: with some faults the claim never becomes ready.
    assert re.search(f"(FAILED|ERROR) {SUITE}{mutant.caught_by}", done.stdout), done.stdout
    assert mutant.words in done.stdout, done.stdout


@contextmanager
def served_wrongly(plane: Plane, function: str, fault: str) -> Iterator[None]:
    """Serve a function with a fault, at the address of the right one, for a while."""
    processes = plane.processes
    right = processes.all()[function]
    wrong = [
        sys.executable,
        "-m",
        "tests.e2e.mutants",
        fault,
        *right.command[right.command.index("-m") + 2 :],
    ]
    _serve(plane, right, wrong)
    try:
        yield
    finally:
        _serve(plane, right, right.command)


def _serve(plane: Plane, known: Started, command: list[str]) -> None:
    processes = plane.processes
    processes.stop(known.name)
    processes.start(known.name, command, known.environment)
    address = command[command.index("--address") + 1]
    processes.wait(known.name, lambda: listens(int(address.rpartition(":")[2])))


def suite(plane: Plane, test: str) -> subprocess.CompletedProcess[str]:
    """Run one test of the suite on the running control plane, in a process of its own."""
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "tests.e2e.first_failure"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, SUITE + test],
        cwd=paths.ROOT,
        env=os.environ | {"E2E_PLANE": str(plane.layout.folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS * patience(),
    )
