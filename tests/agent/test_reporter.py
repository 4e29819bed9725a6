"""The agent writes a report when it has changed, and only then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.cluster import Cluster, Refused
from agent.reporter import Reporter
from functions.api import AtGateway
from tests.agent.api_server import Answer, Asked, served
from tests.agent.pods import (
    CREATED,
    NAMESPACE,
    UNREADY,
    container,
    ended,
    event,
    loads,
    pod,
    running,
    serves,
    waiting,
)

EMPTY = {"metadata": {"name": "pods", "namespace": NAMESPACE}}
LOG = "(APIServer pid=1) ValueError: no such model\n"


class World:
    """A cluster of one Model, whose report the agent writes."""

    def __init__(self) -> None:
        self.report: dict[str, Any] = {}
        self.logs: list[str] = []
        self.log = Answer(200, LOG)
        self.write = 200

    def answer(self, request: Asked) -> Answer:
        if request.path.endswith("/log"):
            self.logs.append(f"{request.path.split('/')[-2]} {request.query['previous']}")
            return self.log
        if self.write != 200:
            return Answer(self.write, {"message": "no"})
        assert request.path == f"/apis/agent.freehold.dev/v1alpha1/namespaces/{NAMESPACE}/modelreports/pods"
        [change] = request.body
        assert (change["op"], change["path"]) == ("add", "/report")
        self.report = change["value"]
        return Answer(200, {})


def reporter(cluster: Cluster, *pods: dict[str, Any], report: dict[str, Any] | None = EMPTY) -> Reporter:
    made = Reporter(cluster)
    made.reports.replace([report] if report else [])
    made.pods.replace(list(pods))
    made.events.replace([])
    made.update(NAMESPACE)
    return made


def crashing(restarts: int = 1, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    end = ended(1, finished=f"2026-11-28T18:0{restarts}:00Z")
    state = waiting("CrashLoopBackOff")
    containers = [container(state, restarts=restarts, last=end)]
    return pod(conditions=UNREADY, containers=containers, labels=labels, **more)


def test_it_writes_what_has_changed_and_nothing_else() -> None:
    world = World()
    with served(world.answer) as (cluster, asked):
        made = reporter(cluster, serves())
        seen = datetime.fromisoformat(world.report.pop("observedAt"))
        assert timedelta() <= datetime.now(UTC) - seen < timedelta(minutes=5)
        assert world.report == {"serving": {"total": 1, "ready": 1, "restarts": 0, "nodes": ["l4-2"]}}
        # Something of the pod that the report does not tell, before the watch brings what was written.
        made.pods.change(serves(labels={"any": "thing"}), gone=False)
        made.update(NAMESPACE)
        assert len(asked) == 1
        made.pods.change(loads(), gone=False)
        made.update(NAMESPACE)
        assert world.report["serving"]["total"] == 2


@pytest.mark.parametrize(
    "seen", [{"observedAt": "2026-11-28T18:00:00Z"}, {}], ids=["seen-long-ago", "older-agent"]
)
def test_a_report_is_not_written_for_its_time_alone(seen: dict[str, str]) -> None:
    """Each write wakes the Model."""
    before = {"serving": {"total": 1, "ready": 1, "restarts": 0, "nodes": ["l4-2"]}, **seen}
    with served(World().answer) as (cluster, asked):
        reporter(cluster, serves(), report={**EMPTY, "report": before})
        assert asked == []


def test_a_namespace_without_a_report_is_none_of_its_business() -> None:
    with served(World().answer) as (cluster, asked):
        reporter(cluster, crashing(), report=None)
        assert asked == []


def test_a_log_is_read_once_for_each_crash() -> None:
    world = World()
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, crashing())
        assert world.report["serving"]["trouble"]["message"].endswith(
            "restarted 1 time: ValueError: no such model"
        )
        made.update(NAMESPACE)
        assert world.logs == ["vllm-7d9c-x2x true"]
        made.pods.change(crashing(2), gone=False)
        made.update(NAMESPACE)
        assert world.logs == ["vllm-7d9c-x2x true"] * 2


@pytest.mark.parametrize(
    "log", [Answer(403, {"message": "forbidden"}), Answer(404, {"message": "not found"})]
)
def test_a_log_that_cannot_be_read_leaves_the_rest(log: Answer) -> None:
    world = World()
    world.log = log
    with served(world.answer) as (cluster, _):
        reporter(cluster, crashing())
    assert world.report["serving"]["trouble"]["reason"] == "CrashLoop"


ASKED: dict[str, Any] = {"deletionTimestamp": "2026-11-28T18:04:15Z", "deletionGracePeriodSeconds": 75}
"""Of a pod whose deletion was asked for at 18:03:00, the second in which `ended` says that a container ended."""
STOPPED = {"terminated": ended(143, finished="2026-11-28T18:03:02Z")}
GROUP = {
    "leaderworkerset.sigs.k8s.io/name": "group",
    "leaderworkerset.sigs.k8s.io/template-revision-hash": "7d9c",
}


@pytest.mark.parametrize("created", [CREATED, "2026-11-27T18:00:00Z"], ids=["", "served-for-a-day"])
@pytest.mark.parametrize("state", [running("2026-11-28T18:03:00Z"), STOPPED], ids=["at-once", "stopped"])
def test_a_group_that_is_deleted_with_the_pod_that_crashed(created: str, state: dict[str, Any]) -> None:
    """LeaderWorkerSet deletes all pods of a group when a container of one ends.

    The kubelet has restarted the container by then, and stops that one with its pod.
    """
    world = World()
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, crashing(labels=GROUP, created=created))
        gone = pod(
            conditions=UNREADY,
            containers=[container(state, restarts=1, last=ended(1))],
            labels=GROUP,
            created=created,
            **ASKED,
        )
        made.pods.change(gone, gone=True)
        made.pods.change(loads("group-0", labels=GROUP, created="2026-11-28T18:03:03Z"), gone=False)
        made.update(NAMESPACE)
        serving = world.report["serving"]
        assert (serving["total"], serving["ready"]) == (1, 0)
        assert serving["trouble"]["message"].endswith("ValueError: no such model")
        made.pods.change(serves("group-0", labels=GROUP), gone=False)
        made.update(NAMESPACE)
        assert "trouble" not in world.report["serving"]


def test_a_group_that_is_deleted_by_hand() -> None:
    """No crash is told of pods that were stopped with their group."""
    world = World()
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, serves("group-0", labels=GROUP))
        stopped = pod("group-0", conditions=UNREADY, containers=[container(STOPPED)], labels=GROUP, **ASKED)
        made.pods.change(stopped, gone=True)
        made.pods.change(loads("group-0", labels=GROUP, created="2026-11-28T18:03:03Z"), gone=False)
        made.update(NAMESPACE)
    assert "trouble" not in world.report["serving"]


def test_a_deleted_pod_of_a_deployment_is_forgotten() -> None:
    world = World()
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, crashing())
        made.pods.change(crashing(), gone=True)
        made.pods.change(loads(created="2026-11-28T18:02:00Z"), gone=False)
        made.update(NAMESPACE)
    assert "trouble" not in world.report["serving"]


def test_events_count() -> None:
    world = World()
    creating = pod(phase="Pending", conditions=UNREADY, containers=[container(waiting("ContainerCreating"))])
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, creating)
        assert "trouble" not in world.report["serving"]
        made.events.change(event("FailedMount", "Multi-Attach error"), gone=False)
        made.update(NAMESPACE)
        assert world.report["serving"]["trouble"]["reason"] == "VolumeNotMounted"


@pytest.mark.parametrize(("status", "again"), [(404, False), (403, True), (500, True)])
def test_a_refused_write_is_tried_again_unless_the_model_is_gone(
    status: int, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.write = status
    with served(world.answer) as (cluster, _):
        reporter(cluster, pod(conditions=UNREADY, containers=[container(running())]))
    assert any("cannot write a report" in r.getMessage() for r in caplog.records) == again


def test_a_refusal_keeps_its_words() -> None:
    with (
        served(lambda _: Answer(422, {"message": "unknown field"})) as (cluster, _),
        pytest.raises(Refused, match="422: unknown field"),
    ):
        cluster.write(NAMESPACE, json.loads("{}"))


def test_what_the_gateway_answers_is_reported_of_ready_pods() -> None:
    world = World()
    with served(world.answer) as (cluster, _):
        made = reporter(cluster, serves())
        assert made.serves(NAMESPACE)
        assert not made.serves("elsewhere")
        made.asked(NAMESPACE, AtGateway(answered=True))
        made.update(NAMESPACE)
        assert world.report["gateway"] == {"answered": True}
        made.asked(NAMESPACE, None)
        made.update(NAMESPACE)
        assert "gateway" not in world.report
        made.asked(NAMESPACE, AtGateway(answered=True))
        made.pods.replace([loads()])
        made.update(NAMESPACE)
        assert not made.serves(NAMESPACE)
        assert "gateway" not in world.report


@pytest.mark.parametrize("asks", [True, False])
def test_an_agent_that_starts_leaves_what_was_answered_until_it_has_asked(asks: bool) -> None:
    """Else each start would wake every Model twice. Where there is no gateway any more, it goes."""
    before = {"serving": {"total": 1, "ready": 1, "restarts": 0, "nodes": ["l4-2"]}}
    world = World()
    with served(world.answer) as (cluster, asked):
        made = Reporter(cluster, asks=asks)
        known = {**before, "gateway": {"answered": True}, "observedAt": "2026-11-28T18:00:00Z"}
        made.reports.replace([{**EMPTY, "report": known}])
        made.pods.replace([serves()])
        made.update(NAMESPACE)
        assert bool(asked) == (not asks)
        assert "gateway" not in world.report
