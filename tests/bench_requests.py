"""Print what a request costs each function: `python -m tests.bench_requests [--against CHECKOUT]`.

Not a test: seconds are not stable enough to assert. Every example is played until it is settled, and
each step's last request is answered again: bytes in, bytes out, in process, as milliseconds of CPU.
Beside it stands a function of the SDK that answers with the same desired state, made beforehand: less
no function can cost. With a second checkout both take turns, each with the requests of its own world,
so that a busy machine slows both alike. Where the two compose different numbers of resources, compare
the ratios to the floor.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
EXAMPLES = ("aws/small", "aws/shared", "aws/large", "existing/large", "models/minimal", "models/large")
IMPORT = """
import sys
sys.modules["rich"] = None  # the tools' alone
import functions.base.server
from functions.main import load
load(sys.argv[1])
"""


# One checkout, in a process of its own. It uses no more than what older checkouts have too.


def _requests() -> dict[str, bytes]:
    """Return the last request of each step of each settled example."""
    import tests.properties.worlds as worlds
    from tests.properties import pipeline

    seen: dict[str, bytes] = {}
    right: Any = vars(pipeline)["respond"]

    def recording(function: Any, message: Any) -> Any:
        seen[function.name] = message.SerializeToString(deterministic=True)
        return right(function, message)

    pipeline.respond = recording  # type: ignore[attr-defined]
    found: dict[str, bytes] = {}
    for example in EXAMPLES:
        world = worlds.world(example)
        seen.clear()
        pipeline.run(world.xr, world.observed, world.available)
        found |= {f"{example} {name}": wire for name, wire in seen.items()}
    return found


def _floor(function: str, wire: bytes, answer: bytes) -> Callable[[], bytes]:
    """Return a function of the SDK that gives the same desired state, made beforehand."""
    from crossplane.function import resource as sdk
    from crossplane.function import response
    from crossplane.function.proto.v1 import run_function_pb2 as fnv1

    made = {
        name: sdk.struct_to_dict(r.resource)
        for name, r in fnv1.RunFunctionResponse.FromString(answer).desired.resources.items()
        if name.startswith(f"{function}/")
    }

    def run() -> bytes:
        asked = fnv1.RunFunctionRequest.FromString(wire)
        said = response.to(asked)
        for name, manifest in made.items():
            sdk.update(said.desired.resources[name], manifest)
        return bytes(said.SerializeToString())

    return run


def _function(name: str, wire: bytes) -> Callable[[], bytes]:
    from crossplane.function.proto.v1 import run_function_pb2 as fnv1

    from functions.base.respond import respond
    from functions.main import load

    function = load(name)
    return lambda: bytes(respond(function, fnv1.RunFunctionRequest.FromString(wire)).SerializeToString())


def _serve() -> None:
    """Answer every line on standard input with a round of figures, in milliseconds of CPU."""
    sys.path.insert(0, str(Path.cwd()))
    runs: dict[str, tuple[Callable[[], bytes], Callable[[], bytes]]] = {}
    sizes = {}
    for what, wire in _requests().items():
        run = _function(what.split()[1], wire)
        answer = run()
        runs[what] = (run, _floor(what.split()[1], wire, answer))
        sizes[what] = (len(wire), len(answer))
    gc.collect()
    gc.freeze()
    print(json.dumps(sizes), flush=True)
    for _ in sys.stdin:
        print(json.dumps({what: [_ms(run), _ms(floor)] for what, (run, floor) in runs.items()}), flush=True)


def _ms(run: Callable[[], object], times: int = 3) -> float:
    begin = time.thread_time()
    for _ in range(times):
        run()
    return (time.thread_time() - begin) * 1000 / times


# The other side.


class Checkout:
    """A checkout whose requests are being answered."""

    def __init__(self, folder: Path) -> None:
        """Start it, and wait until its examples are settled."""
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(HERE), "--serve"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # As in an image, where the modules are compiled already.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._made = tempfile.TemporaryDirectory()
        self._compiled = {**kept, "PYTHONPYCACHEPREFIX": self._made.name}
        self.figures: dict[str, list[list[float]]] = {}
        self.imports: dict[str, list[float]] = {}
        self.sizes: dict[str, list[int]] = self._read()

    def round(self) -> None:
        """Answer every request some times."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for what, pair in self._read().items():
            self.figures.setdefault(what, []).append(pair)

    def start_once(self) -> None:
        """Import each function in a fresh interpreter."""
        names = subprocess.run(
            [sys.executable, "-c", "from functions.main import FUNCTIONS; print(*FUNCTIONS)"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for name in names:
            before = _children()
            subprocess.run(
                [sys.executable, "-c", IMPORT, name], cwd=self.folder, env=self._compiled, check=True
            )
            self.imports.setdefault(name, []).append(_children() - before)

    def close(self) -> None:
        """Stop it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._made.cleanup()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


OLD_NAMES = {"gpu-stack": "cluster-stack"}


def _now(name: str) -> str:
    """Return what a function is called today."""
    return next((name.replace(old, new) for old, new in OLD_NAMES.items() if old in name), name)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_requests", description=__doc__)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve()
        return
    checkouts = [Checkout(ROOT), *([Checkout(given.against.resolve())] if given.against else [])]
    for _ in range(given.rounds):
        for checkout in checkouts:
            checkout.round()
    for _ in range(max(3, given.rounds // 4)):
        for checkout in checkouts:
            checkout.start_once()
    _print(checkouts)
    for checkout in checkouts:
        checkout.close()


def _print(checkouts: list[Checkout]) -> None:
    mine, *others = checkouts
    other = others[0] if others else None
    before = {_now(what): pairs for what, pairs in other.figures.items()} if other else {}
    print(
        f"{'request, CPU ms, median':<34}{'KB in':>7}{'KB out':>7}{'floor':>8}{'ours':>8}{'x':>6}{'before':>9}{'':>7}{'x':>6}"
    )
    for what, pairs in mine.figures.items():
        ours, floor = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        size = "".join(f"{n / 1000:7.0f}" for n in mine.sizes[what])
        row = f"{what:<34}{size}{floor:8.2f}{ours:8.2f}{ours / floor:6.1f}"
        if what in before:
            then, its_floor = (statistics.median(pair[i] for pair in before[what]) for i in (0, 1))
            row += f"{then:9.2f}{(ours - then) / then:+7.0%}{then / its_floor:6.1f}"
        print(row)
    imported = {_now(name): times for name, times in other.imports.items()} if other else {}
    for name, times in mine.imports.items():
        ours = statistics.median(times)
        row = f"{'import ' + name:<34}{'':>22}{ours:8.0f}{'':>6}"
        if name in imported:
            then = statistics.median(imported[name])
            row += f"{then:9.0f}{(ours - then) / then:+7.0%}"
        print(row)


if __name__ == "__main__":
    main()
