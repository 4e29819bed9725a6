"""How a VPC is divided."""

from __future__ import annotations

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

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
