"""Models on pools that are too small, full, or not what is asked for: where they go, and what is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, refreshed, told, wait_ready
from tests.e2e.waking import waking
from tests.e2e.workload import OWNER, ask_to_go, clear, delete, existing, model, nodes_of, place, wait_told
from tools.control_plane.api import Api, condition
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "places"
POOLS = [
    {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}},
    {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}, "nodes": {"min": 1, "max": 1}},
    {
        "name": "shared",
        "gpu": {"model": "L4", "count": 1},
        "sharing": {"mode": "TimeSlicing", "slicesPerGPU": 4},
        "nodes": {"min": 1, "max": 1},
    },
]
NODES = [
    gpu_node("places-l4-1", "g6.xlarge", zone="a"),
    gpu_node("places-l4-2", "g6.xlarge", zone="b"),
    gpu_node("places-a100", "p4de.24xlarge", zone="a"),
    gpu_node(
        "places-shared",
        "g6.xlarge",
        zone="a",
        time_slices=4,
        labels={"nvidia.com/device-plugin.config": "timeslicing-4"},
    ),
]
HERE = {"cluster": {"namespace": OWNER, "name": NAME}}


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with waking(control_plane.api), joined(control_plane.api, NODES):
        claim = existing(control_plane, NAME, POOLS, allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim)


@pytest.fixture(scope="module")
def both(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model on both L4."""
    del cluster
    claim = team.create(model("team-a", "both", replicas={"min": 2}, **HERE))
    yield wait_ready(team, claim, seconds=90)
    delete(api, claim)


def test_a_model_moves_when_told_to(api: Api, team: Api, cluster: Manifest) -> None:
    """It serves in the old place until it does in the new one; then that goes, its guards last."""
    del cluster
    claim = team.create(model("team-a", "mover", **HERE))
    wait_ready(team, claim, seconds=90)
    old, secret = place(api, claim), refreshed(team, claim)["status"]["endpoint"]["secretName"]
    before = team.get("v1", "Secret", secret, "team-a")["data"]
    assert nodes_of(api, claim)[0].startswith("places-l4-")
    team.patch(claim, {"spec": {"gpu": {"model": "A100-80GB"}}})
    wait_told(team, claim, "The Model can move to platform/places, node pool a100, 1 A100-80GB per replica")
    assert condition(refreshed(team, claim), "Serving")["status"] == "True"
    team.patch(claim, {"spec": {"cluster": {**HERE["cluster"], "nodePool": "a100"}}})
    wait_for("the old place to go", lambda: api.find("v1", "Namespace", old) is None, seconds=120)
    wait_ready(team, claim, seconds=60)
    assert nodes_of(api, claim) == ["places-a100"]
    assert team.get("v1", "Secret", secret, "team-a")["data"] != before
    records = [r for r in composed(api, claim) if r["kind"] == "ConfigMap"]
    assert [r["metadata"]["labels"]["freehold.dev/node-pool"] for r in records] == ["a100"]
    ask_to_go(api, claim)


def test_what_fits_nowhere_says_so_and_makes_nothing(api: Api, team: Api, cluster: Manifest) -> None:
    del cluster
    claim = team.create(model("team-a", "huge", gpu={"model": "L4"}, model="Qwen/Qwen3-32B", **HERE))
    wait_told(team, claim, "NothingFits")
    [placed] = [line for line in told(refreshed(team, claim)) if line.startswith("Placed=")]
    assert "Without spec.gpu, it would fit places/a100 on 1 A100-80GB" in placed
    assert condition(refreshed(team, claim), "Ready")["status"] == "False"
    assert composed(api, claim) == []
    ask_to_go(api, claim)


def test_a_model_too_large_for_one_gpu_goes_to_the_other(api: Api, team: Api, cluster: Manifest) -> None:
    """Qwen3-32B: 62.2 + 4 GiB, of 71.1 on one A100."""
    del cluster
    claim = team.create(model("team-a", "large", model="Qwen/Qwen3-32B", **HERE))
    wait_ready(team, claim, seconds=90)
    assert nodes_of(api, claim) == ["places-a100"]
    assert [p["nodePool"] for p in refreshed(team, claim)["status"]["placement"].get("runnersUp", [])] == []
    ask_to_go(api, claim)


