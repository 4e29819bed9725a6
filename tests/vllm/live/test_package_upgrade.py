"""A newer package, whatever it would render, restarts no pod by itself; it tells what is newer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from functions.base import Condition, Invalid, Outcome, Progress, Status
from functions.catalog import image, models
from functions.checkpoint.report import report
from functions.vllm.compose import compose
from functions.vllm.engine.versions import in_words, version_of
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


OLD = image("vllm")
TOO_OLD = (
    f"{OLD} is vLLM {in_words(version_of(OLD) or ())}, which does not know arguments that every Model is started with; the oldest that does "
    "is 9.0.0"
)


def older_is_too_old(patch: pytest.MonkeyPatch) -> None:
    """A package that starts Models with arguments of a later version."""
    patch.setattr("functions.vllm.engine.serving.OLDEST", (9, 0, 0))
    everything(patch)


@pytest.mark.parametrize("named", [False, True], ids=["", "named-by-the-spec"])
@pytest.mark.parametrize(("spec", "eu", "workload"), KINDS)
def test_an_image_that_became_too_old_goes_on(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], eu: dict[str, Any], workload: str, named: bool
) -> None:
    spec = {**spec, **({"engine": {"image": OLD}} if named else {})}
    before = compose(request(spec, eu))
    older_is_too_old(monkeypatch)
    told = f"{TOO_OLD}. The Model's pods stay as they are, whatever the spec asks of them. To restart the Model with "
    told += f"a newer one, set spec.engine.image to {NEWER}"
    engine = {"image": OLD, **({"args": ["--seed=1"], "restartedAt": "today"})}
    for change in ({}, {"engine": engine if named else {**engine, "image": None}}):
        after = again(before, {**spec, **change}, eu)
        assert pods(after, workload) == pods(before, workload)
        assert after.status["engine"] == {"image": OLD, "latest": NEWER, "update": told}
        assert serving(after) == f"the Model answers at its endpoint. {told}"
    scaled = again(before, {**spec, "replicas": {"min": 0}}, eu)
    assert manifests(scaled)[workload]["spec"]["forProvider"]["manifest"]["spec"]["replicas"] == 0
    assert pods(scaled, workload) == pods(before, workload)
    moved = again(after, {**spec, "engine": {"image": NEWER, "args": ["--seed=1"]}}, eu)
    [container] = pods(moved, workload)[0]["spec"]["containers"]
    assert container["image"] == NEWER
    assert container["args"][-2:] == ["--seed=1", "--new"]


@pytest.mark.parametrize(
    "change", [{"contextLength": 8192}, {"revision": "v2"}, {"cluster": {"name": "us", "nodePool": "l4"}}]
)
def test_what_needs_other_pods_of_an_image_that_became_too_old_is_not_done(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    before = compose(request(SPEC, EU))
    older_is_too_old(monkeypatch)
    after = again(before, {**SPEC, **change}, EU)
    [placed, *_] = after.conditions
    assert isinstance(placed, Condition)
    assert (placed.status, placed.reason, placed.decides_ready) == (Status.FALSE, "ImageTooOld", False)
    assert placed.text == (
        f"[model] {TOO_OLD}. What the spec asks for now needs other pods: set spec.engine.image to {NEWER} as well. "
        "Until then the Model runs as before"
    )
    assert not after.resources
    assert not after.gone


def test_an_image_that_became_too_old_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Model whose weights are still downloaded: no pod has the image yet."""
    before = compose(request(SPEC, EU))
    older_is_too_old(monkeypatch)
    observed = {name: found for name, found in live(before).items() if name != "vllm/deployment"}
    downloads = request(SPEC, EU, status=dict(before.status), observed=observed)
    [pod] = pods(compose(downloads), "vllm/deployment")
    assert pod["spec"]["containers"][0]["image"] == NEWER
    named = request({**SPEC, "engine": {"image": OLD}}, EU, status=dict(before.status), observed=observed)
    with pytest.raises(Invalid, match=rf"spec\.engine\.image: {OLD} is vLLM"):
        compose(named)


