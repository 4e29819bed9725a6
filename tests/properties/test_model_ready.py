"""A Model is Ready while it serves what it is to serve; what else there is to say is in other conditions."""

from __future__ import annotations

from typing import Any

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from tests.properties.pipeline import Run, run
from tests.properties.worlds import World, name_of, observed_of, world

MODEL = "models/minimal"


def is_ready(made: Run) -> bool:
    """Tell whether Crossplane would call the composite Ready."""
    desired = fnv1.RunFunctionResponse.FromString(made.wire[-1]).desired
    said = desired.composite.ready != fnv1.READY_FALSE
    return said and all(r.ready == fnv1.READY_TRUE for r in desired.resources.values())


def changed(live: World, **spec: Any) -> dict[str, Any]:
    return {**live.xr, "spec": {**live.xr["spec"], **spec}}


def reasons(made: Run) -> dict[str, str]:
    return {type_: condition.reason for type_, condition in made.conditions.items()}


def without_its_pool(live: World) -> list[dict[str, Any]]:
    """The cluster's answers with the Model's node pool renamed."""
    own = live.xr["status"]["placement"]["nodePool"]

    def renamed(known: dict[str, Any]) -> dict[str, Any]:
        if "data" not in known:
            return known
        return {**known, "data": {"offer": known["data"]["offer"].replace(f'"{own}"', '"another"')}}

    return [renamed(known) for known in live.available]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"gpu": {"count": 8}}, "MoveAnnounced", id="a-move-is-announced"),
        pytest.param({"contextLength": 40960, "concurrency": 1000}, "NothingFits", id="a-refused-change"),
        pytest.param({"replicas": {"min": 50}}, "PoolTooSmall", id="more-replicas-than-can-be"),
        pytest.param({"cluster": {"name": "nowhere"}}, "ClusterNotFound", id="no-such-cluster"),
    ],
)
def test_a_model_that_serves_is_ready(spec: dict[str, Any], reason: str) -> None:
    live = world(MODEL)
    made = run(changed(live, **spec), live.observed, live.available)
    assert (reasons(made)["Placed"], is_ready(made)) == (reason, True)
    assert made.conditions["Placed"].status == fnv1.STATUS_CONDITION_FALSE


def test_a_model_whose_node_pool_is_gone_is_ready() -> None:
    live = world(MODEL)
    made = run(live.xr, live.observed, without_its_pool(live))
    assert (reasons(made)["Placed"], is_ready(made)) == ("PoolMissing", True)


def test_a_model_scaled_to_zero_is_ready_once_its_pods_are_gone() -> None:
    live = world(MODEL)
    xr = changed(live, replicas={"min": 0})
    made = run(xr, live.observed, live.available)
    observed = observed_of(made, xr)
    made = run(xr, observed, live.available)
    assert (reasons(made)["Serving"], is_ready(made)) == ("ScaledToZero", True)
    assert made.conditions["Serving"].status == fnv1.STATUS_CONDITION_FALSE
    late = [unready(seen) if name_of(seen) == "vllm/deployment" else seen for seen in observed]
    assert not is_ready(run(xr, late, live.available))


def unready(seen: dict[str, Any]) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", "reason": "Creating"}]
    return {**seen, "status": {**seen.get("status", {}), "conditions": conditions}}


@pytest.mark.parametrize("spec", [{}, {"gpu": {"count": 8}}], ids=["as-it-was", "with-a-move-announced"])
def test_a_model_that_does_not_serve_is_not_ready(spec: dict[str, Any]) -> None:
    live = world(MODEL)
    observed = [unready(seen) if name_of(seen) == "vllm/deployment" else seen for seen in live.observed]
    made = run(changed(live, **spec), observed, live.available)
    assert (reasons(made)["Serving"], is_ready(made)) == ("Creating", False)


def test_a_model_that_is_not_placed_is_not_ready() -> None:
    live = world(MODEL)
    xr = {**changed(live, contextLength=40960, concurrency=1000), "status": {}}
    made = run(xr, [], live.available)
    assert (reasons(made)["Placed"], is_ready(made)) == ("NothingFits", False)
