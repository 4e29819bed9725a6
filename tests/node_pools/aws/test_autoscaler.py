"""What the autoscaler may do, and what it is told of nodes that are not there yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, fields, lives

NAME = "eu-prod-x7k2p-cluster-ba343f"
HAS = "k8s.io/cluster-autoscaler/node-template/resources/"

REPAIRED = {"freehold.dev/node-repair": "true"}


def test_it_changes_nothing_but_this_clusters_groups() -> None:
    # Proves: sizes and terminations only of groups that EKS tags with the cluster's name.
    statements = json.loads(fields(lives(FUNCTION, aws())["role-autoscaler-scale"])["policy"])["Statement"]
    seeing, describing, changing = statements
    assert changing["Action"] == [
        "autoscaling:SetDesiredCapacity",
        "autoscaling:TerminateInstanceInAutoScalingGroup",
    ]
    tag = f"aws:ResourceTag/k8s.io/cluster-autoscaler/{NAME}"
    assert changing["Condition"] == {"StringEquals": {tag: "owned"}}
    assert all(":Describe" in a or ":GetInstanceTypes" in a for a in seeing["Action"])
    assert describing["Action"] == "eks:DescribeNodegroup"
    assert describing["Resource"] == f"arn:aws:eks:eu-central-1:*:nodegroup/{NAME}/*/*"


def test_it_has_its_role_before_it_is_there() -> None:
    # Proves: Pod Identity gives a pod its role when it is made, so the proof of the cluster, which
    # the components wait for, comes after.
    resources = {r.name: r for r in FUNCTION.compose(cluster(aws())).resources}
    identity = fields(lives(FUNCTION, aws())["pod-identity-autoscaler"])
    assert (identity["namespace"], identity["serviceAccount"]) == ("kube-system", "cluster-autoscaler")
    assert identity["roleArnRef"]["name"].startswith("eu-prod-x7k2p-role-autoscaler-")
    assert "node-pools/role-autoscaler-scale" in resources["node-pools/pod-identity-autoscaler"].after
    assert "node-pools/pod-identity-autoscaler" in resources["node-pools/reachable"].after


def has(pool: dict[str, Any], region: str = "us-east-1") -> dict[str, str]:
    tags = fields(lives(FUNCTION, aws(pool, region=region))["pool-l4"])["tags"]
    return {k.removeprefix(HAS): v for k, v in tags.items() if k.startswith(HAS)}


SHARED = {"name": "l4", "gpu": {"model": "L4", "count": 4}}
A100 = {"name": "l4", "gpu": {"model": "A100-40GB", "count": 8}}


@pytest.mark.parametrize(
    ("pool", "wanted"),
    [
        pytest.param(L4, {"nvidia.com/gpu": "1"}, id="whole"),
        pytest.param(
            {**SHARED, "sharing": {"mode": "TimeSlicing", "slicesPerGPU": 4}},
            {"nvidia.com/gpu": "16"},
            id="slices",
        ),
        pytest.param(
            {**A100, "sharing": {"mode": "MIG", "profile": "1g.5gb"}},
            {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.5gb": "56"},
            id="partitions",
        ),
        pytest.param(
            {"name": "l4", "instanceType": "p5.48xlarge", "fabric": "RDMA", "nodes": {"max": 2}},
            {"nvidia.com/gpu": "8", "vpc.amazonaws.com/efa": "32"},
            id="fabric",
        ),
    ],
)
def test_it_is_told_what_a_node_has(pool: dict[str, Any], wanted: dict[str, str]) -> None:
    # Proves: a pod that asks for it makes the first node of a pool of none come.
    assert has(pool) == {"ephemeral-storage": "180Gi", **wanted}


@pytest.mark.parametrize(
    ("pool", "wanted"),
    [
        pytest.param(L4, {"k8s.amazonaws.com/accelerator": "l4", **REPAIRED}, id="whole"),
        pytest.param(
            {**SHARED, "sharing": {"mode": "TimeSlicing", "slicesPerGPU": 4}},
            {
                "k8s.amazonaws.com/accelerator": "l4",
                **REPAIRED,
                "nvidia.com/device-plugin.config": "timeslicing-4",
            },
            id="time-slices",
        ),
        pytest.param(
            {**SHARED, "sharing": {"mode": "MPS", "slicesPerGPU": 2}},
            {"k8s.amazonaws.com/accelerator": "l4", "nvidia.com/device-plugin.config": "mps-2", **REPAIRED},
            id="mps",
        ),
        pytest.param(
            {**A100, "sharing": {"mode": "MIG", "profile": "1g.5gb"}},
            {"nvidia.com/mig.config": "all-1g.5gb"},
            id="mig-without-the-label-that-would-be-waited-on-for-ever",
        ),
    ],
)
def test_labels_by_which_gpus_are_shared_and_counted(pool: dict[str, Any], wanted: dict[str, str]) -> None:
    # Proves: what the GPU Operator and the autoscaler look for, from a node's first moment.
    labels = fields(lives(FUNCTION, aws(pool, region="us-east-1"))["pool-l4"])["labels"]
    assert labels == {"freehold.dev/node-pool": "l4", **wanted}
