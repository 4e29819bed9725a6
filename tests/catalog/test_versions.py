"""Versions of what is deployed."""

from __future__ import annotations

import pytest

from functions.catalog import chart, cluster_autoscaler, kubernetes


@pytest.mark.parametrize(
    ("minor", "tag"),
    [
        pytest.param("1.34", "v1.34.5", id="its-own"),
        pytest.param("1.29", "v1.33.6", id="older-than-known"),
        pytest.param("1.40", "v1.36.1", id="newer-than-known"),
    ],
)
def test_an_autoscaler_for_each_kubernetes(minor: str, tag: str) -> None:
    assert cluster_autoscaler(minor) == tag


def test_new_clusters_have_an_autoscaler_of_their_own() -> None:
    # Proves: the package's Kubernetes version is not raised without its autoscaler.
    assert cluster_autoscaler(kubernetes()).startswith(f"v{kubernetes()}.")


def test_a_component_may_have_a_chart_of_another_name() -> None:
    assert chart("leader-worker-set").name == "lws"
    assert chart("gpu-operator").name == "gpu-operator"
