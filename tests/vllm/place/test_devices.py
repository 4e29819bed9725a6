"""GPUs are free on a node, not in a pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.api import Nodes, PodsInUse, PoolStatus
from functions.vllm.compose import compose
from functions.vllm.place.devices import sure_pods
from tests.vllm.world import H100, L4, cluster, condition_text, request

LARGE = {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": {"count": 8}}


def pool(nodes: int, each: int, *pods: int) -> PoolStatus:
    """Return a pool on which pods take so many GPUs each."""
    return PoolStatus(
        name="pool",
        gpu_model="H100-80GB",
        gpus_per_node=each,
        gpu_memory_mib=81559,
        nodes=Nodes(max=nodes),
        gpus_in_use=sum(pods),
        pods_in_use=[PodsInUse(gpus=gpus, pods=pods.count(gpus)) for gpus in sorted(set(pods))] or None,
    )


@pytest.mark.parametrize(
    ("nodes", "each", "pods", "wanted", "expected"),
    [
        pytest.param(2, 8, (), 8, 2, id="empty"),
        pytest.param(2, 8, (4, 4), 8, 0, id="perhaps-half-of-each-node"),
        pytest.param(2, 8, (4, 4), 4, 2, id="halves-for-halves"),
        pytest.param(2, 8, (1,), 8, 1, id="one-node-is-whole"),
        pytest.param(2, 8, (1, 1, 1, 1), 4, 2, id="one-half-of-each-node"),
        pytest.param(2, 8, (8,), 8, 1, id="a-whole-node"),
        pytest.param(2, 4, (1, 1), 8, 0, id="more-than-a-node-has"),
        pytest.param(4, 1, (1, 1, 1), 1, 1, id="single-gpus"),
        pytest.param(1, 4, (1, 1, 1), 1, 1, id="slices"),
    ],
)
def test_pods_that_surely_fit(
    nodes: int, each: int, pods: tuple[int, ...], wanted: int, expected: int
) -> None:
    assert sure_pods(pool(nodes, each, *pods), wanted) == expected


def arrangements(nodes: int, each: int, pods: list[int]) -> Iterator[list[int]]:
    """Yield how many GPUs are in use on each node, for every way in which pods can be there."""
    for where in itertools.product(range(nodes), repeat=len(pods)):
        used = [0] * nodes
        for node, gpus in zip(where, pods, strict=True):
            used[node] += gpus
        if max(used, default=0) <= each:
            yield used


@settings(max_examples=300, deadline=None)
@given(
    nodes=st.integers(1, 3),
    each=st.sampled_from((1, 2, 3, 4, 7, 8)),
    sizes=st.lists(st.integers(1, 8), max_size=5),
    wanted=st.integers(1, 8),
)
def test_what_is_promised_is_there_wherever_pods_are(
    nodes: int, each: int, sizes: list[int], wanted: int
) -> None:
    free = [
        sum((each - used) // wanted for used in found)
        for found in arrangements(nodes, each, [size for size in sizes if size <= each])
    ]
    if free:
        promised = sure_pods(pool(nodes, each, *(size for size in sizes if size <= each)), wanted)
        assert promised <= min(free)
        if each % wanted == 0 and all(wanted % size == 0 for size in sizes):
            assert promised >= min(free) - 1, "and not much less"


def in_use(*pods: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return two nodes of eight GPUs, of which pods take some."""
    return {
        **H100,
        "gpusInUse": sum(gpus * count for gpus, count in pods),
        "podsInUse": [{"gpus": gpus, "pods": count} for gpus, count in pods],
        **more,
    }


def test_two_halves_are_no_whole() -> None:
    made = compose(request(LARGE, cluster("eu", in_use((4, 2)), allowed=["*"])))
    assert condition_text(made) == (
        "[platform] eu/h100: 8 of its 16 GPUs are in use, by pods that may be on different nodes, so that none "
        "of its nodes is sure to have 8 GPUs free. The Model waits until enough are free: delete a Model that "
        "nobody needs, or ask the platform team to raise nodes.max of a node pool, such as eu/h100"
    )
    assert (
        compose(request(LARGE, cluster("eu", in_use((8, 1)), allowed=["*"]))).status["placement"]["gpus"] == 8
    )


def test_more_replicas_than_are_sure_to_fit() -> None:
    eu = cluster("eu", in_use((4, 1)), allowed=["*"], sharedStorage=True)
    made = compose(request({**LARGE, "replicas": {"min": 2}}, eu))
    assert "4 of its 16 GPUs are in use. The Model waits" in condition_text(made)
    spec = {**LARGE, "gpu": {"count": 4}, "replicas": {"min": 3}}
    assert "placement" in compose(request(spec, eu)).status


def test_a_model_goes_where_it_fills_a_node() -> None:
    half, whole = in_use((4, 1), name="z-half"), in_use((8, 1), name="a-whole")
    spec = {**LARGE, "gpu": {"count": 4}}
    made = compose(request(spec, cluster("eu", half, whole, allowed=["*"])))
    assert made.status["placement"]["nodePool"] == "z-half"
    [other] = made.status["placement"]["runnersUp"]
    assert other["why"] == "fits at the same price, on a node that no other Model is on"


def test_a_models_own_pods_do_not_count() -> None:
    """The Model is on both halves itself and asks for a whole node elsewhere in the cluster."""
    record = {
        "metadata": {
            "labels": {
                "freehold.dev/cluster": "eu-x1",
                "freehold.dev/node-pool": "h100",
                "freehold.dev/gpus": "8",
                "freehold.dev/pod-count": "2",
            }
        }
    }
    eu = cluster("eu", in_use((4, 2)), allowed=["*"])
    made = compose(request(LARGE, eu, observed={"vllm/old/placed": record}))
    assert made.status["placement"]["nodePool"] == "h100"


def test_a_pool_whose_pods_are_not_known_counts_as_filled_node_by_node() -> None:
    for used, word in ((8, "Placed"), (9, "NoFreeGPUs")):
        made = compose(request(LARGE, cluster("eu", {**H100, "gpusInUse": used}, allowed=["*"])))
        assert made.conditions[0].reason == word
    assert L4["gpusPerNode"] == 1
