"""What a Deployment says itself reaches the claim."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Condition, Progress, Status, Whose
from functions.vllm.compose import compose
from functions.vllm.serve.leader_worker_set import LEADER_WORKER_SET
from tests.vllm.world import EU, SPEC, cluster, first, live, request

QUOTA = 'pods "vllm-7d-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'
REFUSED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "..."}
UNDER_WAY = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "..."}
NAMESPACE = "team-a-qwen-69e9ae072db0ed27"


def told(said: list[dict[str, Any]], ready: str = "False", workload: str = "vllm/deployment") -> Any:
    """Return the condition Serving of a Model whose workload says something."""
    made = first()
    observed = live(made)
    status = {
        "conditions": [{"type": "Ready", "status": ready}],
        "atProvider": {"manifest": {"status": {"conditions": said}}},
    }
    observed[workload] = {**observed.pop("vllm/deployment"), "status": status}
    outcome = compose(request(SPEC, EU, status=dict(made.status), observed=observed))
    return next(c for c in outcome.conditions if c.type == "Serving")


def test_refused_pods() -> None:
    condition = told([UNDER_WAY, REFUSED])
    assert condition == Condition(
        "Serving",
        Status.FALSE,
        "PodsRefused",
        f"the cluster refuses the Model's pods: {QUOTA}. Ask the cluster's owner to admit them; Kubernetes "
        "keeps trying",
        Whose.PLATFORM,
    )


def test_late_pods() -> None:
    condition = told([LATE])
    assert (condition.reason, condition.whose) == ("PodsNotReady", Whose.MODEL)
    assert condition.message == (
        "the Model's pods did not become ready in the time allowed for loading. Ask the cluster's owner "
        f"what `kubectl describe pods --namespace {NAMESPACE}` says there, and the pods' logs"
    )


def test_what_is_refused_goes_before_what_is_late() -> None:
    assert told([LATE, REFUSED]).reason == "PodsRefused"


@pytest.mark.parametrize(
    ("said", "ready"),
    [
        ([], "False"),
        ([UNDER_WAY], "False"),
        ([{**REFUSED, "status": "False"}], "False"),
        # It says so until the next rollout.
        ([LATE], "True"),
    ],
)
def test_nothing_to_say(said: list[dict[str, Any]], ready: str) -> None:
    assert isinstance(told(said, ready), Progress)


def test_a_group_says_nothing_of_that_kind() -> None:
    assert isinstance(told([UNDER_WAY], workload=LEADER_WORKER_SET.resource), Progress)


def test_what_to_check_while_pods_load() -> None:
    assert told([UNDER_WAY]).hint == (
        "Loading takes up to 30 minutes. If this lasts longer, check that node pool l4 has room for each replica "
        "(1 L4), and that its nodes can pull the engine's image"
    )


def test_pods_come_after_the_download() -> None:
    serving = next(c for c in first().conditions if c.type == "Serving")
    assert isinstance(serving, Progress)
    assert serving.hint == "It is created after the download: see the condition WeightsReady"


def test_how_many_replicas_are_ready() -> None:
    """Of a Deployment and of a LeaderWorkerSet, which both count them."""
    shared = cluster("eu", allowed=["*"], sharedStorage=True)
    spec = {**SPEC, "replicas": {"min": 3}}
    made = compose(request(spec, shared))
    observed = live(made)
    observed["vllm/deployment"]["status"] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "atProvider": {"manifest": {"status": {"readyReplicas": 1}}},
    }
    outcome = compose(request(spec, shared, status=dict(made.status), observed=observed))
    serving = next(c for c in outcome.conditions if c.type == "Serving")
    assert isinstance(serving, Progress)
    assert serving.hint.startswith("1 of 3 replicas are ready. Loading takes up to 30 minutes.")