def test_an_image_of_the_spec_that_is_too_old_is_refused_of_a_live_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = compose(request(SPEC, EU))
    older_is_too_old(monkeypatch)
    with pytest.raises(Invalid, match=r"spec\.engine\.image: .* is vLLM 8\.0\.0"):
        again(before, {**SPEC, "engine": {"image": "vllm/vllm-openai:v8.0.0"}}, EU)


def test_no_older_image_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's own image may be too old as well."""
    before = compose(request(SPEC, EU, given={"image": OLD}))
    monkeypatch.setattr("functions.vllm.engine.serving.OLDEST", (9, 0, 0))
    after = compose(
        request(SPEC, EU, status=dict(before.status), observed=live(before), given={"image": OLD})
    )
    assert after.status["engine"]["update"].endswith("set spec.engine.image to a newer image")


TAINT = {"key": "team", "value": "ml", "effect": "NoSchedule"}
UNTOLERATED = (
    "Node pool {} has a taint now that the Model's pods do not tolerate: one that stops does not come back there. "
    "To restart the Model with pods that tolerate it, set spec.engine.restartedAt to the time"
)


def tainted(eu: dict[str, Any], *taints: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster whose node pools have taints."""
    pools = [{**pool, "taints": list(taints)} for pool in eu["status"]["nodePools"]]
    return {**eu, "status": {**eu["status"], "nodePools": pools}}


@pytest.mark.parametrize(("spec", "eu", "workload"), KINDS)
def test_a_new_taint_of_the_pool_restarts_nothing_and_is_told(
    spec: dict[str, Any], eu: dict[str, Any], workload: str
) -> None:
    before = compose(request(spec, eu))
    changed = tainted(eu, TAINT)
    after = again(before, spec, changed)
    assert pods(after, workload) == pods(before, workload)
    told = UNTOLERATED.format(before.status["placement"]["nodePool"])
    assert after.status["engine"]["update"] == told
    assert serving(after) == f"the Model answers at its endpoint. {told}"
    restarted = again(after, {**spec, "engine": {"restartedAt": "today"}}, changed)
    for pod in pods(restarted, workload):
        assert {**TAINT, "operator": "Equal"} in pod["spec"]["tolerations"]
    assert "update" not in restarted.status["engine"]


def test_a_taint_that_is_gone_or_replaced() -> None:
    before = compose(request(SPEC, tainted(EU, TAINT)))
    gone = again(before, SPEC, EU)
    assert pods(gone, "vllm/deployment") == pods(before, "vllm/deployment")
    assert gone.status["engine"]["update"].startswith("The platform makes a Model's pods otherwise now.")
    replaced = again(before, SPEC, tainted(EU, {**TAINT, "value": "research"}))
    assert replaced.status["engine"]["update"] == UNTOLERATED.format("l4")


@pytest.mark.parametrize(
    ("status", "taken"),
    [({}, False), ({"replicas": 2, "readyReplicas": 1}, False), ({"replicas": 2}, True)],
    ids=["unknown", "one-is-ready", "none-is-ready"],
)
def test_pods_of_which_none_is_ready_get_the_pools_taints(status: dict[str, Any], taken: bool) -> None:
    """Nothing is interrupted then, and perhaps the taint is why: nobody has to ask for a restart."""
    before = compose(request(SPEC, EU))
    observed = live(before)
    observed["vllm/deployment"]["status"]["atProvider"] = {"manifest": {"status": status}}
    eu = tainted(EU, TAINT)
    after = compose(request(SPEC, eu, status=dict(before.status), observed=observed))
    assert (pods(after, "vllm/deployment") != pods(before, "vllm/deployment")) == taken
    assert ("update" in after.status["engine"]) != taken


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
