"""Print what placing a Model costs among many clusters: `python -m tests.vllm.bench_place`.

Not a test: seconds are not stable enough to assert. A new Model among 100 clusters of 10 pools
is to take at most 15 ms. Its first run after a start reads every cluster; later ones read
those again that have changed. The processor's time is what a busy machine changes least.
"""

from __future__ import annotations

import copy
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Request
from functions.base.respond import read, respond
from functions.base.view import remembered
from functions.base.wire import to_struct
from functions.vllm.compose import FUNCTION, compose
from tests.base.apiserver import observe
from tests.vllm.world import cluster
from tools.offers import offers

ROUNDS = 200
CLUSTERS, POOLS = 100, 10
GPUS = (
    ("L4", 22888, 0.8048),
    ("A10G", 22888, 1.006),
    ("L40S", 45776, 1.861),
    ("A100-80GB", 81920, 27.447),
    ("H100-80GB", 81559, 55.04),
)
SPEC = {"model": "Qwen/Qwen3-32B", "contextLength": 32768, "concurrency": 4}
INPUT = {"apiVersion": "freehold.dev/v1alpha1", "kind": "VLLMInput", "clusterNamespaces": ["platform"]}


def pool(cluster_index: int, index: int) -> dict[str, Any]:
    """Return a pool of one of the GPUs, with a price of its own."""
    gpu, memory, price = GPUS[index % len(GPUS)]
    return {
        "name": f"pool-{index}",
        "gpuModel": gpu,
        "gpusPerNode": (1, 4, 8)[index % 3],
        "gpuMemoryMiB": memory,
        "instanceType": "any.large",
        "nodes": {"min": 1, "max": 8},
        "capacity": "OnDemand",
        "priceUsdPerHour": price + cluster_index / 1000,
        "nodeSelector": {"freehold.dev/node-pool": f"pool-{index}"},
        "ready": True,
    }


def known_clusters(count: int) -> list[dict[str, Any]]:
    """Return clusters as the API server has them, managed fields included."""
    made = []
    for index in range(count):
        xr = cluster(f"c{index:03}", *(pool(index, n) for n in range(POOLS)), allowed=["team-*"])
        made.append(observe({k: v for k, v in xr.items() if k != "status"}, status=xr["status"]))
    return made


def message(
    answers: Mapping[str, list[dict[str, Any]]],
    live: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] = SPEC,
) -> fnv1.RunFunctionRequest:
    """Return a request of one Model; `live` is what is observed and recorded of a placed one."""
    live = live or {}
    composite = {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "XModel",
        "metadata": {"name": "qwen-x1"},
        "spec": {**spec, "claimRef": {"namespace": "team-a", "name": "qwen"}},
        "status": live.get("status", {}),
    }
    made = fnv1.RunFunctionRequest()
    to_struct(composite, made.observed.composite.resource)
    to_struct(INPUT, made.input)
    for name, manifest in live.get("observed", {}).items():
        to_struct(manifest, made.observed.resources[name].resource)
    for key, found in answers.items():
        made.required_resources[key].SetInParent()
        for manifest in found:
            to_struct(manifest, made.required_resources[key].items.add().resource)
    return made


def placed(known: list[dict[str, Any]]) -> dict[str, Any]:
    """Return status and observed resources of a Model that was placed among these clusters."""
    observed: dict[str, Any] = {}
    status: dict[str, Any] = {}
    while True:
        made = message(
            {"clusters": known, "cluster": _own(known, status)}, {"status": status, "observed": observed}
        )
        outcome = compose(read(made))
        status = dict(outcome.status)
        new = {r.name: r.manifest for r in outcome.resources if r.manifest and r.name not in observed}
        if not new:
            return {"status": status, "observed": observed}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        observed |= {name: observe(copy.deepcopy(dict(m)), status=ready) for name, m in new.items()}


def _own(known: list[dict[str, Any]], status: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = status.get("placement", {}).get("cluster")
    return offers(c for c in known if c["metadata"]["name"] == name)


def through_the_door(made: fnv1.RunFunctionRequest) -> Callable[[], object]:
    """Return what a call costs: bytes in, bytes out."""
    wire = made.SerializeToString()
    return lambda: respond(FUNCTION, fnv1.RunFunctionRequest.FromString(wire)).SerializeToString()


def decision(made: fnv1.RunFunctionRequest) -> Callable[[], object]:
    """Return what the decision alone costs, with the request in Python."""
    request = read(made)

    def run() -> object:
        return compose(
            Request(
                composite=request.composite,
                observed=request.observed,
                composed_before={},
                status_before={},
                answers=request.answers,
                input=request.input,
            )
        )

    return run


def bench(what: str, run: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
    """Print the median and the 99th percentile of some rounds, each after a `before` that is not timed.

    And the median of the processor's time.
    """
    run()
    rounds = [_timed(run, before) for _ in range(ROUNDS)]
    times = sorted(elapsed for elapsed, _ in rounds)
    median, p99 = statistics.median(times), times[round(ROUNDS * 0.99) - 1]
    busy = statistics.median(processor for _, processor in rounds)
    print(f"{what:<62} {median * 1000:7.2f} {p99 * 1000:7.2f} {busy * 1000:7.2f}")


def _timed(run: Callable[[], object], before: Callable[[], object]) -> tuple[float, float]:
    before()
    begin, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begin, time.process_time() - used


def main() -> None:
    """Print the figures."""
    known = known_clusters(CLUSTERS)
    gc.freeze()  # a server holds none of this
    new = message({"clusters": known})
    print(
        f"request of {new.ByteSize() // 1024} KiB; ms over {ROUNDS} rounds {'median':>33} {'p99':>7} {'cpu':>7}"
    )
    among = f"{CLUSTERS} clusters of {POOLS} pools"
    door = through_the_door(new)
    bench(f"new Model, {among}, through the door", door)
    bench(f"new Model, {among}, the decision alone", decision(new))
    bench(f"new Model, {among}, no cluster seen before", door, remembered.cache_clear)
    nowhere = message({"clusters": known}, spec={**SPEC, "concurrency": 1024})
    bench(f"new Model that fits nowhere, {among}", through_the_door(nowhere))
    for count in (1, 10, 100):
        live = placed(known[:count])
        # Crossplane answers a placed Model with the one offer that it requires.
        made = message({"cluster": _own(known, live["status"])}, live)
        bench(f"placed Model, {count} clusters around, through the door", through_the_door(made))


if __name__ == "__main__":
    main()
