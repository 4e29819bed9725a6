"""What the nodes of a pool carry, and what they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import quantity
from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, lives, settled
from tools.control_plane.nodes import gpu_node


def made(pool: dict[str, Any]) -> dict[str, Any]:
    """The node group of a pool that lives."""
    return fields(lives(FUNCTION, aws(pool))["pool-l4"])


def test_the_users_labels_and_taints_are_on_the_nodes() -> None:
    # Proves: beside the package's own, in EKS' words; an empty value too, without which the autoscaler overlooks them.
    taints = [
        {"key": "team", "value": "a", "effect": "NoExecute"},
        {"key": "example.com/slow", "effect": "PreferNoSchedule"},
        {"key": "dedicated"},
    ]
    found = made({**L4, "labels": {"example.com/team": "a"}, "taints": taints})
    assert found["labels"].items() >= {"example.com/team": "a", "freehold.dev/node-pool": "l4"}.items()
    assert found["taint"] == [
        {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"},
        {"key": "team", "value": "a", "effect": "NO_EXECUTE"},
        {"key": "example.com/slow", "value": "", "effect": "PREFER_NO_SCHEDULE"},
        {"key": "dedicated", "value": "", "effect": "NO_SCHEDULE"},
    ]


SYSTEM = {"instanceType": "m7i.xlarge", "nodes": {"min": 3, "max": 6}}


def test_the_system_pool_as_asked() -> None:
    # Proves: machine and bounds of the spec, seeded with the fewest.
    found = lives(FUNCTION, aws(systemPool=SYSTEM))["system-pool"]
    assert found["spec"]["forProvider"]["instanceTypes"] == ["m7i.xlarge"]
    assert found["spec"]["forProvider"]["scalingConfig"] == {"minSize": 3, "maxSize": 6}
    assert found["spec"]["initProvider"] == {"scalingConfig": {"desiredSize": 3}}


def test_a_live_system_pool_keeps_its_machine() -> None:
    # Proves: EKS would replace the group that carries DNS and the operators.
    request, _ = settled(FUNCTION, aws())
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws(systemPool=SYSTEM), observed=request.observed))
    assert str(caught.value) == (
        "spec.aws.systemPool.instanceType: the system pool runs on m6i.large and cannot change while it "
        "lives. Set m6i.large, or claim a new cluster."
    )


@pytest.mark.parametrize("machine", ["g6.xlarge", "g6e.12xlarge", "g6.48xlarge"])
def test_what_pods_can_request_is_recorded_with_the_pool(machine: str) -> None:
    # Proves: no more than a played node of the machine has, and nearly as much.
    pool = {"name": "any", "instanceType": machine}
    request = cluster(aws(pool))
    [recorded] = FUNCTION.compose(request).status["nodePools"]
    has = gpu_node("x", machine, zone="a")["status"]["allocatable"]
    cpu, memory = quantity.millicores(has["cpu"]), quantity.mebibytes(has["memory"])
    found = recorded["allocatable"]
    assert cpu is not None
    assert memory is not None
    assert 0.95 * cpu <= found["cpuMillicores"] <= cpu
    assert 0.95 * memory <= found["memoryMiB"] <= memory
