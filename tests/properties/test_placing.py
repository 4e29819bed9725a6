"""Where Models go, among any pools: the cheapest that takes them, whatever the order, and there they stay."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.base import Condition, Outcome, Status
from functions.vllm.compose import compose
from tests.vllm.world import cluster, request

GPUS = {"T4": 15360, "L4": 22888, "L40S": 45776, "A100-80GB": 81920, "H100-80GB": 81559}
MODELS = ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-32B", "meta-llama/Llama-3.2-1B-Instruct")
SPECS = st.builds(
    lambda model, context, concurrency: {
        "model": model,
        "contextLength": context,
        "concurrency": concurrency,
    },
    st.sampled_from(MODELS),
    st.sampled_from((4096, 16384, 32768)),
    st.integers(1, 8),
)


@st.composite
def pools(draw: st.DrawFn) -> dict[str, Any]:
    gpu = draw(st.sampled_from(sorted(GPUS)))
    pool: dict[str, Any] = {
        "gpuModel": gpu,
        "gpusPerNode": draw(st.sampled_from((1, 4, 8))),
        "gpuMemoryMiB": GPUS[gpu],
        "nodes": {"min": 0, "max": draw(st.integers(1, 4))},
        "gpusInUse": draw(st.integers(0, 8)),
    }
    if draw(st.booleans()):
        pool["priceUsdPerHour"] = draw(st.sampled_from((0.8, 1.0, 2.5, 40.0)))
    if draw(st.booleans()):
        share = {"mode": "MPS", "resource": "nvidia.com/gpu", "perGPU": 2, "memoryMiB": GPUS[gpu] // 2}
        pool["sharing"] = share
    return pool


@st.composite
def worlds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some clusters, with or without what several nodes need."""
    made = []
    for index in range(draw(st.integers(1, 3))):
        named = [
            {**p, "name": f"p{n}"} for n, p in enumerate(draw(st.lists(pools(), min_size=1, max_size=4)))
        ]
        components = ["leader-worker-set"] if draw(st.booleans()) else []
        shared = draw(st.booleans())
        made.append(cluster(f"c{index}", *named, allowed=["*"], sharedStorage=shared, components=components))
    return made


def alone(world: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each pool as if there were no other."""
    return [
        {**one, "status": {**one["status"], "nodePools": [pool]}}
        for one in world
        for pool in one["status"]["nodePools"]
    ]


def placed(outcome: Outcome) -> dict[str, Any] | None:
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    return dict(outcome.status["placement"]) if condition.status is Status.TRUE else None


def cost(placement: dict[str, Any]) -> tuple[bool, bool, float]:
    price = placement.get("priceUsdPerHour")
    return (placement["nodes"] > 1, price is None, price or 0)


@settings(max_examples=150, deadline=None)
@given(spec=SPECS, world=worlds())
def test_no_pool_alone_would_be_cheaper(spec: dict[str, Any], world: list[dict[str, Any]]) -> None:
    best = placed(compose(request(spec, *world)))
    each = [p for one in alone(world) if (p := placed(compose(request(spec, one))))]
    assert (best is None) == (each == [])
    if best is not None:
        assert cost(best) == min(map(cost, each))


@settings(max_examples=100, deadline=None)
@given(spec=SPECS, world=worlds(), data=st.data())
def test_the_order_does_not_matter(
    spec: dict[str, Any], world: list[dict[str, Any]], data: st.DataObject
) -> None:
    turned = [
        {
            **one,
            "status": {**one["status"], "nodePools": data.draw(st.permutations(one["status"]["nodePools"]))},
        }
        for one in data.draw(st.permutations(world))
    ]
    assert placed(compose(request(spec, *world))) == placed(compose(request(spec, *turned)))


@settings(max_examples=100, deadline=None)
@given(spec=SPECS, world=worlds(), later=worlds())
def test_a_placed_model_stays(
    spec: dict[str, Any], world: list[dict[str, Any]], later: list[dict[str, Any]]
) -> None:
    """Cheaper pools come, and its own fills up."""
    first = compose(request(spec, *world))
    place = placed(first)
    if place is None:
        return
    for index, one in enumerate(later):
        one["metadata"]["name"] = f"later{index}-x1"
    for one in world:
        for pool in one["status"]["nodePools"]:
            pool["gpusInUse"] = 1000
    again = compose(request(spec, *later, *world, status=dict(first.status)))
    assert placed(again) == place
