"""What the nodes of a pool carry, and what they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, settled


def group(pool: dict[str, Any]) -> dict[str, Any]:
    """The node group of a pool that lives."""
    request, _ = settled(FUNCTION, aws(pool))
    [found] = [r.manifest for r in FUNCTION.compose(request).resources if r.name == "node-pools/pool-l4"]
    assert found is not None
    fields: dict[str, Any] = found["spec"]["forProvider"]
    return fields


def test_the_users_labels_and_taints_are_on_the_nodes() -> None:
    # Proves: beside the package's own, in EKS' words; an empty value is left out.
    taints = [
        {"key": "team", "value": "a", "effect": "NoExecute"},
        {"key": "example.com/slow", "effect": "PreferNoSchedule"},
        {"key": "dedicated"},
    ]
    found = group({**L4, "labels": {"example.com/team": "a"}, "taints": taints})
    assert found["labels"].items() >= {"example.com/team": "a", "freehold.dev/node-pool": "l4"}.items()
    assert found["taint"] == [
        {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"},
        {"key": "team", "value": "a", "effect": "NO_EXECUTE"},
        {"key": "example.com/slow", "effect": "PREFER_NO_SCHEDULE"},
        {"key": "dedicated", "effect": "NO_SCHEDULE"},
    ]


NOT_YOURS = (
    "spec.nodePools[0].labels: {} is not yours to set: Kubernetes, EKS or what runs on the node does. "
    "Use a prefix of your own, such as example.com/team."
)


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        *(
            pytest.param({"labels": {key: "x"}}, NOT_YOURS.format(key), id=key)
            for key in (
                "freehold.dev/node-pool",
                "nvidia.com/mig.config",
                "eks.amazonaws.com/nodegroup",
                "k8s.amazonaws.com/accelerator",
                "node.kubernetes.io/team",
                "node-role.kubernetes.io/gpu",
                "k8s.io/team",
            )
        ),
        pytest.param(
            {"taints": [{"key": "nvidia.com/gpu", "effect": "NoExecute"}]},
            "spec.nodePools[0].taints[0].key: every GPU pool has taint nvidia.com/gpu already. Leave it out.",
            id="gpu-taint",
        ),
        pytest.param(
            {"taints": [{"key": "dedicated"}, {"key": "k" * 64}]},
            "spec.nodePools[0].taints[1].key: EKS takes keys of at most 63 characters, and this one has 64. "
            "Use a shorter one.",
            id="long-taint",
        ),
    ],
)
def test_what_a_node_cannot_carry(pool: dict[str, Any], message: str) -> None:
    # Proves: refused in words, before EKS does, or before a kubelet does not start.
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(cluster(aws({**L4, **pool})))
    assert str(caught.value) == message


SYSTEM = {"instanceType": "m7i.xlarge", "nodes": {"min": 3, "max": 6}}


def test_the_system_pool_as_asked() -> None:
    # Proves: machine and bounds of the spec, seeded with the fewest.
    request, _ = settled(FUNCTION, aws(systemPool=SYSTEM))
    [found] = [r.manifest for r in FUNCTION.compose(request).resources if r.name == "node-pools/system-pool"]
    assert found is not None
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
