"""What the agent reports of a Model's pods reaches the claim: as a condition, and as evidence in the status."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import Trouble
from functions.base import Condition, Outcome, Progress, Status, Whose
from functions.vllm.compose import compose
from functions.vllm.status.pods import POD_REPORT
from tests.vllm.world import DOWNLOAD, EU, SPEC, cluster, first, live, request

SINCE = "2026-11-28T18:00:00Z"
CRASH = {
    "reason": "CrashLoop",
    "message": "container vllm ended with exit code 1, restarted 4 times: ValueError: {x} is no model",
    "pod": "vllm-7d9c-x2x",
    "node": "l4-1",
    "container": "vllm",
    "since": SINCE,
}
NAMESPACE = "team-a-qwen-69e9ae072db0ed27"


def component(trouble: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "total": 1,
        "ready": 0,
        "restarts": 4,
        "nodes": ["l4-1"],
        **({"trouble": trouble} if trouble else {}),
    }


def told(
    report: Any,
    *,
    spec: dict[str, Any] | None = None,
    ready: bool = False,
    downloaded: bool = True,
    clusters: tuple[dict[str, Any], ...] = (EU,),
    status: dict[str, Any] | None = None,
) -> Outcome:
    """Reconcile a live Model whose agent reports something; None: there is no report."""
    made = first()
    observed = live(made)
    for name, well in (("vllm/deployment", ready), (DOWNLOAD, downloaded)):
        conditions = [{"type": "Ready", "status": "True" if well else "False"}]
        observed[name] = {**observed[name], "status": {"conditions": conditions}}
    if not downloaded:
        del observed["vllm/deployment"]
    if report is not None:
        manifest = {"status": {"atProvider": {"manifest": {"report": report}}}}
        observed[POD_REPORT] = {**observed[POD_REPORT], **manifest}
    return compose(
        request(spec or SPEC, *clusters, status={**made.status, **(status or {})}, observed=observed)
    )


def condition(outcome: Outcome, type_: str = "Serving") -> Condition | Progress:
    return next(c for c in outcome.conditions if c.type == type_)


def said(outcome: Outcome, type_: str = "Serving") -> Condition:
    found = condition(outcome, type_)
    assert isinstance(found, Condition)
    return found


def test_a_crash_loop() -> None:
    assert said(told({"serving": component(CRASH)})) == Condition(
        "Serving",
        Status.FALSE,
        "CrashLoop",
        f"the engine ends when it should serve (pod vllm-7d9c-x2x, node l4-1, since {SINCE}): container vllm ended "
        "with exit code 1, restarted 4 times: ValueError: {x} is no model. Look up the error with the model's name. "
        "spec.engine.image names another version of the engine",
        Whose.MODEL,
    )


def test_when_the_agent_saw_it() -> None:
    """Of an agent that is gone, the report stays; nobody but a reader has a clock."""
    seen = "2026-11-28T19:00:00Z"
    outcome = told({"serving": component(CRASH), "observedAt": seen})
    assert f"(pod vllm-7d9c-x2x, node l4-1, since {SINCE}, seen {seen}): container" in said(outcome).message
    assert outcome.status["pods"]["observedAt"] == seen


def test_what_the_spec_itself_says_is_looked_at_first() -> None:
    spec = {**SPEC, "engine": {"args": ["--dtype=none"]}}
    assert (
        "Take spec.engine.args, spec.engine.env and spec.engine.image back"
        in said(told({"serving": component(CRASH)}, spec=spec)).message
    )
    pull = {**CRASH, "reason": "ImagePull"}
    assert said(told({"serving": component(pull)})).whose is Whose.PLATFORM
    own = said(told({"serving": component(pull)}, spec={**SPEC, "engine": {"image": "example.org/vllm:v9"}}))
    assert own.whose is Whose.MODEL
    assert "Check spec.engine.image" in own.message


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_has_an_owner_and_a_next_step(trouble: Trouble) -> None:
    message = said(told({"serving": component({**CRASH, "reason": trouble.value})}))
    assert message.reason == trouble.value
    assert len(message.message.split(". ")) > 1
    assert message.text.startswith(f"[{message.whose.value}] ")


def test_what_is_nobodys_fault_is_the_infrastructures() -> None:
    waits = {
        "reason": "NoFreeGPUs",
        "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
        "since": SINCE,
    }
    found = said(told({"serving": component({**waits, "pod": "vllm-7d9c-x2x"})}))
    assert found.whose is Whose.INFRASTRUCTURE
    assert found.message.startswith(
        f"a pod waits for GPUs (pod vllm-7d9c-x2x, since {SINCE}): 0/2 nodes are available: 2 Insufficient "
        "nvidia.com/gpu. An autoscaler may be adding a node."
    )


def test_a_model_that_serves_is_not_in_trouble() -> None:
    """A report may be old; the workload itself says that all its pods are ready."""
    assert isinstance(condition(told({"serving": component(CRASH)}, ready=True)), Progress)


@pytest.mark.parametrize(
    "report", [None, {}, {"serving": component()}, {"download": component(CRASH)}, "broken", {"serving": 7}]
)
def test_without_a_trouble_everything_is_as_before(report: Any) -> None:
    assert condition(told(report)) == condition(told(None))
    assert isinstance(condition(told(report)), Progress)


def test_a_download_in_trouble() -> None:
    full = {
        **CRASH,
        "message": "container download ended with exit code 1: OSError: No space left",
        "container": "download",
    }
    outcome = told({"download": component(full)}, downloaded=False)
    found = said(outcome, "WeightsReady")
    assert (found.reason, found.whose) == ("CrashLoop", Whose.MODEL)
    assert "OSError: No space left. Kubernetes tries again by itself. Check that the model" in found.message
    assert isinstance(condition(outcome, "Serving"), Progress)
    done = told({"download": component(full)})
    assert isinstance(condition(done, "WeightsReady"), Progress)


def test_a_model_whose_cluster_cannot_be_read_tells_its_pods_too() -> None:
    gone = cluster("other", allowed=["*"])
    assert said(told({"serving": component(CRASH)}, clusters=(gone,))).reason == "CrashLoop"


def test_the_evidence_stands_in_the_status() -> None:
    report = {
        "serving": component(CRASH),
        "ending": {"job": "d", "exitCode": 0, "message": "{}", "at": SINCE},
    }
    assert told(report).status["pods"] == report
    # Once there is no report any more, none is left; and a Model that never had one mentions none.
    assert told(None, status={"pods": report}).status["pods"] is None
    assert "pods" not in told(None).status


def test_the_report_is_created_and_then_only_looked_at() -> None:
    made = next(r for r in first().resources if r.name == POD_REPORT)
    assert made.manifest is not None
    spec = made.manifest["spec"]
    assert spec["managementPolicies"] == ["Observe", "Create"]
    assert spec["watch"] is True
    body = spec["forProvider"]["manifest"]
    assert (body["apiVersion"], body["kind"]) == ("agent.freehold.dev/v1alpha1", "ModelReport")
    assert body["metadata"]["namespace"] == NAMESPACE
    assert made.after == ("vllm/namespace",)


def test_a_model_is_ready_whatever_becomes_of_its_report() -> None:
    """In a cluster without the agent's CRD the Object of the report fails."""
    made = first()
    observed = live(made)
    failed = {
        "conditions": [{"type": "Synced", "status": "False", "message": "no matches for kind ModelReport"}]
    }
    observed[POD_REPORT] = {**observed[POD_REPORT], "status": failed}
    outcome = compose(request(SPEC, EU, status=dict(made.status), observed=observed))
    assert not [c for c in outcome.conditions if isinstance(c, Progress) and POD_REPORT in c.resources]
