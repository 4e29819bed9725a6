"""Pools of a cluster that is there already: what is known of them, and by which labels."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.models.test_in_use import record as placed
from tests.node_pools.requests import L4, cluster, existing


def pool(declared: dict[str, Any], record: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the status says of a pool, declared after what `record` says of it."""
    status = {"nodePools": [record]} if record else {}
    request = cluster(existing(declared), status=status, answers={"models": ()})
    found: dict[str, Any] = FUNCTION.compose(request).status["nodePools"][0]
    return {key: value for key, value in found.items() if key != "gpusInUse"}


def refused(
    *declared: dict[str, Any], record: dict[str, Any] | None = None, models: tuple[str, ...] = ()
) -> str:
    status = {"nodePools": [record]} if record else {}
    answers = {"models": tuple(map(placed, models))}
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(existing(*declared), status=status, answers=answers))
    return str(caught.value)


DECLARE = (
    "Declare the GPU: set gpu.memoryGiB and gpu.computeCapability to what the labels nvidia.com/gpu.memory "
    "(in MiB, divided by 1024), nvidia.com/gpu.compute.major and nvidia.com/gpu.compute.minor of its nodes "
    'say, such as memoryGiB: 23.9 and computeCapability: "8.9".'
)
MIG = {"mode": "MIG", "profile": "1g.10gb"}
TURNS = {"mode": "TimeSlicing", "slicesPerGPU": 4}
MPS = {"mode": "MPS", "slicesPerGPU": 2}
A100 = {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}}
OWN = {"example.com/group": "a"}


@pytest.mark.parametrize(
    ("declared", "labels"),
    [
        pytest.param(
            A100,
            {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "8"},
            id="what-is-discovered",
        ),
        pytest.param({**A100, "labels": OWN}, OWN, id="own-labels-alone"),
        pytest.param(
            {**A100, "sharing": MIG},
            {
                "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
                "nvidia.com/gpu.count": "8",
                "nvidia.com/mig.config": "all-1g.10gb",
            },
            id="mig",
        ),
        pytest.param(
            {**L4, "sharing": TURNS},
            {
                "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
                "nvidia.com/gpu.count": "1",
                "nvidia.com/device-plugin.config": "timeslicing-4",
            },
            id="time-slices",
        ),
        pytest.param(
            {**L4, "sharing": MPS, "labels": OWN},
            {**OWN, "nvidia.com/device-plugin.config": "mps-2"},
            id="mps-with-own-labels",
        ),
    ],
)
def test_labels(declared: dict[str, Any], labels: dict[str, str]) -> None:
    assert pool(declared)["nodeSelector"] == labels


def test_what_models_are_told() -> None:
    # Proves: capacity, taints and slices of the declaration reach the Models' planning.
    taint = {"key": "example.com/dedicated", "value": "inference", "effect": "NoExecute"}
    found = pool({**A100, "sharing": MIG, "capacity": "Spot", "taints": [taint]})
    assert (found["capacity"], found["taints"]) == ("Spot", [taint])
    assert found["sharing"] == {
        "mode": "MIG",
        "resource": "nvidia.com/mig-1g.10gb",
        "perGPU": 7,
        "memoryMiB": found["sharing"]["memoryMiB"],
    }


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(
            "L44",
            f"L44 is not an NVIDIA GPU that the catalog knows. Did you mean L4? {DECLARE}",
            id="unknown",
        ),
        pytest.param(
            "RTX 4080",
            f"RTX 4080 is not an NVIDIA GPU that the catalog knows. Did you mean RTX-4090? {DECLARE}",
            id="unknown-card",
        ),
        pytest.param("T4G", f"the memory of T4G is not known. {DECLARE}", id="no-memory"),
    ],
)
def test_unknown_gpus(model: str, message: str) -> None:
    # Proves: a GPU that cannot be sized is refused, with how to declare it.
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(existing(L4, {"name": "x", "gpu": {"model": model}})))
    assert str(caught.value) == f"spec.nodePools[1].gpu: {message}"


@pytest.mark.parametrize("model", ["RTX 4090", "NVIDIA-GeForce-RTX-4090", "rtx4090", "RTX-4090"])
def test_a_gpu_by_another_name(model: str) -> None:
    # Proves: every spelling is the same pool, under the catalog's name, and changes nothing of a live one.
    found = pool({"name": "x", "gpu": {"model": model, "count": 2}})
    assert (found["gpuModel"], found["gpuMemoryMiB"]) == ("RTX-4090", 24564)
    assert found["nodeSelector"] == {
        "nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-4090",
        "nvidia.com/gpu.count": "2",
    }
    assert pool({"name": "x", "gpu": {"model": model, "count": 2}}, {**found, "gpuMemoryMiB": 9}) == {
        **found,
        "gpuMemoryMiB": 9,
    }


CARD = {"model": "NVIDIA GeForce RTX 4080", "count": 2, "memoryGiB": 15.9, "computeCapability": "8.9"}


def test_a_declared_gpu() -> None:
    # Proves: a GPU that the catalog does not know is what its spec says, found by the driver's name.
    found = pool({"name": "x", "gpu": CARD})
    assert (found["gpuModel"], found["gpuMemoryMiB"]) == (CARD["model"], 16281)
    assert found["computeCapability"] == "8.9"
    assert found["nodeSelector"] == {
        "nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-4080",
        "nvidia.com/gpu.count": "2",
    }
    assert pool({"name": "x", "gpu": CARD, "labels": OWN})["nodeSelector"] == OWN


