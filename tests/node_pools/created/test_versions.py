"""Kubernetes goes forward, one minor version at a time, and only when the spec says so."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.created import versions
from functions.node_pools.created.versions import LiveVersions, Versions


def decide(*, live: str, running: str, **given: Any) -> Versions:
    """Decide for AWS; an empty `live` is no cluster."""
    found = LiveVersions(live, running) if live else None
    return versions.decide(live=found, cloud="AWS", **given)


AUTO = "the cluster runs 1.35, AWS has upgraded it: set spec.kubernetesVersion to 1.35"


@pytest.mark.parametrize(
    ("asked", "recorded", "live", "running", "wanted"),
    [
        pytest.param(None, "", "", "", Versions("1.35", "1.35"), id="new-by-default"),
        pytest.param("1.34", "", "", "", Versions("1.34", "1.34"), id="new-as-asked"),
        pytest.param("1.33", "1.35", "", "", Versions("1.33", "1.33"), id="nothing-lives-yet"),
        pytest.param(None, "1.33", "", "", Versions("1.33", "1.33"), id="recorded-over-default"),
        pytest.param(None, "1.33", "1.33", "1.33", Versions("1.33", "1.33"), id="no-upgrade-by-default"),
        pytest.param("1.34", "1.33", "1.33", "1.33", Versions("1.34", "1.33"), id="control-plane-first"),
        pytest.param("1.34", "1.34", "1.34", "1.33", Versions("1.34", "1.33"), id="under-way"),
        pytest.param("1.34", "1.34", "1.34", "1.34", Versions("1.34", "1.34"), id="then-nodes"),
        pytest.param("1.34", "1.34", "1.34", "1.35", Versions("1.35", "1.35", AUTO, "1.34"), id="by-aws"),
        pytest.param(None, "1.34", "1.34", "1.35", Versions("1.35", "1.35"), id="by-aws-unasked"),
        pytest.param("1.34", "1.35", "1.35", "1.34", Versions("1.34", "1.34"), id="taken-back-once-refused"),
        pytest.param(None, "", "1.33", "1.33", Versions("1.33", "1.33"), id="record-lost"),
        pytest.param(None, "abc", "1.33", "1.33", Versions("1.33", "1.33"), id="record-of-nothing"),
        pytest.param(None, "", "1.34", "1.33", Versions("1.34", "1.33"), id="record-lost-under-way"),
        pytest.param(
            "1.34", "", "1.35", "1.35", Versions("1.35", "1.35", AUTO, "1.34"), id="record-lost-by-aws"
        ),
        pytest.param(None, "1.33", "1.33", "", Versions("1.33", ""), id="running-lost"),
        pytest.param(None, "", "1.33", "", Versions("1.33", ""), id="both-lost"),
        pytest.param(
            "1.34", "", "1.33", "", Versions("1.33", "", behind="1.34"), id="both-lost-upgrade-waits"
        ),
        pytest.param(
            "1.34", "1.34", "1.35", "", Versions("1.35", "", behind="1.34"), id="running-lost-by-aws"
        ),
    ],
)
def test_decides(asked: str | None, recorded: str, live: str, running: str, wanted: Versions) -> None:
    # Proves: spec, then what is recorded or lives, then the default; nodes never ahead of the control plane.
    assert decide(asked=asked, recorded=recorded, live=live, running=running, default="1.35") == wanted


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param(
            "1.33",
            "spec.kubernetesVersion: the cluster runs 1.34, and Kubernetes cannot go back to 1.33. Set 1.34, "
            "or claim a new cluster.",
            id="back",
        ),
        pytest.param(
            "1.36",
            "spec.kubernetesVersion: the cluster runs 1.34; 1.36 is more than one minor version ahead. Set "
            "1.35 first.",
            id="two-ahead",
        ),
    ],
)
def test_refuses(asked: str, message: str) -> None:
    # Proves: the exact text of both refusals.
    with pytest.raises(Invalid) as caught:
        decide(asked=asked, recorded="1.34", live="1.34", running="1.34", default="1.35")
    assert str(caught.value) == message


def test_an_upgrade_by_aws_is_no_refusal_in_the_next_run() -> None:
    # Proves: what is recorded is what was asked, so an unchanged spec never goes back.
    first = decide(asked="1.34", recorded="1.34", live="1.34", running="1.35", default="1.35")
    assert first.asked == "1.34"
    assert decide(asked="1.34", recorded=first.asked, live="1.35", running="1.35", default="1.35") == first
