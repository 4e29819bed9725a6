"""A live Model keeps its placement, whatever its spec, its cluster or the catalog says now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.base import Condition, Selector
from functions.base.assemble import assemble
from functions.catalog import models
from functions.vllm.compose import FUNCTION, compose
from functions.vllm.status.pods import POD_REPORT
from tests.vllm.world import (
    EU,
    H100,
    L4,
    OFFER,
    SPEC,
    again,
    cluster,
    condition_text,
    first,
    kept,
    live,
    manifests,
    reason,
    request,
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"answers": {}}, None, id="cluster not answered yet"),
        pytest.param({"answers": {"cluster": ()}}, "ClusterMissing", id="cluster gone"),
        pytest.param(
            {"answers": {"cluster": (cluster("eu", allowed=[]),)}}, "NamespaceNotAllowed", id="not admitted"
        ),
        pytest.param(
            {"answers": {"cluster": (cluster("eu", H100, allowed=["*"]),)}}, "PoolMissing", id="pool gone"
        ),
    ],
)
def test_rendered_from_the_record(change: dict[str, Any], expected: str | None) -> None:
    _, outcome = again(**change)
    assert manifests(outcome) == kept(first())
    assert outcome.status == first().status
    assert not outcome.gone
    if expected:
        assert reason(outcome) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({**SPEC, "contextLength": 40960, "concurrency": 4}, "NothingFits", id="grown too large"),
        pytest.param({**SPEC, "gpu": {"model": "H100-80GB"}}, "NothingFits", id="another GPU"),
    ],
)
def test_a_spec_that_no_longer_fits_keeps_the_model(spec: dict[str, Any], expected: str) -> None:
    _, outcome = again(spec)
    assert reason(outcome) == expected
    assert (list(outcome.resources), list(outcome.gone)) == ([], []), "everything is carried on"


def test_a_refused_spec_does_not_hide_what_broke() -> None:
    observed = live(first())
    observed["vllm/deployment"]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    asked, outcome = again({**SPEC, "contextLength": 40960, "concurrency": 64}, observed=observed)
    settled = assemble(asked, FUNCTION, outcome).conditions
    assert [(c.type, c.status.value) for c in settled.values()] == [
        ("Placed", "False"),
        ("WeightsReady", "True"),
        ("Serving", "False"),
    ]


def test_a_newer_catalog_moves_nothing_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = first()
    bigger = replace(models()["Qwen/Qwen3-8B"], weights_gib=40.0, max_context=8192)
    monkeypatch.setitem(models(), "Qwen/Qwen3-8B", bigger)
    asked = request(SPEC, EU, status=dict(before.status), observed=live(before))
    assert manifests(compose(asked)) == kept(before)


@pytest.mark.parametrize("choice", [{"name": "us"}, {"name": "eu", "namespace": "other"}])
def test_a_live_model_stays_when_the_spec_names_what_is_not_there(choice: dict[str, str]) -> None:
    _, outcome = again({**SPEC, "cluster": choice})
    assert (reason(outcome), list(outcome.resources), list(outcome.gone)) == ("ClusterNotFound", [], [])
    assert condition_text(outcome).endswith(". Until then the Model runs as before")


@pytest.mark.parametrize("data", [{}, {"offer": "{"}, {"offer": '{"nodePools": 1}'}])
def test_an_offer_that_cannot_be_read(data: dict[str, str]) -> None:
    asked, _ = again()
    unreadable = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}
    outcome = compose(replace(asked, answers={"cluster": (unreadable,)}))
    assert (reason(outcome), manifests(outcome)) == ("ClusterMissing", kept(first()))


@pytest.mark.parametrize("model", ["acme/unknown", "meta-llama/Llama-3.3-70B-Instruct"])
def test_another_model_that_cannot_be_served_changes_nothing(model: str) -> None:
    _, outcome = again({"model": model})
    assert [r.name for r in outcome.resources if not r.name.startswith("vllm/files-")] == []
    assert list(outcome.gone) == []
    assert reason(outcome) in ("ReadingModel", "NothingFits")


def test_the_place_is_found_without_status() -> None:
    asked, outcome = again(status={}, answers={"cluster": (EU,)})
    assert manifests(outcome) == kept(first())
    assert asked.requirements["cluster"] == OFFER


def test_replicas_need_a_volume_made_for_them() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    _, outcome = again({**SPEC, "replicas": {"min": 2}}, shared)
    assert reason(outcome) == "VolumeNotShared"
    assert (list(outcome.resources), list(outcome.gone)) == ([], []), "no second pod that could never start"
    new = compose(request({**SPEC, "replicas": {"min": 2}}, shared))
    volume = manifests(new)["vllm/weights-543937"]["spec"]["forProvider"]["manifest"]
    assert volume["spec"]["accessModes"] == ["ReadWriteMany"]


def test_more_replicas_than_the_pool_holds() -> None:
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    made = compose(request(SPEC, shared))
    asked = request({**SPEC, "replicas": {"min": 5}}, shared, status=dict(made.status), observed=live(made))
    outcome = compose(asked)
    condition = outcome.conditions[0]
    assert isinstance(condition, Condition)
    assert (condition.reason, list(outcome.resources), list(outcome.gone)) == ("PoolTooSmall", [], [])
    assert condition.text == (
        "[model] 5 replicas of 1 L4 do not fit node pool l4, which holds 4: lower spec.replicas.min, or "
        "ask the owner of platform/eu for more nodes. Until then the Model runs as before"
    )


def test_what_others_take_moves_nothing() -> None:
    full = cluster("eu", {**L4, "gpusInUse": 4}, allowed=["*"])
    _, outcome = again(SPEC, full)
    assert manifests(outcome) == kept(first())
    assert reason(outcome) == "Placed"


PROVIDER_CONFIG = {"metadata": {"name": "eu-kubernetes"}}
GOING = {"deletionTimestamp": "2026-11-24T00:00:00Z"}
CREATED = {"labels": {"freehold.dev/created-by-claim": "true"}}


@pytest.mark.parametrize(
    ("provider_config", "left"),
    [
        pytest.param(None, False, id="not-answered-yet"),
        pytest.param((PROVIDER_CONFIG,), False, id="still-there"),
        pytest.param(({"metadata": GOING},), False, id="going-and-somebody-else-s"),
        pytest.param(({"metadata": CREATED},), False, id="its-claim-s-and-there"),
        pytest.param(({"metadata": {**GOING, **CREATED}},), True, id="going-with-its-claim"),
        pytest.param((), True, id="gone"),
    ],
)
def test_nothing_hangs_on_a_cluster_that_died_first(
    provider_config: tuple[dict[str, Any], ...] | None, left: bool
) -> None:
    # Proves: what can never be reached again is not asked for when the Model goes; all else is cleaned up.
    answers: dict[str, Any] = (
        {"cluster": ()} if provider_config is None else {"cluster": (), "provider-config": provider_config}
    )
    asked, outcome = again(answers=answers)
    assert (reason(outcome), outcome.unreachable) == ("ClusterMissing", left)
    assert asked.requirements["provider-config"] == Selector(
        "kubernetes.m.crossplane.io/v1alpha1",
        "ProviderConfig",
        name="eu-kubernetes",
        namespace="crossplane-system",
    )
    desired = assemble(asked, FUNCTION, outcome).manifests
    assert set(desired) == set(asked.observed)
    policies = {
        m["spec"].get("managementPolicies") and tuple(m["spec"]["managementPolicies"])
        for name, m in desired.items()
        if m["kind"] == "Object" and name != POD_REPORT  # which is never deleted by itself
    }
    assert policies == ({("Observe", "Create", "Update")} if left else {None})


def test_a_cluster_that_offers_something_is_asked_for_nothing_more() -> None:
    asked, outcome = again()
    assert (list(asked.requirements), outcome.unreachable) == (["cluster"], False)
