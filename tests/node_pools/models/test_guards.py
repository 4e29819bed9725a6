"""A node pool that Models use stays, whatever the spec lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.base import Request, Unanswered
from functions.base.assemble import assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.models.test_in_use import record
from tests.node_pools.requests import L4, aws, existing, settled

T4 = {"name": "t4", "gpu": {"model": "T4"}}
RDMA = {"name": "rdma", "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"max": 4}}
AWAY = {"region": "us-east-1"}


def without(spec: dict[str, Any], pool: str, *models: str, **more: Any) -> Request:
    """Return a settled cluster whose spec has lost a pool, which the Models use."""
    request, _ = settled(FUNCTION, spec, answers={"models": ()})
    left = [p for p in spec["nodePools"] if p["name"] != pool]
    composite = {**request.composite, "spec": {**request.composite["spec"], "nodePools": left}}
    placed = tuple(record(model, pool) for model in models)
    return replace(request, composite={**composite, **more}, answers={"models": placed})


CASES = {
    "aws": (aws(L4, T4), {"node-pools/pool-t4", "node-pools/launch-template-t4"}),
    "existing": (existing(L4, T4), set()),
}


@pytest.mark.parametrize("place", CASES)
def test_a_pool_in_use_stays(place: str) -> None:
    # Proves: its resources are desired as they were, and a condition says who uses it and what to do.
    spec, parts = CASES[place]
    request = without(spec, "t4", "a/chat", "b/embed")
    outcome = FUNCTION.compose(request)
    desired = assemble(request, FUNCTION, outcome)
    assert parts <= set(request.observed)
    for name in parts:
        live = {k: v for k, v in request.observed[name].items() if k != "status"}
        assert desired.manifests[name] == live
    planned = desired.conditions["Planned"]
    assert (planned.status.value, planned.reason) == ("False", "NodePoolInUse")
    assert planned.text == (
        "[platform] spec.nodePools lacks what Models use: node pool t4 is used by Models a/chat, b/embed. "
        "Until the Models are moved or deleted it stays as it was and takes no other Models; put it back into "
        "spec.nodePools to keep it"
    )
    pools = {pool["name"]: pool for pool in outcome.status["nodePools"]}
    assert (pools["t4"]["leaving"], pools["t4"]["gpusInUse"]) == (True, 2)
    assert "leaving" not in pools["l4"]


@pytest.mark.parametrize("place", CASES)
def test_a_pool_that_nobody_uses_goes(place: str) -> None:
    spec, parts = CASES[place]
    request = without(spec, "t4")
    outcome = FUNCTION.compose(request)
    assert parts <= set(outcome.gone)
    assert not parts & set(assemble(request, FUNCTION, outcome).manifests)
    assert [pool["name"] for pool in outcome.status["nodePools"]] == ["l4"]


@pytest.mark.parametrize("place", CASES)
def test_who_uses_it_is_waited_for(place: str) -> None:
    # Proves: nothing is decided, so that everything is carried on, while the Models are not known.
    request = replace(without(CASES[place][0], "t4"), answers={})
    with pytest.raises(Unanswered):
        FUNCTION.compose(request)


def test_a_pool_in_use_stays_where_the_status_is_lost() -> None:
    spec, parts = CASES["aws"]
    request = without(spec, "t4", "a/chat", status={})
    outcome = FUNCTION.compose(request)
    assert parts <= set(assemble(request, FUNCTION, outcome).manifests)
    assert assemble(request, FUNCTION, outcome).conditions["Planned"].reason == "NodePoolInUse"


def test_what_its_fabric_needs_stays_as_well() -> None:
    # Proves: the security group that all fabrics share, and the pool's placement group.
    request = without(aws(L4, RDMA, **AWAY), "rdma", "a/chat")
    fabric = {name for name in request.observed if "efa" in name or "placement-group" in name}
    assert len(fabric) == 4
    assert fabric <= set(assemble(request, FUNCTION, FUNCTION.compose(request)).manifests)


def test_no_model_is_placed_on_a_pool_that_leaves() -> None:
    # Proves: the offer says so, so that Models that look for a place pass it by.
    [offer] = [
        r for r in FUNCTION.compose(without(existing(L4, T4), "t4", "a/chat")).resources if "offer" in r.name
    ]
    assert offer.manifest is not None
    assert '"leaving": true' in offer.manifest["data"]["offer"]
