"""The cost of work to a control plane: core's own metrics, and CPU and memory of each process."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.e2e.conftest import Plane
from tools.control_plane.plane import ports_of

_CALLS = "function_run_function_seconds"
_RECONCILES = "controller_runtime_reconcile_time_seconds"
_OPENS, _EVENTS = "circuit_breaker_opens_total", "circuit_breaker_events_total"
_SERIES = re.compile(rf"^((?:{_CALLS}|{_RECONCILES}|{_OPENS}|{_EVENTS})\w*)\{{(.*)\}} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TICKS = os.sysconf("SC_CLK_TCK")

Series = tuple[str, frozenset[tuple[str, str]]]
"""A metric's name and its labels."""


@dataclass(frozen=True)
class Look:
    """A control plane's counters at one time."""

    at: float
    """Seconds of a clock that only goes forward."""
    series: Mapping[Series, float]
    cpu: Mapping[str, float]
    """Seconds, by process."""
    peak: Mapping[str, float]
    """Peak resident memory since `forget_peaks`, in MiB, by process."""


@dataclass(frozen=True)
class Times:
    """A histogram of durations, in seconds."""

    count: float
    total: float
    buckets: Mapping[float, float]
    """Durations up to each bound."""

    @property
    def mean(self) -> float:
        """The mean; NaN where there is none."""
        return self.total / self.count if self.count else math.nan

    def quantile(self, share: float) -> float:
        """Return the duration that a share stays below, by interpolation; NaN where there is none."""
        rank, lower, below = share * self.count, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= rank and count > below:
                return (
                    lower + (bound - lower) * (rank - below) / (count - below) if bound < math.inf else lower
                )
            lower, below = bound, count
        return math.nan


@dataclass(frozen=True)
class Cost:
    """The difference between two looks."""

    before: Look
    after: Look

    @property
    def seconds(self) -> float:
        """Seconds between the two."""
        return self.after.at - self.before.at

    @property
    def opens(self) -> float:
        """How often core's circuit breaker opened."""
        return self._sum(_OPENS)

    def events(self, controller: str) -> float:
        """Return how many updates of something that a composite watches reached its controller."""
        return self._sum(_EVENTS, ("controller", controller))

    def calls(self, *functions: str) -> Times:
        """Return the RunFunction calls of some functions, as core waited for them."""
        return self._times(_CALLS, "function_name", functions)

    def reconciles(self, *controllers: str) -> Times:
        """Return the reconciles of some controllers."""
        return self._times(_RECONCILES, "controller", controllers)

    def cpu(self, process: str) -> float:
        """Return the CPU seconds that a process took."""
        return self.after.cpu[process] - self.before.cpu[process]

    def _times(self, name: str, label: str, values: tuple[str, ...]) -> Times:
        wanted = [(label, value) for value in values]
        buckets: dict[float, float] = {}
        for (series, labels), value in self.after.series.items():
            if series == f"{name}_bucket" and any(pair in labels for pair in wanted):
                bound = float(dict(labels)["le"])
                more = value - self.before.series.get((series, labels), 0)
                buckets[bound] = buckets.get(bound, 0) + more
        return Times(self._sum(f"{name}_count", *wanted), self._sum(f"{name}_sum", *wanted), buckets)

    def _sum(self, name: str, *wanted: tuple[str, str]) -> float:
        found = (
            value - self.before.series.get((series, labels), 0)
            for (series, labels), value in self.after.series.items()
            if series == name and (not wanted or any(pair in labels for pair in wanted))
        )
        # 0 is an int, which has no is_integer before Python 3.12.
        return sum(found, 0.0)


def look(plane: Plane) -> Look:
    """Read all counters."""
    with urlopen(f"http://127.0.0.1:{ports_of(plane.layout).metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    series = {
        (name, frozenset(_LABEL.findall(labels))): float(value)
        for name, labels, value in _SERIES.findall(text)
    }
    pids = {name: process.pid for name, process in plane.processes.all().items()}
    cpu = {name: _cpu_seconds(pid) for name, pid in pids.items()}
    peak = {name: _peak_mib(pid) for name, pid in pids.items()}
    return Look(time.monotonic(), series, cpu, peak)


def forget_peaks(plane: Plane) -> None:
    """Reset the kernel's count of each process' peak memory."""
    for process in plane.processes.all().values():
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _cpu_seconds(pid: int) -> float:
    # The name, in brackets, may hold anything; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mib(pid: int) -> float:
    [kib] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(kib) / 1024