def test_half_a_node_is_no_whole_one(api: Api, team: Api, cluster: Manifest) -> None:
    """One Model has 4 of the only node's 8 GPUs: one of 8 waits, and says what it waits for."""
    here = {"cluster": {**HERE["cluster"], "nodePool": "a100"}}
    half = team.create(model("team-a", "half", gpu={"count": 4}, **here))
    wait_ready(team, half, seconds=90)
    wait_for("it to be counted", lambda: in_use(api, cluster)["a100"] == 4)
    pools = refreshed(api, cluster)["status"]["nodePools"]
    assert next(p for p in pools if p["name"] == "a100")["podsInUse"] == [{"gpus": 4, "pods": 1}]
    whole = team.create(model("team-a", "whole", gpu={"count": 8}, **here))
    wait_told(team, whole, "places/a100: 4 of its 8 GPUs are in use")
    assert composed(api, whole) == []
    delete(api, half)
    wait_ready(team, whole, seconds=120)
    delete(api, whole)


def in_use(api: Api, cluster: Manifest) -> dict[str, int]:
    """Return the GPUs that a cluster counts as taken, by pool."""
    pools = refreshed(api, cluster).get("status", {}).get("nodePools", [])
    return {pool["name"]: pool.get("gpusInUse", 0) for pool in pools}


def test_a_full_pool_sends_the_next_model_elsewhere(
    api: Api, team: Api, cluster: Manifest, both: Manifest
) -> None:
    del both
    wait_for("both L4 to be counted", lambda: in_use(api, cluster)["l4"] == 2)
    claim = team.create(model("team-a", "next", **HERE))
    wait_ready(team, claim, seconds=90)
    placement = refreshed(team, claim)["status"]["placement"]
    assert (placement["nodePool"], placement["gpus"]) == ("a100", 1)
    assert nodes_of(api, claim) == ["places-a100"]
    wait_for("it to be counted", lambda: in_use(api, cluster)["a100"] == 1)
    delete(api, claim)
    wait_for("its GPU to be free again", lambda: in_use(api, cluster)["a100"] == 0)


def test_a_full_pool_lets_the_next_model_wait(api: Api, team: Api, cluster: Manifest, both: Manifest) -> None:
    """Nothing that runs is moved for it; it is placed as soon as there is room."""
    wait_for("both L4 to be counted", lambda: in_use(api, cluster)["l4"] == 2)
    claim = team.create(model("team-a", "late", gpu={"model": "L4"}, **HERE))
    wait_told(team, claim, "places/l4: 2 of its 2 GPUs are in use")
    assert "NoFreeGPUs" in "\n".join(told(refreshed(team, claim)))
    assert composed(api, claim) == []
    team.patch(both, {"spec": {"replicas": {"min": 1}}})
    wait_ready(team, claim, seconds=120)
    delete(api, claim)
    team.patch(both, {"spec": {"replicas": {"min": 2}}})
    wait_for("two nodes again", lambda: nodes_of(api, both) == ["places-l4-1", "places-l4-2"], seconds=90)
    wait_ready(team, both, seconds=60)


def test_every_slice_of_a_pool_can_be_had(api: Api, team: Api, cluster: Manifest) -> None:
    """A quarter of a g6.xlarge each, less what daemons take."""
    del cluster
    here = {"cluster": {**HERE["cluster"], "nodePool": "shared"}, "model": "Qwen/Qwen2.5-0.5B-Instruct"}
    claims = [team.create(model("team-a", f"slice-{number}", **here)) for number in range(4)]
    try:
        for claim in claims:
            wait_ready(team, claim, seconds=90)
    finally:
        for claim in claims:
            ask_to_go(api, claim)
