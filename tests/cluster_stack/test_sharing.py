"""Shared GPUs: what the GPU Operator is told, for every mix of pools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.cluster_stack.stack import AWS, EXISTING, OPERATOR, composed, pool, shared, values

FOUR = pool("four", sharing=shared("TimeSlicing", 4))
ALSO_FOUR = pool("also-four", sharing=shared("TimeSlicing", 4))
EIGHT = pool("eight", sharing=shared("TimeSlicing", 8))
MPS = pool("mps", sharing=shared("MPS", 4))
MIG = pool("mig", sharing=shared("MIG", 7, "nvidia.com/mig-1g.10gb"))
WHOLE = pool("whole")

IN_THE_CLOUD = [
    {"name": "HOST_KUBELET_SYSTEMD_SERVICE", "value": ""},
    {"name": "WITH_REBOOT", "value": "true"},
]


def told(pools: Sequence[Mapping[str, Any]], spec: Mapping[str, Any] = AWS) -> dict[str, Any]:
    """Return the values that sharing adds."""
    plain = values(composed(spec)[OPERATOR])
    with_sharing = values(composed(spec, pools=pools)[OPERATOR])
    assert {k: with_sharing[k] for k in plain} == plain
    return {k: v for k, v in with_sharing.items() if k not in plain}


def settings(pools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the device plugin's settings by name."""
    return {k: json.loads(v) for k, v in told(pools)["devicePlugin"]["config"]["data"].items()}


def replicated(count: int) -> dict[str, Any]:
    return {
        "renameByDefault": False,
        "failRequestsGreaterThanOne": True,
        "resources": [{"name": "nvidia.com/gpu", "replicas": count}],
    }


@pytest.mark.parametrize("pools", [pytest.param([WHOLE], id="one"), pytest.param([WHOLE, WHOLE], id="two")])
def test_whole_gpus_need_no_settings(pools: list[dict[str, Any]]) -> None:
    # Proves: a cluster that shares nothing keeps its short values, also after the last shared pool is gone.
    assert told(pools) == {}


def test_settings_by_name() -> None:
    # Proves: one setting each mode and count; nodes without a label share nothing.
    assert told([WHOLE, FOUR])["devicePlugin"] == {
        "config": {
            "create": True,
            "name": "freehold-sharing",
            "default": "whole-gpus",
            "data": {
                "timeslicing-4": json.dumps({"version": "v1", "sharing": {"timeSlicing": replicated(4)}}),
                "whole-gpus": '{"version": "v1"}',
            },
        }
    }
    assert settings([FOUR, MPS, EIGHT]) == {
        "mps-4": {"version": "v1", "sharing": {"mps": replicated(4)}},
        "timeslicing-4": {"version": "v1", "sharing": {"timeSlicing": replicated(4)}},
        "timeslicing-8": {"version": "v1", "sharing": {"timeSlicing": replicated(8)}},
        "whole-gpus": {"version": "v1"},
    }


@pytest.mark.parametrize(
    ("pools", "same"),
    [
        pytest.param([FOUR, MPS], [MPS, FOUR], id="order-of-pools"),
        pytest.param([FOUR], [FOUR, ALSO_FOUR], id="another-pool-of-the-same"),
        pytest.param([FOUR], [WHOLE, FOUR], id="another-pool-of-whole-gpus"),
    ],
)
def test_what_changes_nothing(pools: list[dict[str, Any]], same: list[dict[str, Any]]) -> None:
    # Proves: the same bytes, so that Helm upgrades nothing and no device plugin restarts.
    assert json.dumps(told(pools)) == json.dumps(told(same))


def test_another_pool_changes_no_setting() -> None:
    # Proves: what a node's label names stays what it was when other pools come and go.
    before, after = settings([FOUR, EIGHT]), settings([FOUR, MPS])
    assert before["timeslicing-4"] == after["timeslicing-4"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            AWS,
            {"mig": {"strategy": "mixed"}, "migManager": {"env": IN_THE_CLOUD}},
            id="nodes-of-our-own",
        ),
        pytest.param(
            EXISTING,
            {"mig": {"strategy": "mixed"}, "migManager": {"env": IN_THE_CLOUD[:1]}},
            id="existing-nodes-are-not-rebooted",
        ),
    ],
)
def test_mig(spec: Mapping[str, Any], expected: dict[str, Any]) -> None:
    # Proves: slices are called by their profile, and no setting of the device plugin is needed; the
    # kubelet is left alone everywhere (C6).
    assert told([MIG, WHOLE], spec) == expected


def test_mig_beside_time_slicing() -> None:
    # Proves: each pool has its own; MIG slices themselves are not shared.
    found = told([MIG, FOUR])
    assert sorted(found) == ["devicePlugin", "mig", "migManager"]
    assert sorted(found["devicePlugin"]["config"]["data"]) == ["timeslicing-4", "whole-gpus"]
