"""`python -m tests.e2e.load`: many Models at once, beside as many claims of a function that does nothing."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.e2e import idle
from tests.e2e.conftest import Plane
from tests.e2e.cost import Cost, forget_peaks, look
from tests.e2e.gpu_operator import GPUOperator, bury
from tests.e2e.nodes import joined
from tests.e2e.observing import told, wait_ready
from tests.e2e.workload import OWNER, delete, existing, model
from tools import paths
from tools.control_plane import plane
from tools.control_plane.api import condition
from tools.control_plane.layout import Layout
from tools.control_plane.nodes import gpu_node
from tools.errors import ToolError
from tools.manifests import Manifest
from tools.servers import SigtermAsExit

HERE = {"namespace": OWNER, "name": "load"}
GPUS = 8
"""GPUs of each node; a Model takes one."""
SECONDS = 900.0
_NAMESPACES = 10
_AT_ONCE = 8
"""Claims that are created at the same time."""
_POLL_SECONDS = 0.5
_TELL_SECONDS = 5
_NAMED = 5
_FUNCTION = "function-vllm"
_CLUSTERS_FUNCTIONS = ("function-node-pools", "function-cluster-stack")
_MODELS, _CLUSTERS = "composite/xmodels.freehold.dev", "composite/xinferenceclusters.freehold.dev"

Row = tuple[str, float, float]
"""What is measured, for the Models, and for the claims that do nothing."""


def main() -> int:
    """Measure on a control plane of its own, and print the table."""
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=SECONDS, help="seconds until all are Ready")
    arguments = parser.parse_args()
    layout = Layout(paths.MADE / "load")
    try:
        with SigtermAsExit():
            try:
                running = Plane(layout, plane.up(layout))
                costs = measure(running, arguments.models, arguments.timeout, leave=True)
                print(table(rows(arguments.models, *costs)))
            finally:
                plane.down(layout)
    except (ToolError, AssertionError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    return 0


def measure(
    running: Plane, count: int, seconds: float = SECONDS, *, leave: bool = False
) -> tuple[Cost, Cost]:
    """Return what so many Models cost, and so many claims that do nothing.

    Args:
        running: the control plane.
        count: how many of each.
        seconds: until all of one kind must be Ready.
        leave: whether the Models stay, since the control plane goes.

    Raises:
        ToolError: when not all are Ready in time.
    """
    names = [(f"load-{n % _NAMESPACES}", f"load-{n}") for n in range(count)]
    for namespace in sorted({OWNER, *(namespace for namespace, _ in names)}):
        metadata = {"name": namespace}
        running.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    with idle.offered(running):
        claims = [idle.idle(*name) for name in names]
        nothing = _cost(running, claims, seconds)
        # Core would look at them again each minute.
        delete(running.api, *claims)
    nodes = [gpu_node(f"load-{n}", "g6.48xlarge", zone="a") for n in range(math.ceil(count / GPUS))]
    pool = {
        "name": "l4",
        "gpu": {"model": "L4", "count": GPUS},
        "nodes": {"min": len(nodes), "max": len(nodes)},
    }
    with joined(running.api, nodes), GPUOperator(running.api):
        cluster = existing(running, HERE["name"], [pool], allowed=["load-*"])
        # Each change of the cluster wakes all of its Models: it must have come to rest.
        wait_ready(running.api, cluster, seconds=180)
        claims = [model(*name, cluster=HERE, gpu={"model": "L4", "count": 1}) for name in names]
        models = _cost(running, claims, seconds)
        if not leave:
            delete(running.api, *claims, cluster)
            bury(running.api)
    return models, nothing


def rows(count: int, models: Cost, nothing: Cost) -> Iterator[Row]:
    """Yield the rows of the table."""
    yield "claims", float(count), float(count)
    yield "seconds until all are Ready", models.seconds, nothing.seconds
    calls, idle_calls = models.calls(_FUNCTION), nothing.calls(idle.FUNCTION)
    yield "RunFunction calls", calls.count, idle_calls.count
    yield "RunFunction calls per claim", calls.count / count, idle_calls.count / count
    yield "RunFunction mean, ms", calls.mean * 1000, idle_calls.mean * 1000
    for share in (0.5, 0.95, 0.99):
        yield (
            f"RunFunction p{share * 100:.0f}, ms",
            calls.quantile(share) * 1000,
            idle_calls.quantile(share) * 1000,
        )
    reconciles, idle_reconciles = models.reconciles(_MODELS), nothing.reconciles(idle.CONTROLLER)
    yield "reconciles of the XRs", reconciles.count, idle_reconciles.count
    yield "reconciles per claim", reconciles.count / count, idle_reconciles.count / count
    yield "watched updates per claim", models.events(_MODELS) / count, nothing.events(idle.CONTROLLER) / count
    yield "reconcile mean, ms", reconciles.mean * 1000, idle_reconciles.mean * 1000
    yield "reconciles of the cluster", models.reconciles(_CLUSTERS).count, nothing.reconciles(_CLUSTERS).count
    yield "watched updates of the cluster", models.events(_CLUSTERS), nothing.events(_CLUSTERS)
    calls, idle_calls = (cost.calls(*_CLUSTERS_FUNCTIONS) for cost in (models, nothing))
    yield "RunFunction calls of the cluster", calls.count, idle_calls.count
    yield "openings of circuit breakers", models.opens, nothing.opens
    yield "function, CPU seconds", models.cpu(_FUNCTION), nothing.cpu(idle.FUNCTION)
    yield "function, peak MiB", models.after.peak[_FUNCTION], nothing.after.peak[idle.FUNCTION]
    for process in sorted(set(models.after.cpu) - {_FUNCTION}):
        yield f"{process}, CPU seconds", models.cpu(process), nothing.cpu(process)
        yield f"{process}, peak MiB", models.after.peak[process], nothing.after.peak[process]


def table(found: Iterable[Row]) -> str:
    """Return rows as a table, with the ratio."""
    lines = [("what", "Models", "do nothing", "ratio"), ("---", "---:", "---:", "---:")]
    for what, models, nothing in found:
        ratio = f"{models / nothing:.1f}" if nothing else ""
        lines.append((what, _number(models), _number(nothing), ratio))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value.is_integer() else f"{value:.1f}"


def _cost(running: Plane, claims: Sequence[Manifest], seconds: float) -> Cost:
    """Apply claims at once; return what it took until all were Ready."""
    forget_peaks(running)
    before = look(running)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(running.api.create, claims))
    _wait_ready(running, claims, before.at + seconds)
    return Cost(before, look(running))


def _wait_ready(running: Plane, claims: Sequence[Manifest], deadline: float) -> None:
    version, kind = claims[0]["apiVersion"], claims[0]["kind"]
    names = {claim["metadata"]["name"] for claim in claims}
    told_at = 0.0
    while True:
        found = [c for c in running.api.items(version, kind) if c["metadata"]["name"] in names]
        unready = [c for c in found if condition(c, "Ready").get("status") != "True"]
        now = time.monotonic()
        if now > told_at + _TELL_SECONDS or not unready:
            ready = len(found) - len(unready)
            print(f"load: {ready} of {len(claims)} {kind} claims are Ready", file=sys.stderr, flush=True)
            told_at = now
        if not unready:
            return
        if now > deadline:
            raise ToolError(_complaint(unready))
        time.sleep(_POLL_SECONDS)


def _complaint(unready: Sequence[Manifest]) -> str:
    lines = [f"{len(unready)} claims are not Ready, such as"]
    for claim in unready[:_NAMED]:
        lines += [f"{claim['metadata']['namespace']}/{claim['metadata']['name']}", *told(claim)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
