"""A live Model moves only when its user says where to, and serves all the while."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from functions.base import Condition, Outcome, Request
from functions.base.assemble import Desired, assemble
from functions.vllm.compose import FUNCTION, compose
from tests.vllm.world import H100, L4, cluster, request

SPEC = {"model": "Qwen/Qwen3-8B"}
EU, US = cluster("eu", L4, allowed=["*"]), cluster("us", H100, allowed=["*"])
THERE = {"cluster": {"namespace": "platform", "name": "us", "nodePool": "h100"}}


class World:
    """A Model among two clusters, played as Crossplane would."""

    def __init__(self, spec: dict[str, Any], *clusters: dict[str, Any]) -> None:
        self.spec, self.clusters = spec, clusters or (EU, US)
        self.status: dict[str, Any] = {}
        self.observed: dict[str, Any] = {}
        self.loading = False
        """Whether the pods of another place than the first are not ready yet."""

    def request(self) -> Request:
        return request(self.spec, *self.clusters, status=self.status, observed=self.observed)

    def look(self) -> Desired:
        """One reconcile; what is composed is there and, unless held back, ready at the next."""
        asked = self.request()
        outcome = compose(asked)
        desired = assemble(asked, FUNCTION, outcome)
        # As `base` does: what the decision does not say stands.
        self.status = {**self.status, **copy.deepcopy(dict(outcome.status))}
        self.observed = {name: self._live(name, dict(m)) for name, m in desired.manifests.items()}
        return desired

    def _live(self, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
        loads = self.loading and name.count("/") > 1 and name.endswith("/deployment")
        ready = "False" if loads else "True"
        status = {"conditions": [{"type": "Ready", "status": ready}]}
        if name in self.observed:
            return (
                {**self.observed[name], "status": status} if not manifest else {**manifest, "status": status}
            )
        return {**manifest, "status": status}

    def settle(self) -> Desired:
        for _ in range(20):
            before = (copy.deepcopy(self.status), set(self.observed))
            desired = self.look()
            if (self.status, set(self.observed)) == before:
                return desired
        raise AssertionError("never settled")

    @property
    def place(self) -> str:
        return f"{self.status['placement']['claim']}/{self.status['placement']['nodePool']}"


@pytest.fixture(autouse=True)
def _own_fields_are_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lives here was made by nobody else, so all of it is ours."""
    monkeypatch.setattr(
        "functions.base.assemble.own_fields", lambda live: {k: v for k, v in live.items() if k != "status"}
    )


def live(*clusters: dict[str, Any]) -> World:
    world = World(SPEC, *clusters)
    world.settle()
    assert world.place == "platform/eu/l4"
    return world


def text(desired: Desired, type_: str = "Placed") -> str:
    condition = desired.conditions[type_]
    return f"{condition.reason}: {condition.text}"


ANNOUNCED = [
    pytest.param(
        {"gpu": {"model": "H100-80GB"}},
        "the changed spec does not fit platform/eu, node pool l4: its GPUs are L4, and spec.gpu.model is "
        "H100-80GB",
        id="another GPU",
    ),
    pytest.param(
        {"contextLength": 40960, "concurrency": 8},
        "the changed spec does not fit platform/eu, node pool l4: the Model needs 60.4 GiB on 1 GPU "
        "(weights 15.4, KV cache 45.0), and 18.3 GiB are usable",
        id="grown",
    ),
    pytest.param(
        {"cluster": {"name": "us"}},
        "this Model runs on platform/eu, node pool l4, and spec.cluster names another cluster or node pool",
        id="another cluster",
    ),
]


@pytest.mark.parametrize(("change", "why"), ANNOUNCED)
def test_a_move_is_announced_and_nothing_happens(change: dict[str, Any], why: str) -> None:
    world = live()
    before, status = dict(world.observed), world.status
    world.spec = {**SPEC, **change}
    assert text(world.settle()) == (
        f"MoveAnnounced: [model] {why}. The Model can move to platform/us, node pool h100, 1 H100-80GB per "
        "replica: its weights are downloaded there, it serves on platform/eu, node pool l4 until it "
        "answers there, and then its endpoint changes. To agree, set spec.cluster to {namespace: "
        "platform, name: us, nodePool: h100}. Until then the Model runs as before"
    )
    assert (world.observed, world.status) == (before, status)


def test_it_serves_until_it_does_elsewhere() -> None:
    world = live()
    old, endpoint = dict(world.observed), world.status["endpoint"]
    world.spec, world.loading = {**SPEC, **THERE}, True
    moving = world.settle()
    assert text(moving) == (
        "Moving: [infrastructure] moves to platform/us, node pool h100, 1 H100-80GB per replica: the Model "
        "serves on platform/eu, node pool l4 until it answers there"
    )
    assert {name: world.observed[name] for name in old} == old, (
        "the old place is as it was, the endpoint's Secret too"
    )
    assert (world.place, world.status["endpoint"]) == ("platform/eu/l4", endpoint)
    new = set(world.observed) - set(old)
    assert set(map(_what, new)) == set(map(_what, old)) - {"connection"}
    assert len({world.observed[n]["metadata"]["name"] for n in world.observed}) == len(world.observed)


