"""A status that is lost changes no manifest of anything that lives: what lives says what it is."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from functions.base import Request
from tests.node_pools.aws.worlds import again, desired, observed, without_status, world
from tests.node_pools.requests import L4, aws

H100 = {"name": "h100", "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"min": 0, "max": 2}}
RESERVED = {
    **L4,
    "name": "reserved",
    "capacity": "Reserved",
    "reservation": {"id": "cr-0123456789abcdef0"},
    "zones": ["euc1-az2"],
}
BLOCK = {
    "name": "block",
    "instanceType": "p5.48xlarge",
    "capacity": "Reserved",
    "reservation": {"id": "cr-0123456789abcdef0", "kind": "CapacityBlock"},
    "zones": ["use1-az6"],
}
MIG = {"name": "mig", "instanceType": "p4d.24xlarge", "sharing": {"mode": "MIG", "profile": "1g.5gb"}}
TURNS = {**L4, "name": "turns", "sharing": {"mode": "TimeSlicing", "slicesPerGPU": 3}}
NAMES = ["eu-central-1c", "eu-central-1a", "eu-central-1b"]

WORLDS: dict[str, dict[str, Any]] = {
    "plain": aws(),
    "dearer-machine": aws({"name": "l4", "instanceType": "g6.4xlarge"}),
    "zones-by-name": aws(L4, zones=NAMES),
    "zones-in-another-order": aws(L4, zones=["euc1-az3", "euc1-az1", "euc1-az2"]),
    "shared-and-reserved": aws(TURNS, RESERVED, {**L4, "name": "spot", "capacity": "Spot", "diskGiB": 500}),
    "fabric-mig-block": aws(H100, MIG, BLOCK, region="us-east-1"),
    "own-key-and-network": aws(
        L4,
        kmsKeyArn="arn:aws:kms:eu-central-1:111122223333:key/theirs",
        existingNetwork={
            "vpcId": "vpc-0123456789abcdef0",
            "subnets": [
                {"id": "subnet-0123456789abcdef0", "zone": "euc1-az2"},
                {"id": "subnet-0123456789abcdef1", "zone": "euc1-az3"},
            ],
        },
    ),
}
CASES = [*((name, "1.34") for name in WORLDS), ("plain", "1.33"), ("plain", "1.36")]
"""Worlds and Kubernetes versions, which are not the package's."""


@cache
def living(name: str, version: str) -> Request:
    """Return a world whose Kubernetes version came from the platform's input."""
    return world(WORLDS[name], given={"kubernetesVersion": version})


def lost(request: Request, *, composite: bool, resources: bool) -> Request:
    """Return the next request after statuses are lost, by a platform that has meanwhile no default version."""
    return again(
        request,
        {key: value for key, value in request.composite["spec"].items() if key != "claimRef"},
        status={} if composite else None,
        seen=without_status(request) if resources else None,
        given={},
    )


@pytest.mark.parametrize(
    ("composite", "resources"),
    [
        pytest.param(True, False, id="the-composites"),
        pytest.param(False, True, id="the-resources"),
        pytest.param(True, True, id="both"),
    ],
)
@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_lost_status_changes_no_manifest(name: str, version: str, composite: bool, resources: bool) -> None:
    # Proves: of no living resource, in clusters whose version came from an input that has changed.
    before = living(name, version)
    after = lost(before, composite=composite, resources=resources)
    assert desired(after) == desired(before)


def test_nodes_keep_their_version_although_the_cluster_is_missing_too() -> None:
    # Proves: where status and Cluster are lost, the version of the nodes says what the cluster had.
    before, was = living("plain", "1.34"), desired(living("plain", "1.34"))
    seen = {n: o for n, o in before.observed.items() if n != "node-pools/cluster"}
    after = desired(again(before, aws(), status={}, seen=seen, given={}))
    assert {n for n in seen if after[n] != was[n]} == set()
    assert after["node-pools/cluster"]["spec"]["forProvider"]["version"] == "1.34"


@pytest.mark.parametrize("name", ["zones-in-another-order", "zones-by-name"])
@pytest.mark.parametrize(
    "missing", [f"node-pools/subnet-{side}-{i}" for side in ("private", "public") for i in range(3)]
)
def test_subnets_stay_where_they_are_although_one_is_missing(name: str, missing: str) -> None:
    # Proves: each living subnet says its own zone, so that a lost status moves no other.
    before = living(name, "1.34")
    seen = {n: o for n, o in before.observed.items() if n != missing}
    spec = aws(L4)  # the zones were the user's word once, and are left out now
    after = desired(again(before, spec, status={}, seen=seen))
    was = desired(before)
    assert {n for n in seen if after[n] != was[n]} == set()


@pytest.mark.parametrize(("size", "bounds"), [(4, {"min": 6, "max": 8}), (4, {"min": 0, "max": 2})])
def test_a_size_outside_the_bounds_stays_beside_them(size: int, bounds: dict[str, int]) -> None:
    # Proves: the size that EKS was given with new bounds is not taken back while the size is not known.
    spec = aws({**L4, "nodes": bounds})
    before = world(spec)
    name = "node-pools/pool-l4"
    group = before.observed[name]
    at_provider = {**group["status"]["atProvider"], "scalingConfig": {"desiredSize": size}}
    seen = {**before.observed, name: {**group, "status": {**group["status"], "atProvider": at_provider}}}
    sized = again(before, spec, seen=seen)
    made = desired(sized)
    assert "desiredSize" in made[name]["spec"]["forProvider"]["scalingConfig"]
    living = observed(made, before.composite)
    bare = {n: {k: v for k, v in o.items() if k != "status"} for n, o in living.items()}
    assert desired(again(before, spec, status={}, seen=bare)) == made
