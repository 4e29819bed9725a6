"""A newer package, whatever it would render, restarts no pod by itself; it tells what is newer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from functions.base import Outcome, Progress
from functions.catalog import models
from functions.checkpoint.report import report
from functions.vllm.compose import compose
from functions.vllm.engine.vllm import VLLM
from tests.tools.inspect.folders import text
from tests.vllm.world import EU, H100, SPEC, cluster, live, manifests, request

NEWER = "vllm/vllm-openai:v9.9.9"
SEVERAL = cluster("eu", H100, allowed=["*"], sharedStorageClassName="efs", components=["leader-worker-set"])
DEPLOYMENT = (SPEC, EU, "vllm/deployment")
GROUP = ({"model": "deepseek-ai/DeepSeek-R1"}, SEVERAL, "vllm/leader-worker-set")
KINDS = [pytest.param(*DEPLOYMENT, id="deployment"), pytest.param(*GROUP, id="group")]


def newer_image(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("functions.vllm.plan.image", lambda _: NEWER)


def newer_arguments(patch: pytest.MonkeyPatch) -> None:
    _newer(patch, arguments=lambda *given: [*VLLM.arguments(*given), "--new"])


def newer_probes(patch: pytest.MonkeyPatch) -> None:
    _newer(patch, probes=lambda seconds: {**VLLM.probes(seconds), "startupProbe": {}}, drain_seconds=600)


def newer_environment(patch: pytest.MonkeyPatch) -> None:
    _newer(patch, environment={**VLLM.environment, "NEW": "1"})


def _newer(patch: pytest.MonkeyPatch, **change: Any) -> None:
    engine = VLLM._replace(**change)
    for where in ("plan", "size.need"):
        patch.setattr(f"functions.vllm.{where}.engine_of", lambda _: engine)


def newer_flags(patch: pytest.MonkeyPatch) -> None:
    """What follows from the model is recorded with the placement."""
    _newer(patch, model_arguments=lambda *_: ["--new"])


def newer_context(patch: pytest.MonkeyPatch) -> None:
    """A catalog that was corrected; the context that a Model was sized for is recorded."""
    for name in (SPEC["model"], "deepseek-ai/DeepSeek-R1"):
        patch.setitem(models(), name, replace(models()[name], max_context=8192))


def newer_pods(patch: pytest.MonkeyPatch) -> None:
    """Everything that the package itself decides of a pod."""
    patch.setattr("functions.vllm.serve.pod.LOADS_LONG", {"example.org/new": "true"})
    patch.setattr("functions.vllm.serve.pod._PRE_STOP_SECONDS", 30)
    patch.setattr("functions.vllm.serve.pod.unprivileged", lambda: {"privileged": False})
    patch.setattr("functions.vllm.serve.pod._tolerations", lambda _: [])


def everything(patch: pytest.MonkeyPatch) -> None:
    newer_image(patch)
    newer_pods(patch)
    _newer(
        patch,
        environment={**VLLM.environment, "NEW": "1"},
        arguments=lambda *given: [*VLLM.arguments(*given), "--new"],
    )


UPGRADES = [
    newer_image,
    newer_arguments,
    newer_probes,
    newer_environment,
    newer_flags,
    newer_context,
    newer_pods,
    everything,
]
RECORDED = (newer_flags, newer_context)
"""Of these nothing is told: what is recorded stays until the spec changes."""


def again(made: Outcome, spec: dict[str, Any], eu: dict[str, Any], *, lost: bool = False) -> Outcome:
    """Run once more over a live Model, perhaps with its status lost."""
    status = {} if lost else dict(made.status)
    answers = {"cluster": (eu,), "clusters": ()}
    return compose(request(spec, status=status, observed=live(made), answers=answers))


def pods(outcome: Outcome, workload: str) -> list[dict[str, Any]]:
    """Return the templates of the pods."""
    manifest = manifests(outcome)[workload]["spec"]["forProvider"]["manifest"]["spec"]
    group = manifest.get("leaderWorkerTemplate", {})
    found = (manifest.get("template"), group.get("leaderTemplate"), group.get("workerTemplate"))
    return [template for template in found if template]


@pytest.mark.parametrize("lost", [False, True], ids=["", "status-lost"])
@pytest.mark.parametrize(("spec", "eu", "workload"), KINDS)
@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: upgrade.__name__)
def test_a_newer_package_restarts_no_pod(
    monkeypatch: pytest.MonkeyPatch,
    upgrade: Callable[[pytest.MonkeyPatch], None],
    spec: dict[str, Any],
    eu: dict[str, Any],
    workload: str,
    lost: bool,
) -> None:
    before = compose(request(spec, eu))
    upgrade(monkeypatch)
    fresh = compose(request(spec, eu))
    assert pods(fresh, workload) != pods(before, workload), "the newer package does render other pods"
    after = again(before, spec, eu, lost=lost)
    assert after.status["placement"] == {
        key: value for key, value in before.status["placement"].items() if key != "runnersUp" or not lost
    }
    assert pods(after, workload) == pods(before, workload)
    assert again(after, spec, eu).status == after.status
    assert after.status["sizing"]["contextLength"] == before.status["sizing"]["contextLength"]
    assert ("update" in after.status["engine"]) == (upgrade not in RECORDED)


def test_a_lost_status_does_not_refuse_a_context_that_a_newer_catalog_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = {**SPEC, "contextLength": 16384}
    before = compose(request(spec, EU))
    newer_context(monkeypatch)
    after = again(before, spec, EU, lost=True)
    assert pods(after, "vllm/deployment") == pods(before, "vllm/deployment")


def test_a_lost_status_keeps_the_context_of_a_model_whose_files_changed() -> None:
    """The files are read again, at a branch that has moved since."""
    spec = {"model": "acme/house"}
    told = compose(request(spec, EU))
    before = compose(request(spec, EU, observed=read_by_pod(told, 40960)))
    serves = {n: o for n, o in live(before).items() if not n.startswith("vllm/files-")}
    reads = compose(request(spec, EU, observed=serves, answers={"cluster": (EU,), "clusters": ()}))
    observed = {**serves, **read_by_pod(reads, 8192)}
    after = compose(request(spec, EU, observed=observed, answers={"cluster": (EU,), "clusters": ()}))
    assert after.status["model"]["summary"].endswith("at most 8192 tokens")
    assert pods(after, "vllm/deployment") == pods(before, "vllm/deployment")
    assert after.status["sizing"]["contextLength"] == 16384


def read_by_pod(made: Outcome, longest: int) -> dict[str, Any]:
    """Return what is observed of an outcome once its pod has read the files of a model of some context."""
    config = text("qwen3", 36, 4096, 32, 8, longest, head_dim=128, vocab_size=151936, intermediate_size=12288)
    told = json.dumps(report(config, None, {"bytes": 16_381_516_800}, "c0ffee"))
    ended = {"state": {"terminated": {"exitCode": 0, "message": told}}}
    observed = live(made)
    pod = next(name for name in manifests(made) if name.startswith("vllm/files-pod-"))
    manifest = {"status": {"phase": "Succeeded", "containerStatuses": [ended]}}
    return {**observed, pod: {**observed[pod], "status": {"atProvider": {"manifest": manifest}}}}


def test_a_placement_that_was_recorded_without_its_context_gets_it() -> None:
    before = compose(request(SPEC, EU))
    placement = {key: value for key, value in before.status["placement"].items() if key != "contextLength"}
    old = replace(before, status={**before.status, "placement": placement})
    after = again(old, SPEC, EU)
    assert after.status["placement"] == before.status["placement"]
    assert pods(after, "vllm/deployment") == pods(before, "vllm/deployment")


def test_fields_in_another_order_restart_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {
        **SPEC,
        "contextLength": 8192,
        "concurrency": 2,
        "gpu": {"count": 1, "model": "L4"},
        "engine": {"env": [{"name": "A", "value": "1"}], "resources": {"cpu": "1", "memory": "9Gi"}},
    }
    before = compose(request(spec, EU))
    dump = BaseModel.model_dump

    def backwards(schema: BaseModel, **how: Any) -> dict[str, Any]:
        found: dict[str, Any] = _backwards(dump(schema, **how))
        return found

    def backwards_json(schema: BaseModel, **how: Any) -> str:
        return json.dumps(_backwards(dump(schema, mode="json", **how)))

    monkeypatch.setattr(BaseModel, "model_dump", backwards)
    monkeypatch.setattr(BaseModel, "model_dump_json", backwards_json)
    newer_environment(monkeypatch)
    after = again(before, spec, EU)
    assert after.status["placement"]["sizedBy"] == before.status["placement"]["sizedBy"]
    assert pods(after, "vllm/deployment") == pods(before, "vllm/deployment")


def _backwards(value: Any) -> Any:
    """Return a value with the fields of each object in the other order."""
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return [_backwards(each) for each in value] if isinstance(value, list) else value


def test_a_running_download_goes_on_with_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose(request(SPEC, EU))
    newer_image(monkeypatch)
    observed = live(before)
    del observed["vllm/deployment"]
    for name, one in observed.items():
        if name.startswith("vllm/download-"):
            one["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    after = compose(request(SPEC, EU, status=dict(before.status), observed=observed))
    assert {n for n in manifests(after) if "/download-" in n} == {
        n for n in manifests(before) if "/download-" in n
    }


@pytest.mark.parametrize(("spec", "eu", "workload"), KINDS)
def test_scaling_after_an_upgrade_restarts_no_pod(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], eu: dict[str, Any], workload: str
) -> None:
    """Not with more replicas, nor with another token or a cluster named that the Model is on."""
    before = compose(request(spec, eu))
    everything(monkeypatch)
    token = {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}
    named = {"name": "eu", "namespace": "platform"}
    for change in ({"replicas": {"min": 0}}, {"source": token}, {"cluster": named}):
        after = again(before, {**spec, **change}, eu)
        assert pods(after, workload) == pods(before, workload)


def test_what_is_newer_is_told_and_naming_the_image_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose(request(SPEC, EU))
    old = before.status["placement"]["image"]
    assert before.status["engine"] == {"image": old}
    everything(monkeypatch)
    after = again(before, SPEC, EU)
    update = f"The platform's engine image is now {NEWER}. To restart the Model with it, set spec.engine.image to it"
    assert after.status["engine"] == {"image": old, "latest": NEWER, "update": update}
    assert serving(after) == f"the Model answers at its endpoint. {update}"
    moved = again(after, {**SPEC, "engine": {"image": NEWER}}, EU)
    [pod] = pods(moved, "vllm/deployment")
    [container] = pod["spec"]["containers"]
    assert (container["image"], "--new" in container["args"]) == (NEWER, True)
    assert moved.status["engine"] == {"image": NEWER}
    # The image is recorded, so the spec need not name it for ever.
    assert pods(again(moved, SPEC, EU), "vllm/deployment") == [pod]


def test_newer_pods_of_the_same_image_are_taken_by_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose(request(SPEC, EU))
    newer_environment(monkeypatch)
    after = again(before, SPEC, EU)
    assert after.status["engine"]["update"] == (
        "The platform makes a Model's pods otherwise now. To restart the Model with such pods, set "
        "spec.engine.restartedAt to the time"
    )
    moved = again(after, {**SPEC, "engine": {"restartedAt": "2026-11-28T18:00:00Z"}}, EU)
    [pod] = pods(moved, "vllm/deployment")
    assert {"name": "NEW", "value": "1"} in pod["spec"]["containers"][0]["env"]
    assert "update" not in moved.status["engine"]


def test_a_restart_makes_other_pods_of_the_same_package() -> None:
    before = compose(request(SPEC, EU))
    after = again(before, {**SPEC, "engine": {"restartedAt": "today"}}, EU)
    assert pods(after, "vllm/deployment") != pods(before, "vllm/deployment")


def test_a_changed_spec_keeps_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compose(request(SPEC, EU))
    everything(monkeypatch)
    for change in ({"engine": {"args": ["--seed=1"]}}, {"contextLength": 8192}):
        [pod] = pods(again(before, {**SPEC, **change}, EU), "vllm/deployment")
        assert pod["spec"]["containers"][0]["image"] == before.status["placement"]["image"]
        assert "--new" in pod["spec"]["containers"][0]["args"]


def test_the_platforms_image_is_a_new_models_alone() -> None:
    before = compose(request(SPEC, EU))
    given = {"image": NEWER}
    after = compose(request(SPEC, EU, status=dict(before.status), observed=live(before), given=given))
    assert pods(after, "vllm/deployment") == pods(before, "vllm/deployment")
    assert after.status["engine"]["latest"] == NEWER
    assert compose(request(SPEC, EU, given=given)).status["placement"]["image"] == NEWER


def serving(outcome: Outcome) -> str:
    condition = next(c for c in outcome.conditions if c.type == "Serving")
    assert isinstance(condition, Progress)
    return condition.ready
