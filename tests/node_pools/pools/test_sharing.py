"""What several Models get of one GPU, and what a user reads who asks for what it cannot give."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster

WITH_MIG = "A100-40GB, A100-80GB, B200, B300, H100-80GB, H200-141GB, RTX-PRO-6000"


def shared(gpu: str, count: int, region: str, **sharing: Any) -> Any:
    asked = {"name": "p", "gpu": {"model": gpu, "count": count}, "sharing": sharing}
    return FUNCTION.compose(cluster(aws(asked, region=region))).status["nodePools"][0].get("sharing")


@pytest.mark.parametrize(
    ("gpu", "count", "sharing", "wanted"),
    [
        pytest.param("L4", 1, {}, None, id="whole"),
        pytest.param("L4", 1, {"mode": "None"}, None, id="none"),
        pytest.param(
            "L4", 1, {"mode": "TimeSlicing", "slicesPerGPU": 3}, ("nvidia.com/gpu", 3, 22888 // 3), id="turns"
        ),
        pytest.param("T4", 4, {"mode": "MPS", "slicesPerGPU": 2}, ("nvidia.com/gpu", 2, 7680), id="parts"),
        pytest.param(
            "A100-40GB",
            8,
            {"mode": "MIG", "profile": "1g.5gb"},
            ("nvidia.com/mig-1g.5gb", 7, 4864),
            id="partitions",
        ),
        pytest.param(
            "A100-40GB",
            8,
            {"mode": "MIG", "profile": "1g.10gb"},
            ("nvidia.com/mig-1g.10gb", 4, 9856),
            id="of-two-memory-slices",
        ),
        pytest.param(
            "H100-80GB",
            1,
            {"mode": "MIG", "profile": "3g.40gb"},
            ("nvidia.com/mig-3g.40gb", 2, 40320),
            id="halves",
        ),
        pytest.param(
            "B200",
            8,
            {"mode": "MIG", "profile": "1g.23gb"},
            ("nvidia.com/mig-1g.23gb", 7, 20992),
            id="below-its-name",
        ),
    ],
)
def test_slices(gpu: str, count: int, sharing: dict[str, Any], wanted: tuple[str, int, int] | None) -> None:
    # Proves: what a pod asks for, how often a GPU has it, and the memory that one may count on.
    found = shared(gpu, count, "us-east-1", **sharing)
    told = found and (found["resource"], found["perGPU"], found["memoryMiB"])
    assert (told, found and found["mode"]) == (wanted, found and sharing["mode"])


@pytest.mark.parametrize(
    ("gpu", "count", "profile", "message"),
    [
        pytest.param(
            "L4",
            1,
            "1g.10gb",
            f"mode: L4 has no MIG. GPUs with MIG are {WITH_MIG}; or share by TimeSlicing or MPS.",
            id="no-mig",
        ),
        pytest.param(
            "A100-40GB",
            8,
            "1g.20gb",
            "profile: A100-40GB has no MIG profile 1g.20gb. Profiles of A100-40GB are 1g.5gb, 1g.10gb, "
            "2g.10gb, 3g.20gb, 4g.20gb, 7g.40gb.",
            id="another-gpus-profile",
        ),
        pytest.param(
            "B300",
            8,
            "1g.34gb",
            "profile: the memory of a MIG slice of B300 is not known yet. Share by TimeSlicing or MPS.",
            id="memory-not-known",
        ),
    ],
)
def test_no_such_partition(gpu: str, count: int, profile: str, message: str) -> None:
    # Proves: the exact text that the claim shows, with the path of the field.
    with pytest.raises(Invalid) as caught:
        shared(gpu, count, "us-east-1", mode="MIG", profile=profile)
    assert str(caught.value) == f"spec.nodePools[0].sharing.{message}"
