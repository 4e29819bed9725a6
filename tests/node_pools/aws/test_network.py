"""A VPC of the cluster's own, or one that is there already."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Condition, Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, lives, settled

VPC = "vpc-0123456789abcdef0"
SUBNETS = [
    {"id": "subnet-0000000a", "zone": "euc1-az1"},
    {"id": "subnet-0000000b", "zone": "euc1-az2"},
    {"id": "subnet-0000000c", "zone": "euc1-az2"},
]
NETWORK = {"vpcId": VPC, "subnets": SUBNETS}


def there(*pools: dict[str, Any], **network: Any) -> dict[str, Any]:
    return aws(*(pools or (L4,)), existingNetwork={**NETWORK, **network})


def test_nothing_of_a_vpc_that_is_there_is_composed() -> None:
    # Proves: no network, and everything that lies in one names its ids.
    found = lives(FUNCTION, there())
    network = ("vpc", "subnet", "route", "association", "eip", "nat", "internet-gateway")
    assert [name for name in found if name.startswith(network)] == []
    everywhere = ["subnet-0000000a", "subnet-0000000b", "subnet-0000000c"]
    assert fields(found["cluster"])["vpcConfig"]["subnetIds"] == everywhere
    assert fields(found["system-pool"])["subnetIds"] == everywhere
    assert fields(found["pool-l4"])["subnetIds"] == ["subnet-0000000b", "subnet-0000000c"]
    assert all("subnetIdRefs" not in fields(found[name]) for name in ("system-pool", "pool-l4"))


def test_it_says_so() -> None:
    # Proves: the condition holds from the beginning, and zones are the subnets'.
    outcome = FUNCTION.compose(cluster(there()))
    [network] = [c for c in outcome.conditions if c.type == "NetworkReady"]
    assert isinstance(network, Condition)
    assert (network.status.value, network.reason, network.text) == (
        "True",
        "NothingToCreate",
        f"the existing VPC {VPC} is used, with subnets in euc1-az1, euc1-az2",
    )
    assert outcome.status["network"] == {"zones": ["euc1-az1", "euc1-az2", "euc1-az2"]}


def test_a_live_pool_keeps_its_subnets() -> None:
    # Proves: by the ids of its node group, when another subnet is listed.
    request, _ = settled(FUNCTION, there(subnets=SUBNETS[:2]))
    again = cluster(there(), observed=request.observed)
    [pool] = [r.manifest for r in FUNCTION.compose(again).resources if r.name == "node-pools/pool-l4"]
    assert pool is not None
    assert fields(pool)["subnetIds"] == ["subnet-0000000b"]


def test_a_fabric_pool_has_one_of_the_subnets() -> None:
    # Proves: one, where a zone has several.
    found = lives(
        FUNCTION, there({"name": "l4", "instanceType": "g6.8xlarge", "fabric": "RDMA", "nodes": {"max": 2}})
    )
    assert fields(found["pool-l4"])["subnetIds"] == ["subnet-0000000b"]


def test_the_platform_namespace_of_a_live_cluster_stays() -> None:
    # Proves: without a VPC to tell it, and before there is a ProviderConfig.
    request, _ = settled(FUNCTION, there(), given={"platformNamespace": "infra"})
    observed = {n: o for n, o in request.observed.items() if n == "node-pools/role-cluster"}
    assert FUNCTION.compose(cluster(there(), observed=observed)).status["access"]["namespace"] == "infra"


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        pytest.param(
            "use1-az1",
            "spec.aws.existingNetwork.subnets[1].zone: use1-az1 is not a zone of eu-central-1. Give one by id "
            "(such as euc1-az1) or by name (such as eu-central-1a).",
            id="another-region",
        ),
        pytest.param(
            "eu-central-1-ham-1a",
            "spec.aws.existingNetwork.subnets[1].zone: eu-central-1-ham-1a is a Local or Wavelength Zone, "
            "where EKS runs no managed nodes. Give one by id (such as euc1-az1) or by name (such as "
            "eu-central-1a).",
            id="local",
        ),
        pytest.param(
            "eu-central-1b",
            "spec.aws.existingNetwork.subnets: zones are given by id and by name, so two of them may be the "
            "same. Give all by id, which means the same in every account.",
            id="mixed",
        ),
    ],
)
def test_subnets_that_cannot_be(zone: str, message: str) -> None:
    # Proves: the path of the subnet, in the words for zones.
    subnets = [SUBNETS[0], {"id": "subnet-0000000b", "zone": zone}]
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(there(subnets=subnets)))
    assert str(caught.value) == message


def test_subnets_of_a_zone_without_eks() -> None:
    # Proves: EKS would refuse the cluster.
    subnets = [{"id": "subnet-0000000a", "zone": "use1-az3"}, {"id": "subnet-0000000b", "zone": "use1-az1"}]
    spec = aws(L4, region="us-east-1", existingNetwork={"vpcId": VPC, "subnets": subnets})
    with pytest.raises(Invalid, match=r"subnets\[0\].zone: EKS does not run in use1-az3. Use another zone"):
        FUNCTION.compose(cluster(spec))


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        pytest.param(there(), aws(L4), "existing subnets", id="to-its-own"),
        pytest.param(aws(L4), there(), "a VPC of its own", id="to-one-that-is-there"),
    ],
)
def test_a_live_cluster_does_not_move(before: dict[str, Any], after: dict[str, Any], where: str) -> None:
    # Proves: EKS would make another cluster in the other network.
    request, _ = settled(FUNCTION, before)
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(after, observed=request.observed))
    assert str(caught.value) == (
        f"spec.aws.existingNetwork: the cluster lies in {where} and cannot move. Restore the spec as it "
        "was, or claim a new cluster."
    )