def _what(name: str) -> str:
    """The last part of a composed resource's name; a download's ends in a digest of its pods."""
    return "download" if "download-" in name else name.rpartition("/")[2]


def test_the_endpoint_follows_and_the_old_place_goes() -> None:
    world = live()
    old, endpoint = set(world.observed), world.status["endpoint"]
    world.spec, world.loading = {**SPEC, **THERE}, True
    world.settle()
    world.loading = False
    world.look()  # the new pods are ready
    world.look()  # the endpoint follows
    assert old <= set(world.observed), "and the old place is still there"
    assert world.place == "platform/us/h100"
    assert world.status["endpoint"] != endpoint
    assert text(world.settle()) == "Placed: on platform/us, node pool h100, 1 H100-80GB per replica"
    assert set(world.observed) & old == {"vllm/connection"}
    [kind] = [m["kind"] for n, m in world.observed.items() if n.endswith("/placed")]
    assert kind == "ConfigMap"


def test_what_guards_the_old_cluster_goes_last() -> None:
    """The record after its guard, and that after the namespace: each look lets one go."""
    world = live()
    world.spec = {**SPEC, **THERE}
    seen = []
    for _ in range(20):
        world.look()
        seen.append([n for n in ("vllm/namespace", "vllm/placed-last", "vllm/placed") if n in world.observed])
    assert [s for i, s in enumerate(seen) if i == 0 or s != seen[i - 1]] == [
        ["vllm/namespace", "vllm/placed-last", "vllm/placed"],
        ["vllm/placed-last", "vllm/placed"],
        ["vllm/placed"],
        [],
    ]


def test_a_change_of_mind_keeps_the_old_place() -> None:
    world = live()
    before, status = dict(world.observed), world.status
    world.spec, world.loading = {**SPEC, **THERE}, True
    world.settle()
    world.spec, world.loading = SPEC, False
    assert text(world.settle()).startswith("Placed: on platform/eu,")
    assert (world.observed, world.status) == (before, status)


def test_there_and_back() -> None:
    world = live()
    world.spec = {**SPEC, **THERE}
    world.settle()
    there = set(world.observed)
    world.spec = {**SPEC, "cluster": {"namespace": "platform", "name": "eu", "nodePool": "l4"}}
    world.settle()
    assert world.place == "platform/eu/l4"
    assert set(world.observed) & there == {"vllm/connection"}


def test_its_own_gpus_are_free_for_it() -> None:
    """It fills both pools of its cluster while it moves, and what it takes itself is not in its way."""
    two = [{**L4, "nodes": {"min": 0, "max": 1}, "gpusInUse": 1}, {**H100, "gpusInUse": 16}]
    here = cluster("eu", *two, allowed=["*"])
    world = live()
    world.clusters, world.loading = (here,), True
    world.spec = {**SPEC, "cluster": {"namespace": "platform", "name": "eu", "nodePool": "h100"}}
    assert "eu/h100: 16 of its 16 GPUs are in use" in text(world.look())
    here["status"]["nodePools"][1]["gpusInUse"] = 15
    world.settle()
    here["status"]["nodePools"][1]["gpusInUse"] = 16
    assert text(world.settle()).startswith("Moving: ")


@pytest.mark.parametrize("lost", ["status", "clusters", "old", "target full"])
def test_nothing_is_lost_on_the_way(lost: str) -> None:
    world = live()
    world.spec, world.loading = {**SPEC, **THERE}, True
    world.settle()
    before = set(world.observed)
    if lost == "status":
        world.status = {}
    if lost == "clusters":
        world.clusters = ()
    if lost == "old":
        world.clusters = (US,)
    if lost == "target full":
        world.clusters = (EU, cluster("us", {**H100, "gpusInUse": 17}, allowed=["*"]))
    desired = world.look()
    assert set(desired.manifests) == before
    assert desired.conditions["Serving"].status.value == "True"
    assert world.place == "platform/eu/l4"


def test_nothing_is_lost_before_crossplane_answers() -> None:
    world = live()
    world.spec = {**SPEC, **THERE}
    asked = request(world.spec, status=world.status, observed=world.observed, answers={})
    with pytest.raises(Exception, match="clusters"):
        compose(asked)


def test_a_new_model_goes_where_it_is_told() -> None:
    both = cluster("eu", L4, H100, allowed=["*"])
    spec = {**SPEC, "cluster": {"name": "eu", "nodePool": "h100"}}
    placed = compose(request(spec, both)).conditions[0]
    assert isinstance(placed, Condition)
    assert placed.text == "on platform/eu, node pool h100, 1 H100-80GB per replica"
    nowhere: Outcome = compose(request({**SPEC, "cluster": {"name": "eu", "nodePool": "a100"}}, both))
    condition = nowhere.conditions[0]
    assert isinstance(condition, Condition)
    assert "eu/l4 and 1 more: spec.cluster.nodePool is a100" in condition.text
