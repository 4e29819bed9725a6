"""How a VPC is divided."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster

PRIVATE = [IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


@st.composite
def vpcs(draw: st.DrawFn) -> IPv4Network:
    """Any range that the API takes: private, /16 to /20, clear of the Services' default."""
    within = draw(st.sampled_from(PRIVATE))
    size = draw(st.integers(16, 20))
    index = draw(st.integers(0, 2 ** (size - within.prefixlen) - 1))
    start = int(within.network_address) + index * 2 ** (32 - size)
    return IPv4Network((start, size))


def subnets(vpc: IPv4Network) -> dict[str, IPv4Network]:
    service = "172.20.0.0/16" if not vpc.overlaps(IPv4Network("172.20.0.0/16")) else "10.96.0.0/16"
    spec = aws(vpcCidr=str(vpc), serviceCidr=service)
    return {
        resource.name: IPv4Network(resource.manifest["spec"]["forProvider"]["cidrBlock"])
        for resource in FUNCTION.compose(cluster(spec)).resources
        if resource.manifest is not None and resource.manifest["kind"] == "Subnet"
    }


@given(vpc=vpcs())
def test_subnets_lie_apart_inside_the_vpc(vpc: IPv4Network) -> None:
    # Proves: for every allowed VPC, six subnets of sizes that AWS takes, none overlapping.
    found = subnets(vpc)
    assert len(found) == 6
    ranges = list(found.values())
    assert all(r.subnet_of(vpc) and 16 <= r.prefixlen <= 28 for r in ranges)
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[:i])


@pytest.mark.parametrize(
    ("vpc", "last"),
    [
        pytest.param("10.255.240.0/20", "10.255.254.0/24", id="the-last-of-10"),
        pytest.param("172.31.240.0/20", "172.31.254.0/24", id="the-last-of-172"),
        pytest.param("192.168.240.0/20", "192.168.254.0/24", id="the-last-of-192"),
    ],
)
def test_a_range_at_the_end_of_the_address_space(vpc: str, last: str) -> None:
    # Proves: it does not run out: the last subnet, and the free sixteenth behind it, are inside.
    assert str(max(subnets(IPv4Network(vpc)).values())) == last


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param(
            {"vpcCidr": "10.0.0.0/28"},
            "spec.aws.vpcCidr: aws.vpcCidr must be a private IPv4 range between /16 and /20, such as "
            "10.0.0.0/16 (got '10.0.0.0/28'). Correct this field.",
            id="too-small-for-three-zones",
        ),
        pytest.param(
            {"vpcCidr": "192.168.255.0/20"},
            "spec.aws.vpcCidr: aws.vpcCidr must be a private IPv4 range between /16 and /20, such as "
            "10.0.0.0/16 (got '192.168.255.0/20'). Correct this field.",
            id="over-the-end",
        ),
        pytest.param(
            {"vpcCidr": "172.20.16.0/20"},
            "spec.aws: aws.vpcCidr and aws.serviceCidr overlap: choose ranges apart from each other (got "
            "172.20.16.0/20 and 172.20.0.0/16). Correct this field.",
            id="inside-the-services-default",
        ),
    ],
)
def test_a_range_that_cannot_be_divided(place: dict[str, str], message: str) -> None:
    # Proves: refused in words where admission is passed by.
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(**place)))
    assert str(caught.value) == message


def test_the_default_vpc() -> None:
    # Proves: a quarter for each zone's nodes and pods, a sixteenth for what is public.
    assert {
        name.removeprefix("node-pools/subnet-"): str(r)
        for name, r in subnets(IPv4Network("10.0.0.0/16")).items()
    } == {
        "private-0": "10.0.0.0/18",
        "private-1": "10.0.64.0/18",
        "private-2": "10.0.128.0/18",
        "public-0": "10.0.192.0/20",
        "public-1": "10.0.208.0/20",
        "public-2": "10.0.224.0/20",
    }
