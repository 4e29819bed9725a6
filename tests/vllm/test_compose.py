"""Everything that is composed for a Model, and that nothing changes without a change."""

from __future__ import annotations

import json
import re

import pytest

from functions.base import Condition, Unanswered
from functions.vllm.compose import compose
from tests.vllm.world import (
    ARCHITECTURE,
    DOWNLOAD,
    EU,
    L4,
    OFFER,
    SPEC,
    again,
    cluster,
    first,
    kept,
    manifests,
    reason,
    request,
)


def test_names() -> None:
    assert [r.name for r in first().resources] == [
        "vllm/namespace",
        "vllm/placed",
        "vllm/placed-last",
        "vllm/pod-report",
        "vllm/network-policy-default-deny",
        "vllm/network-policy-serving",
        "vllm/network-policy-download",
        "vllm/weights-543937",
        DOWNLOAD,
        "vllm/deployment",
        "vllm/service",
        "vllm/connection",
    ]


def test_nothing_changes_without_a_change() -> None:
    asked, outcome = again()
    assert manifests(outcome) == kept(first())
    assert outcome.status == first().status
    assert asked.requirements == {"cluster": OFFER}, "a placed Model asks for its cluster's offer alone"


def test_the_order_of_a_map_does_not_matter() -> None:
    labels = {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.product": "NVIDIA-L4"}
    turned = dict(reversed(labels.items()))
    one, other = (
        compose(request(SPEC, cluster("eu", {**L4, "nodeSelector": selector}, allowed=["*"])))
        for selector in (labels, turned)
    )
    assert json.dumps(manifests(one), sort_keys=True) == json.dumps(manifests(other), sort_keys=True)


def test_a_new_model_lists_clusters() -> None:
    asked = request(SPEC, answers={})
    with pytest.raises(Unanswered):
        compose(asked)
    assert list(asked.requirements) == ["clusters"]


def test_scaled_to_zero_does_not_serve() -> None:
    _, outcome = again({**SPEC, "replicas": {"min": 0}})
    serving = outcome.conditions[2]
    assert isinstance(serving, Condition)
    assert (serving.status.value, serving.reason) == ("False", "ScaledToZero")


def test_a_tenant_cannot_search_for_anothers_namespace() -> None:
    assert re.fullmatch(r"team-a-qwen-[0-9a-f]{16}", first().status["placement"]["namespace"])


def test_architecture_from_the_platform() -> None:
    outcome = compose(
        request({"model": "acme/model"}, EU, given={"architectures": {"acme/model": ARCHITECTURE}})
    )
    assert reason(outcome) == "Placed"


def test_same_names_in_two_namespaces_never_meet() -> None:
    one, two = (compose(request(SPEC, EU, namespace=n)) for n in ("team-a", "team-b"))
    assert one.status["placement"]["namespace"] != two.status["placement"]["namespace"]
    assert one.status["endpoint"] != two.status["endpoint"]
