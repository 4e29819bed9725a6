"""Names and tags at their longest, against what each system of AWS takes."""

from __future__ import annotations

from typing import Any

import pytest

from functions.node_pools.aws.managed import KINDS
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, settled

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, and of each
# service the API reference of what creates it.
LIMITS = {
    "Cluster": 100,
    "FileSystem": 64,  # its creation token
    "LaunchTemplate": 128,
    "NodeGroup": 63,
    "PlacementGroup": 255,
    "Role": 64,
    "RolePolicy": 128,
    "SecurityGroup": 255,
}
TAG_KEY, TAG_VALUE, TAGS = 128, 256, 50

RESERVATION = {"capacity": "Reserved", "reservation": {"id": "cr-0123456789abcdef0"}, "zones": ["use1-az6"]}
POOLS: list[dict[str, Any]] = [
    {"name": "p" * 20, "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"max": 2}, **RESERVATION},
    {"name": "q" * 20, "instanceType": "p4d.24xlarge", "sharing": {"mode": "MIG", "profile": "1g.5gb"}},
    {"name": "r" * 20, "instanceType": "p4d.24xlarge", "fabric": "RDMA", "nodes": {"max": 2}},
]
CLAIM = {"namespace": "n" * 63, "name": "c" * 63}


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    """Every managed resource of a cluster with the longest names of all, and as many tags as may be."""
    place = {"region": "us-east-1", "tags": {f"{i:0128}": "v" * 256 for i in range(30)}}
    spec = {**aws(*POOLS, **place), "owner": "o" * 63}
    given = {"providerConfigs": [{"cloud": "aws", "namespaces": [CLAIM["namespace"]]}]}
    request, _ = settled(FUNCTION, spec, claim=CLAIM, given=given, composite="c" * 57 + "-x7k2p")
    manifests = [dict(r.manifest) for r in FUNCTION.compose(request).resources if r.manifest]
    return [m for m in manifests if m["kind"] in KINDS.group_of]


def test_names_fit_each_system(made: list[dict[str, Any]]) -> None:
    # Proves: the object's name, which is the name in AWS where nothing else is, and names of fields.
    assert {m["kind"] for m in made} >= LIMITS.keys()
    for manifest in made:
        fields = manifest["spec"]["forProvider"]
        names = [manifest["metadata"]["name"], fields.get("name", ""), fields.get("creationToken", "")]
        assert max(map(len, names)) <= min(LIMITS.get(manifest["kind"], 63), 63), manifest["kind"]


def test_names_are_apart(made: list[dict[str, Any]]) -> None:
    # Proves: what is cut off is in the digest.
    names = [(m["kind"], m["metadata"]["name"]) for m in made]
    assert len(set(names)) == len(names)


def test_tags_fit(made: list[dict[str, Any]]) -> None:
    # Proves: keys, values and their number, beside all that a user may add.
    tagged = [m["spec"]["forProvider"]["tags"] for m in made if "tags" in m["spec"]["forProvider"]]
    assert len(tagged) > 40
    for tags in tagged:
        assert len(tags) <= TAGS
        assert max(map(len, tags)) <= TAG_KEY
        assert max(map(len, tags.values())) <= TAG_VALUE
