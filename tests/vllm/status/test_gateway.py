"""What the agent is answered through the gateway reaches the claim, and nothing but the claim's words hangs on it."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import GatewayTrouble
from functions.base import Condition, Outcome, Progress, Whose
from functions.vllm.status.pods import POD_REPORT
from tests.vllm.serve.test_route import GATED, ROUTE, again, served, serving
from tests.vllm.world import EU, manifests

SINCE, SEEN = "2026-11-29T18:00:00Z", "2026-11-29T18:00:12Z"
REFUSED = {"answered": False, "reason": "KeyRefused", "message": "the gateway answers 401", "since": SINCE}


def told(
    gateway: Any, *clusters: dict[str, Any], pods_ready: bool = True, serves_since: str = "", **spec: Any
) -> Outcome:
    """Reconcile a live Model whose agent reports something of the gateway; None: nothing."""
    clusters = clusters or (GATED,)
    before, observed = served(*clusters, **spec)
    report = {
        "serving": {"total": 1, "ready": 1, "restarts": 0},
        "observedAt": SEEN,
        **({} if gateway is None else {"gateway": gateway}),
    }
    live = observed[POD_REPORT]
    observed[POD_REPORT] = {**live, "status": {"atProvider": {"manifest": {"report": report}}}}
    if not pods_ready:
        status = {"conditions": [{"type": "Ready", "status": "False"}]}
        observed["vllm/deployment"] = {**observed["vllm/deployment"], "status": status}
    if serves_since:
        manifest = {"status": {"conditions": [{"type": "Available", "lastTransitionTime": serves_since}]}}
        deployment = observed["vllm/deployment"]
        now = {**deployment["status"], "atProvider": {"manifest": manifest}}
        observed["vllm/deployment"] = {**deployment, "status": now}
    return again(before, observed, *clusters, **spec)


def test_what_was_answered_by_pods_from_before_those_that_serve_is_told_no_more() -> None:
    """As of an agent that is gone: its last word is not for ever."""
    later, sooner = (
        serving(told({"answered": True}, serves_since=since)) for since in ("2026-11-29T18:00:13Z", SINCE)
    )
    assert isinstance(later, Progress)
    assert isinstance(sooner, Progress)
    assert (later.reason, sooner.reason) == ("Available", "Answered")


def test_a_model_that_has_answered_through_the_gateway() -> None:
    made = told({"answered": True})
    condition = serving(made)
    assert isinstance(condition, Progress)
    assert condition.reason == "Answered"
    assert condition.ready == (
        "the Model answers at its endpoint: a request through the gateway with its key is answered"
    )
    assert made.status["pods"]["gateway"] == {"answered": True}


def test_a_name_that_leads_nowhere_here_is_said_and_no_more() -> None:
    condition = serving(told({"answered": True, "message": "h leads to no address in the GPU cluster"}))
    assert isinstance(condition, Progress)
    assert condition.ready.endswith("is answered. h leads to no address in the GPU cluster")


def test_nobody_has_asked() -> None:
    condition = serving(told(None))
    assert isinstance(condition, Progress)
    assert condition.reason == "Available"
    assert condition.ready == (
        "the Model answers at its endpoint by what its pods and the gateway say: nobody has asked it there yet"
    )


def test_a_model_that_does_not_answer_through_the_gateway() -> None:
    condition = serving(told(REFUSED))
    assert isinstance(condition, Condition)
    assert (condition.reason, condition.whose) == ("KeyRefused", Whose.PLATFORM)
    assert condition.message == (
        "pods of the Model are ready, and a request through the gateway with its key is not answered (since "
        f"{SINCE}, seen {SEEN}): the gateway answers 401. Ask the cluster's owner to look at the status of "
        "the route and its SecurityPolicy in the Model's namespace of the cluster"
    )


@pytest.mark.parametrize("reason", list(GatewayTrouble))
def test_every_trouble_says_whose_it_is_and_what_to_do(reason: GatewayTrouble) -> None:
    condition = serving(told({"answered": False, "reason": reason.value, "message": "w"}))
    assert isinstance(condition, Condition)
    assert condition.reason == reason.value
    whose = Whose.MODEL if reason == GatewayTrouble.NO_ANSWER else Whose.PLATFORM
    assert condition.whose == whose
    assert ": w. " in condition.message


def test_nothing_that_is_desired_hangs_on_it() -> None:
    well, ill, unasked = (manifests(told(each)) for each in ({"answered": True}, REFUSED, None))
    assert ROUTE in well
    assert well == ill == unasked


def test_pods_that_are_not_ready_are_what_is_told_of() -> None:
    condition = serving(told(REFUSED, pods_ready=False))
    assert isinstance(condition, Progress)
    assert condition.reason == "Available", "once they are ready"


def test_a_model_without_a_gateway_is_as_before() -> None:
    """A report of one that is gone may still be there."""
    for report in (None, REFUSED, {"answered": True}):
        condition = serving(told(report, EU))
        assert isinstance(condition, Progress)
        assert (condition.reason, condition.ready) == ("Available", "the Model answers at its endpoint")


def test_a_model_scaled_to_zero_is_not_said_to_fail() -> None:
    condition = serving(told(REFUSED, replicas={"min": 0}))
    assert isinstance(condition, Condition)
    assert condition.reason == "ScaledToZero"
