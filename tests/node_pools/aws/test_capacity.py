"""How a pool's machines are bought, as EKS and EC2 want to be told."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, lives, settled

RESERVATION = "cr-0123456789abcdef0"
TARGET = {"capacityReservationTarget": {"capacityReservationId": RESERVATION}}
H100 = {"name": "l4", "instanceType": "p5.48xlarge", "zones": ["use1-az6"]}
US = "us-east-1"


def reserved(pool: dict[str, Any], kind: str = "OnDemand") -> dict[str, Any]:
    return {**pool, "capacity": "Reserved", "reservation": {"id": RESERVATION, "kind": kind}}


def made(pool: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the node group and of the launch template of a pool that lives."""
    found = lives(FUNCTION, aws(pool, region=US))
    return fields(found["pool-l4"]), fields(found["launch-template-l4"])


@pytest.mark.parametrize(
    ("pool", "group", "template"),
    [
        pytest.param(
            H100, {"capacityType": "ON_DEMAND", "instanceTypes": ["p5.48xlarge"]}, {}, id="on-demand"
        ),
        pytest.param(
            {**L4, "capacity": "Spot"},
            {"capacityType": "SPOT", "instanceTypes": ["g6.xlarge"]},
            {},
            id="spot",
        ),
        pytest.param(
            reserved(H100),
            {"capacityType": "ON_DEMAND", "instanceTypes": ["p5.48xlarge"]},
            {"capacityReservationSpecification": TARGET},
            id="reservation",
        ),
        pytest.param(
            reserved(H100, "CapacityBlock"),
            {"capacityType": "CAPACITY_BLOCK"},
            {
                "capacityReservationSpecification": TARGET,
                "instanceMarketOptions": {"marketType": "capacity-block"},
                "instanceType": "p5.48xlarge",
            },
            id="capacity-block",
        ),
    ],
)
def test_a_pool_is_bought(pool: dict[str, Any], group: dict[str, Any], template: dict[str, Any]) -> None:
    # Proves: each part in the one place where EKS takes it, and no other.
    fields, launch = made(pool)
    bought = ("capacityType", "instanceTypes")
    assert {k: v for k, v in fields.items() if k in bought} == group
    reserves = ("capacityReservationSpecification", "instanceMarketOptions", "instanceType")
    assert {k: v for k, v in launch.items() if k in reserves} == template


@pytest.mark.parametrize(
    ("pool", "update"),
    [
        pytest.param(L4, {"maxUnavailable": 1}, id="on-demand"),
        pytest.param(reserved(H100), {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}, id="reserved"),
        pytest.param(
            reserved(H100, "CapacityBlock"), {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}, id="block"
        ),
    ],
)
def test_how_nodes_are_replaced(pool: dict[str, Any], update: dict[str, Any]) -> None:
    # Proves: a reservation that is full holds no further node, so an old one goes first there.
    assert made(pool)[0]["updateConfig"] == update


def test_a_live_capacity_block_keeps_its_machine() -> None:
    # Proves: which the launch template names; another would replace every node.
    request, _ = settled(FUNCTION, aws(reserved(H100, "CapacityBlock"), region=US))
    other = reserved({**H100, "instanceType": "p5en.48xlarge"}, "CapacityBlock")
    with pytest.raises(Invalid, match=r"the pool runs on p5.48xlarge and cannot change while it lives"):
        FUNCTION.compose(cluster(aws(other, region=US), observed=request.observed))


@pytest.mark.parametrize("given", ["cr-12", "lt-0123456789abcdef0", "cr-0123456789ABCDEF0", "my-block"])
def test_what_is_no_reservation(given: str) -> None:
    # Proves: the path, what was given and what it looks like.
    pool = {**L4, "zones": ["euc1-az2"], "capacity": "Reserved", "reservation": {"id": given}}
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(pool)))
    assert str(caught.value) == (
        f"spec.nodePools[0].reservation.id: {given} is not the id of a capacity reservation. "
        "Write it as EC2 lists it, such as cr-0123456789abcdef0."
    )


@pytest.mark.parametrize(
    ("kind", "least", "told"),
    [
        pytest.param("CapacityBlock", 2, True, id="a-block-is-over-one-day"),
        pytest.param("CapacityBlock", 0, False, id="a-block-of-none"),
        pytest.param("OnDemand", 2, False, id="a-reservation-has-no-end"),
    ],
)
def test_nodes_outside_the_time_of_a_block(kind: str, least: int, told: bool) -> None:
    # Proves: whoever asks for nodes that nobody holds learns when there are none.
    pool = reserved({**H100, "nodes": {"min": least, "max": 4}}, kind)
    notes = FUNCTION.compose(cluster(aws(pool, region=US))).notes
    text = (
        "node pool l4 asks for at least 2 nodes, and a Capacity Block holds none before it begins and after "
        "it ends: set its nodes.min to 0 outside that time"
    )
    assert (text in notes) is told
