"""Print what the agent costs with 100 Models: `python -m tests.agent.bench_agent`.

Not a test: seconds are not stable enough to assert. The agent runs as a process against a small API
server that has a Model's pod in each of 100 namespaces and 5,000 warnings of other namespaces.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.cluster import EVENTS, PODS, REPORTS
from tests.agent.api_server import Answer, Asked, listening
from tests.agent.pods import UNREADY, container, ended, event, pod, serves, waiting
from tests.agent.test_process import agent, within_seconds

MODELS, WARNINGS, CHANGES = 100, 5000, 10
NAMESPACES = [f"team-{n}-chat-0123456789abcdef" for n in range(MODELS)]
MANAGED = [{"fieldsV1": "x" * 3000}]
"""As long as a pod's managed fields are."""
_TICKS = os.sysconf("SC_CLK_TCK")


def placed(found: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Put an object into a namespace, as the API server gives it out."""
    more = {"namespace": namespace, "resourceVersion": "1", "managedFields": MANAGED}
    return {**found, "metadata": {**found["metadata"], **more}}


class World:
    """What the API server has, and which reports were written."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.changes: list[dict[str, Any]] = []
        warnings = [event("BackOff", "x" * 200, name=f"pod-{n}") for n in range(WARNINGS)]
        self.lists = {
            PODS: [placed(serves(), namespace) for namespace in NAMESPACES],
            EVENTS: [placed(each, f"other-{n % 50}") for n, each in enumerate(warnings)],
            REPORTS: [placed({"metadata": {"name": "pods"}}, namespace) for namespace in NAMESPACES],
        }

    def answer(self, request: Asked) -> Answer:
        if request.method == "PATCH":
            self.written.append(request.path)
            return Answer(200, {})
        if request.path.endswith("/log"):
            return Answer(200, "ValueError: no\n")
        if "watch" not in request.query:
            return Answer(200, {"items": self.lists[request.path], "metadata": {"resourceVersion": "1"}})
        if request.path == PODS and self.changes:
            changes, self.changes = self.changes, []
            return Answer(200, changes)
        time.sleep(0.5)
        return Answer(200, [])


def main() -> None:
    """Print the figures."""
    world = World()
    crashing = container(waiting("CrashLoopBackOff"), restarts=3, last=ended(1))
    with listening(world.answer) as (server, _), agent(server, Path(tempfile.mkdtemp())) as (process, _):
        within_seconds(lambda: len(world.written) >= MODELS)
        began = cpu_seconds(process.pid)
        print(f"writes for {MODELS} Models: {len(world.written)}; CPU until then: {began:.2f} s")
        world.changes = [
            {"type": "MODIFIED", "object": placed(serves(labels={"change": str(n)}), namespace)}
            for n in range(CHANGES)
            for namespace in NAMESPACES
        ]
        bad = placed(pod(conditions=UNREADY, containers=[crashing]), NAMESPACES[0])
        world.changes.append({"type": "MODIFIED", "object": bad})
        time.sleep(15)
        writes, cpu = len(world.written) - MODELS, cpu_seconds(process.pid) - began
        print(
            f"writes for {MODELS * CHANGES} changes that say nothing new, and a crash: {writes}; CPU: {cpu:.2f} s"
        )
        status = Path(f"/proc/{process.pid}/status").read_text()
        [kib] = re.findall(r"VmHWM:\s+(\d+)", status)
        print(f"peak memory: {int(kib) / 1024:.0f} MiB")


def cpu_seconds(pid: int) -> float:
    # The name, in brackets, may hold anything; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
