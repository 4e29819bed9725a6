"""In which subnets a pool's nodes are, and which zones it cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, lives, settled

FRANKFURT = ["euc1-az1", "euc1-az2", "euc1-az3"]
NAMES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
H100 = {"name": "l4", "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"max": 2}}
RESERVED = {**L4, "capacity": "Reserved", "reservation": {"id": "cr-0123456789abcdef0"}}
US = "us-east-1"


def positions(pool: dict[str, Any], **place: Any) -> list[int]:
    """The private subnets of the pool, by position, once it lives."""
    found = fields(lives(FUNCTION, aws(pool, **place))["pool-l4"])
    names = [ref["name"] for ref in found["subnetIdRefs"]]
    return [int(name.split("-subnet-private-")[1][0]) for name in names]


@pytest.mark.parametrize(
    ("pool", "place", "wanted"),
    [
        pytest.param(L4, {}, [1, 2], id="where-its-machine-is"),
        pytest.param(L4, {"zones": ["euc1-az2", "euc1-az1", "euc1-az3"]}, [0, 2], id="by-position"),
        pytest.param(L4, {"zones": NAMES}, [0, 1, 2], id="names-say-nothing"),
        pytest.param({**L4, "zones": ["euc1-az3"]}, {}, [2], id="named"),
        pytest.param({**L4, "zones": [NAMES[0], NAMES[2]]}, {"zones": NAMES}, [0, 2], id="named-by-name"),
        pytest.param({**RESERVED, "zones": ["euc1-az2"]}, {}, [1], id="reserved"),
        pytest.param({**H100, "zones": ["use1-az6"]}, {"region": US}, [2], id="fabric-where-named"),
    ],
)
def test_a_pool_is(pool: dict[str, Any], place: dict[str, Any], wanted: list[int]) -> None:
    # Proves: where the user says, else in the zones that are known to have its machine (g6 is
    # not in euc1-az1), else everywhere.
    assert positions(pool, **place) == wanted


def test_a_fabric_pool_has_one_subnet() -> None:
    # Proves: the first that has the machine, since RDMA ends at the zone.
    assert len(positions(H100, region=US)) == 1


def test_the_cluster_goes_to_the_zones_that_pools_name() -> None:
    # Proves: a pool's zone is one of the cluster's without naming those.
    spec = aws({**L4, "zones": ["use1-az4"]}, {**L4, "name": "b", "zones": ["use1-az6"]}, region=US)
    assert set(FUNCTION.compose(cluster(spec)).status["network"]["zones"]) >= {"use1-az4", "use1-az6"}


@pytest.mark.parametrize(
    ("pool", "place", "message"),
    [
        pytest.param(
            {**L4, "zones": ["euc1-az2", "use1-az1"]},
            {},
            "spec.nodePools[0].zones[1]: use1-az1 is not a zone of eu-central-1. Give one by id (such as "
            "euc1-az1) or by name (such as eu-central-1a).",
            id="another-region",
        ),
        pytest.param(
            {**L4, "zones": ["use1-atl2-az1"]},
            {"region": US},
            "spec.nodePools[0].zones[0]: use1-atl2-az1 is a Local or Wavelength Zone, where EKS runs no "
            "managed nodes. Give one by id (such as use1-az1) or by name (such as us-east-1a).",
            id="local-zone",
        ),
        pytest.param(
            {**L4, "zones": ["use1-az6"]},
            {"region": US, "zones": ["use1-az1", "use1-az2", "use1-az4"]},
            "spec.nodePools[0].zones[0]: the cluster is not in use1-az6: its zones are use1-az1, use1-az2, "
            "use1-az4. Use one of these, spelled as they are, or claim a cluster that is there.",
            id="not-the-clusters",
        ),
        pytest.param(
            {**L4, "zones": ["eu-central-1b"]},
            {},
            "spec.nodePools[0].zones[0]: the cluster is not in eu-central-1b: its zones are euc1-az1, "
            "euc1-az2, euc1-az3. Use one of these, spelled as they are, or claim a cluster that is there.",
            id="spelled-otherwise",
        ),
        pytest.param(
            {**L4, "zones": ["euc1-az1"]},
            {},
            "spec.nodePools[0].zones[0]: g6.xlarge is not known to be in euc1-az1. It is in euc1-az2, "
            "euc1-az3.",
            id="without-the-machine",
        ),
        pytest.param(
            RESERVED,
            {},
            "spec.nodePools[0].zones: a reservation lies in one zone, and the pool could be in euc1-az2, "
            "euc1-az3. Name the zone of the reservation.",
            id="reservation-anywhere",
        ),
        pytest.param(
            {"name": "b200", "gpu": {"model": "B200", "count": 8}},
            {"region": US, "zones": ["use1-az1", "use1-az2", "use1-az4"]},
            "spec.nodePools[0]: p6-b200.48xlarge is only known to be in use1-az6, and the cluster is in "
            "use1-az1, use1-az2, use1-az4. Use another GPU or machine, or a cluster that lies in one of these "
            "zones.",
            id="in-none-of-the-clusters-zones",
        ),
        pytest.param(
            {**H100, "zones": ["use1-az1", "use1-az6"]},
            {"region": US},
            "spec.nodePools[0].zones: fabric RDMA connects nodes of one zone, and these are use1-az1, "
            "use1-az6. Name one of them.",
            id="fabric-in-two",
        ),
    ],
)
def test_a_pool_cannot_be(pool: dict[str, Any], place: dict[str, Any], message: str) -> None:
    # Proves: the exact text, with the path of the zone.
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(pool, **place)))
    assert str(caught.value) == message


STAYS = "Add a pool with another name, move the Models, then remove pool l4."


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            L4,
            {**L4, "zones": ["euc1-az2"]},
            f"spec.nodePools[0].zones: the pool is in euc1-az2, euc1-az3 and cannot move while it lives. {STAYS}",
            id="zones",
        ),
        pytest.param(
            {"name": "l4", "instanceType": "g6.8xlarge"},
            {"name": "l4", "instanceType": "g6.8xlarge", "fabric": "RDMA", "nodes": {"max": 2}},
            "spec.nodePools[0].fabric: the pool is in euc1-az2, euc1-az3, and fabric RDMA connects nodes of "
            f"one zone. {STAYS}",
            id="fabric",
        ),
    ],
)
def test_a_live_pool_stays_where_it_is(before: dict[str, Any], after: dict[str, Any], message: str) -> None:
    # Proves: also where the status is lost, its subnets say where it is.
    request, _ = settled(FUNCTION, aws(before))
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(after), observed=request.observed))
    assert str(caught.value) == message


def test_a_live_pool_does_not_follow_its_machine() -> None:
    # Proves: subnets of a node group cannot change, whatever the catalog knows by now.
    request, _ = settled(FUNCTION, aws(L4))
    group = request.observed["node-pools/pool-l4"]
    refs = [{"name": request.observed["node-pools/subnet-private-0"]["metadata"]["name"]}]
    spec = group["spec"]
    moved = {**group, "spec": {**spec, "forProvider": {**spec["forProvider"], "subnetIdRefs": refs}}}
    again = cluster(aws(L4), observed={**request.observed, "node-pools/pool-l4": moved})
    [found] = [r.manifest for r in FUNCTION.compose(again).resources if r.name == "node-pools/pool-l4"]
    assert found is not None
    assert found["spec"]["forProvider"]["subnetIdRefs"] == refs


def test_a_further_pool_is_not_planned_where_its_machine_is_not() -> None:
    # Proves: a live cluster cannot get a pool whose machine is in none of its zones.
    live, _ = settled(FUNCTION, aws(L4, region=US))
    b200 = {"name": "b200", "gpu": {"model": "B200", "count": 8}}
    with pytest.raises(
        Invalid, match=r"p6-b200\.48xlarge is only known to be in use1-az6, and the cluster is in"
    ):
        FUNCTION.compose(
            cluster(aws(L4, b200, region=US), observed=live.observed, status=live.composite["status"])
        )


def test_a_live_pool_stays_although_its_machine_is_known_elsewhere_by_now() -> None:
    # Proves: a newer catalog refuses nothing that lives.
    live, _ = settled(FUNCTION, aws({**L4, "zones": ["euc1-az2"]}))
    group = live.observed["node-pools/pool-l4"]
    refs = [{"name": live.observed["node-pools/subnet-private-0"]["metadata"]["name"]}]  # euc1-az1: no g6
    spec = group["spec"]
    moved = {**group, "spec": {**spec, "forProvider": {**spec["forProvider"], "subnetIdRefs": refs}}}
    FUNCTION.compose(cluster(aws(L4), observed={**live.observed, "node-pools/pool-l4": moved}))
