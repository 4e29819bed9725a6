"""The fabric between a pool's nodes: network interfaces, security group, placement."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base.assemble import assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import AT_PROVIDER, aws, cluster, fields, lives, settled

H100 = {"name": "h100", "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"max": 2}}
NAMES = {"efa-security-group", "efa-in", "efa-out", "placement-group-h100"}
GROUPS = [AT_PROVIDER["vpcConfig"]["clusterSecurityGroupId"], AT_PROVIDER["id"]]  # type: ignore[index]


def made(*pools: dict[str, Any], **place: Any) -> dict[str, dict[str, Any]]:
    """Everything of a cluster in Virginia that lives."""
    return lives(FUNCTION, aws(*pools, **{"region": "us-east-1", **place}))


def cards(pool: dict[str, Any], region: str = "us-east-1") -> list[tuple[int, int, str]]:
    interfaces = fields(made(pool, region=region)["launch-template-h100"])["networkInterfaces"]
    assert all(i["securityGroups"] == GROUPS and i["deleteOnTermination"] == "true" for i in interfaces)
    return [(i["networkCardIndex"], i["deviceIndex"], i.get("interfaceType", "")) for i in interfaces]


PRIMARY = (0, 0, "")


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        pytest.param("g6.8xlarge", [PRIMARY, (0, 1, "efa-only")], id="one-card"),
        pytest.param(
            "p4d.24xlarge",
            [PRIMARY, (0, 1, "efa-only"), *((card, 0, "efa-only") for card in range(1, 4))],
            id="four-cards",
        ),
        pytest.param(
            "p5.48xlarge",
            [PRIMARY, (0, 1, "efa-only"), *((card, 0, "efa-only") for card in range(1, 32))],
            id="thirty-two-cards",
        ),
        pytest.param(
            "p6-b300.48xlarge",
            [PRIMARY, *((card, 0, "efa-only") for card in range(1, 17))],
            id="none-on-the-first-card",
        ),
    ],
)
def test_every_card_of_the_machine(machine: str, wanted: list[tuple[int, int, str]]) -> None:
    # Proves: one interface with an address, and as many devices as the status promises.
    region = "us-west-2" if "b300" in machine else "us-east-1"
    assert cards({**H100, "instanceType": machine}, region) == wanted


def test_what_a_fabric_is_made_of() -> None:
    # Proves: traffic of the group to itself, both ways, and a placement group for each pool.
    found = made(H100, {**H100, "name": "other"})
    assert found.keys() >= {*NAMES, "placement-group-other"}
    group = {"name": found["efa-security-group"]["metadata"]["name"]}
    for name in ("efa-in", "efa-out"):
        rule = fields(found[name])
        assert (rule["securityGroupIdRef"], rule["referencedSecurityGroupIdRef"]) == (group, group)
        assert rule["ipProtocol"] == "-1"
    placement = fields(found["placement-group-h100"])
    assert (placement["strategy"], placement["tags"]["freehold.dev/pool"]) == ("cluster", "h100")
    template = fields(found["launch-template-h100"])
    assert template["placement"] == {"groupName": found["placement-group-h100"]["metadata"]["name"]}


def test_a_reservation_stands_where_it_was_made() -> None:
    # Proves: no placement group of ours, out of which it could not be used.
    reservation = {"id": "cr-0123456789abcdef0", "kind": "CapacityBlock"}
    found = made({**H100, "zones": ["use1-az6"], "capacity": "Reserved", "reservation": reservation})
    assert NAMES - found.keys() == {"placement-group-h100"}
    template = fields(found["launch-template-h100"])
    assert "placement" not in template
    assert template["networkInterfaces"]


def test_pools_without_a_fabric_have_nothing_of_it() -> None:
    # Proves: neither when no pool asks for it, nor beside one that does.
    assert not NAMES & made({"name": "l4", "gpu": {"model": "L4"}}).keys()
    template = fields(made(H100, {"name": "l4", "gpu": {"model": "L4"}})["launch-template-l4"])
    assert "networkInterfaces" not in template


def test_it_lies_in_a_network_that_is_there() -> None:
    # Proves: the security group is in the user's VPC, and waits for none.
    subnets = [{"id": f"subnet-0000000{i}", "zone": f"use1-az{i}"} for i in (1, 6)]
    network = {"vpcId": "vpc-0123456789abcdef0", "subnets": subnets}
    spec = aws(H100, region="us-east-1", existingNetwork=network)
    found = lives(FUNCTION, spec)
    assert fields(found["efa-security-group"])["vpcId"] == "vpc-0123456789abcdef0"
    [group] = [
        r for r in FUNCTION.compose(cluster(spec)).resources if r.name == "node-pools/efa-security-group"
    ]
    assert group.after == ()


def test_a_launch_template_waits_for_its_security_groups() -> None:
    # Proves: their ids are in it, so it is not made before; a live one stays as it is without them.
    resources = FUNCTION.compose(cluster(aws(H100, region="us-east-1"))).resources
    [template] = [r for r in resources if r.name == "node-pools/launch-template-h100"]
    assert (template.manifest, template.waits_for) == (None, "the ids of the security groups")
    assert {n.removeprefix("node-pools/") for n in template.after} == {"cluster", *NAMES}


@pytest.mark.parametrize("unknown", ["cluster", "efa-security-group"])
def test_a_live_launch_template_is_kept_while_an_id_is_not_seen(unknown: str) -> None:
    # Proves: it is carried on as it lives rather than made without its fabric.
    request, _ = settled(FUNCTION, aws(H100, region="us-east-1"))
    blind = {**request.observed[f"node-pools/{unknown}"], "status": {}}
    observed = {**request.observed, f"node-pools/{unknown}": blind}
    resources = FUNCTION.compose(cluster(aws(H100, region="us-east-1"), observed=observed)).resources
    [template] = [r for r in resources if r.name == "node-pools/launch-template-h100"]
    assert template.manifest is None


RESERVED = {
    **H100,
    "zones": ["use1-az6"],
    "capacity": "Reserved",
    "reservation": {"id": "cr-0123456789abcdef0"},
}


@pytest.mark.parametrize(
    ("pool", "failing", "hint"),
    [
        pytest.param(
            RESERVED,
            True,
            "Check that reservation cr-0123456789abcdef0 is active, has room, and is for p5.48xlarge in "
            "use1-az6",
            id="reservation",
        ),
        pytest.param(
            H100,
            True,
            "Nodes with EFA stand close together: where the zone has no room for all, lower nodes.min or "
            "name another zone for a pool in place of h100",
            id="fabric",
        ),
        pytest.param(
            H100,
            False,
            "Where AWS has no capacity or names a vCPU limit, raise the quota in us-east-1 or choose another "
            "GPU, capacity or region",
            id="nothing-fails-yet",
        ),
    ],
)
def test_the_next_step_is_the_failing_pools(pool: dict[str, Any], failing: bool, hint: str) -> None:
    # Proves: a reservation or a fabric has other causes than a quota.
    request, _ = settled(FUNCTION, aws(pool, region="us-east-1"))
    failed = {"type": "LastAsyncOperation", "status": "False", "message": "no capacity"}
    group = {
        **request.observed["node-pools/pool-h100"],
        "status": {"conditions": [failed] if failing else []},
    }
    again = cluster(
        aws(pool, region="us-east-1"), observed={**request.observed, "node-pools/pool-h100": group}
    )
    found = assemble(again, FUNCTION, FUNCTION.compose(again)).conditions["NodePoolsReady"]
    assert found.text.endswith(f". {hint}")
