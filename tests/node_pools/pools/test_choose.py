"""How a machine is bought and connected decides which one a pool gets; the rest is in test_plan."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import NodePool
from functions.base import Invalid
from functions.node_pools.created.pools import picked
from functions.node_pools.pools.market import Market
from functions.node_pools.pools.pool import Pool

AWS = Market("aws", "AWS", "us-east-1", vouched=False, fabrics={"efa": "vpc.amazonaws.com/efa"})
OHIO = Market("aws", "AWS", "us-east-2", vouched=False, fabrics=AWS.fabrics)
LONDON = Market("aws", "AWS", "eu-west-2", vouched=False, fabrics=AWS.fabrics)
AZURE = Market("azure", "Azure", "eastus", vouched=False)


def plan(market: Market, **asked: Any) -> Pool:
    return picked([NodePool(name="p", **asked)], market, {}, {}, "label")[0]


def gpu(model: str, count: int = 1) -> dict[str, Any]:
    return {"model": model, "count": count}


@pytest.mark.parametrize(
    ("market", "asked", "wanted"),
    [
        pytest.param(AWS, {"gpu": gpu("L4")}, ("g6.xlarge", None), id="without"),
        pytest.param(
            AWS,
            {"gpu": gpu("L4"), "fabric": "RDMA", "nodes": {"max": 2}},
            ("g6.8xlarge", 1),
            id="cheapest-with-fabric",
        ),
        pytest.param(
            AWS,
            {"instanceType": "g6e.24xlarge", "fabric": "RDMA", "nodes": {"max": 2}},
            ("g6e.24xlarge", 2),
            id="named",
        ),
        pytest.param(
            AWS,
            {"gpu": gpu("H100-80GB", 8), "fabric": "RDMA", "nodes": {"max": 2}},
            ("p5.48xlarge", 32),
            id="all-its-cards",
        ),
        pytest.param(
            LONDON,
            {"gpu": gpu("H200-141GB", 8), "capacity": "Spot"},
            ("p5e.48xlarge", None),
            id="no-listed-price",
        ),
        pytest.param(
            OHIO,
            {"gpu": gpu("H200-141GB", 8), "capacity": "Reserved", "reservation": {"id": "cr-1"}},
            ("p5en.48xlarge", None),
            id="reserved",
        ),
    ],
)
def test_machine_and_cards(market: Market, asked: dict[str, Any], wanted: tuple[str, int | None]) -> None:
    # Proves: with a fabric the cheapest machine that has it, and as many devices as it has cards.
    pool = plan(market, **asked)
    assert (pool.instance_type, pool.fabric and pool.fabric.per_node) == wanted
    assert pool.fabric is None or pool.fabric.resource == "vpc.amazonaws.com/efa"


@pytest.mark.parametrize(
    ("market", "asked", "message"),
    [
        pytest.param(
            AWS,
            {"instanceType": "g6.xlarge", "fabric": "RDMA", "nodes": {"max": 2}},
            "fabric: g6.xlarge has no RDMA fabric. The cheapest in us-east-1 that have one are g6.8xlarge "
            "(1 x L4), gr6.8xlarge (1 x L4), g6.16xlarge (1 x L4).",
            id="same-gpu-first",
        ),
        pytest.param(
            AWS,
            {"gpu": gpu("V100-16GB", 4), "fabric": "RDMA", "nodes": {"max": 2}},
            "fabric: 4 x V100-16GB in us-east-1 has no RDMA fabric. The cheapest in us-east-1 that have one "
            "are g6.8xlarge (1 x L4), g4dn.8xlarge (1 x T4), gr6.8xlarge (1 x L4).",
            id="other-gpus",
        ),
        pytest.param(
            AZURE,
            {"gpu": gpu("T4"), "fabric": "RDMA", "nodes": {"max": 2}},
            "fabric: 1 x T4 in eastus has no RDMA fabric. No machine in eastus has one.",
            id="none-wired-up",
        ),
        pytest.param(
            LONDON,
            {"gpu": gpu("H200-141GB", 8)},
            "capacity: 8 x H200-141GB in eu-west-2 is not sold on demand. Use capacity Spot or Reserved with "
            "the id of a Capacity Block.",
            id="by-reservation-only",
        ),
        pytest.param(
            AWS,
            {"instanceType": "p5e.48xlarge", "zones": ["use1-az1"]},
            "capacity: p5e.48xlarge is not sold on demand. Use capacity Spot or Reserved with the id of a "
            "Capacity Block.",
            id="named-by-reservation-only",
        ),
        pytest.param(
            AZURE,
            {"gpu": gpu("H100-80GB", 8), "capacity": "Spot"},
            "capacity: 8 x H100-80GB in eastus is not known to be offered as Spot. Use capacity OnDemand or "
            "Reserved with the id of a reservation.",
            id="no-spot",
        ),
    ],
)
def test_not_sold_or_connected_so(market: Market, asked: dict[str, Any], message: str) -> None:
    # Proves: the exact text that the claim shows, with what to use instead.
    with pytest.raises(Invalid) as caught:
        plan(market, **asked)
    assert str(caught.value) == f"spec.nodePools[0].{message}"


def test_alternatives() -> None:
    # Proves: at most five others with exactly these GPUs, the cheapest first, never the one picked.
    pool = plan(AWS, gpu=gpu("L4"))
    assert pool.alternatives == (
        "g6.2xlarge 0.98 USD/h",
        "g6.4xlarge 1.32 USD/h",
        "gr6.4xlarge 1.54 USD/h",
        "g6.8xlarge 2.01 USD/h",
        "gr6.8xlarge 2.45 USD/h",
    )
    assert plan(AWS, gpu=gpu("L4"), fabric="RDMA", nodes={"max": 2}).alternatives == (
        "gr6.8xlarge 2.45 USD/h",
        "g6.16xlarge 3.40 USD/h",
    )
    assert plan(OHIO, gpu=gpu("H200-141GB", 8), capacity="Spot").alternatives == (
        "p5e.48xlarge, no listed price",
    )
    assert plan(OHIO, gpu=gpu("H200-141GB", 8)).alternatives == ()


def test_alternatives_show_in_the_status() -> None:
    # Proves: a user finds them on the claim.
    status = plan(AWS, gpu=gpu("L4", 4)).status(ready=False).plain()
    assert status["alternatives"] == ["g6.24xlarge 6.68 USD/h"]