def test_a_declaration_counts_before_the_catalog() -> None:
    found = pool({"name": "x", "gpu": {"model": "L4", "memoryGiB": 11, "computeCapability": "8.9"}})
    assert (found["gpuMemoryMiB"], found["nodeSelector"]["nvidia.com/gpu.product"]) == (11264, "NVIDIA-L4")


def test_a_declaration_of_a_used_pool_stays() -> None:
    # Proves: Models were sized by the declared memory, so it cannot change under them.
    record = pool({"name": "l4", "gpu": CARD})
    larger = {"name": "l4", "gpu": {**CARD, "memoryGiB": 20}}
    assert pool(larger, record)["gpuMemoryMiB"] == 20480
    assert refused(larger, record=record, models=("team-a/x",)).startswith(
        "spec.nodePools[0].gpu: node pool l4 has GPUs of 16281 MiB and compute capability 8.9, and Model team-a/x "
    )


def test_a_recorded_pool_outlives_the_catalog() -> None:
    # Proves: a GPU that is gone from the catalog is rendered from the record.
    gone = {"name": "x", "gpu": {"model": "Z9", "count": 2}}
    record = {"name": "x", "gpuModel": "Z9", "gpusPerNode": 2, "gpuMemoryMiB": 999, "nodes": {}}
    record["nodeSelector"] = {"nvidia.com/gpu.product": "NVIDIA-Z9", "nvidia.com/gpu.count": "2"}
    request = cluster(existing(gone), status={"nodePools": [record]})
    assert FUNCTION.compose(request).status["nodePools"][0]["gpuMemoryMiB"] == 999


def test_labels_may_change() -> None:
    # Proves: the user's labels hold as they are now; the discovered ones as they were recorded.
    record = pool({**A100, "labels": OWN})
    assert pool({**A100, "labels": {"b": "c"}}, record)["nodeSelector"] == {"b": "c"}
    assert pool(A100, record)["nodeSelector"] == pool(A100)["nodeSelector"]
    old = {**pool(A100), "nodeSelector": {"nvidia.com/gpu.product": "OLD", "nvidia.com/gpu.count": "8"}}
    assert pool(A100, old)["nodeSelector"] == old["nodeSelector"]


def test_a_gpu_whose_label_is_not_known() -> None:
    assert refused({"name": "x", "gpu": {"model": "GB300", "count": 4}}) == (
        "spec.nodePools[0].labels: the label that nodes with GB300 have is not known. Give labels that the "
        "pool's nodes have and no others."
    )
    assert pool({"name": "x", "gpu": {"model": "GB300"}, "labels": OWN})["nodeSelector"] == OWN


INSTEAD = "Give each labels that its nodes have and the other's have not, or make one pool of them."


@pytest.mark.parametrize("first", [True, False])
def test_two_pools_of_the_same_nodes(first: bool) -> None:
    # Proves: the same GPUs are not promised twice, in whatever order; nor those of a wider selector.
    assert refused(L4, {**L4, "name": "other"}) == (
        "spec.nodePools[1]: nodes of pool other are nodes of pool l4 as well, by labels "
        f"nvidia.com/gpu.count=1, nvidia.com/gpu.product=NVIDIA-L4. {INSTEAD}"
    )
    wide = {**L4, "labels": OWN}
    narrow = {**L4, "name": "narrow", "labels": {**OWN, "example.com/rack": "1"}}
    both = (wide, narrow) if first else (narrow, wide)
    assert refused(*both) == (
        "spec.nodePools[1]: nodes of pool narrow are nodes of pool l4 as well, by labels "
        f"example.com/group=a. {INSTEAD}"
    )
    apart = {**L4, "name": "other", "labels": {"example.com/group": "b"}}
    assert FUNCTION.compose(cluster(existing(wide, apart))).status["nodePools"]


def test_mig_on_a_gpu_without_it() -> None:
    assert refused({**L4, "sharing": MIG}).startswith("spec.nodePools[0].sharing.mode: L4 has no MIG.")


USED = "Model a/chat uses it. Declare a pool with another name, move the Models, then remove pool l4."


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            {},
            {"gpu": {"model": "T4"}},
            "gpu: node pool l4 has 1 x L4 a node",
            id="gpu",
        ),
        pytest.param(
            {"sharing": TURNS},
            {"sharing": MPS},
            "sharing: node pool l4 shares its GPUs by TimeSlicing (4 x slices a GPU)",
            id="sharing",
        ),
        pytest.param(
            {"labels": OWN},
            {"labels": {"b": "c"}},
            "labels: node pool l4 has the nodes with labels example.com/group=a",
            id="labels",
        ),
    ],
)
def test_what_models_were_placed_by_stays(
    before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    # Proves: Models on a pool find the GPUs, slices and nodes that they came for; without Models all may change.
    record = pool({**L4, **before})
    wanted = f"spec.nodePools[0].{message}, and {USED}"
    assert refused({**L4, **before, **after}, record=record, models=("a/chat",)) == wanted
    assert pool({**L4, **before, **after}, record) == pool({**L4, **before, **after})
