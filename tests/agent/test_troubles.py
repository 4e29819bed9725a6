"""What is wrong with a pod, by its status and the warnings about it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.report import crashes, report
from agent.troubles import time_of, warned
from functions.api import PodTrouble, Trouble
from tests.agent.pods import (
    CREATED,
    READY,
    SCHEDULED,
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

BACK_OFF = waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container=vllm pod=vllm-7d9c-x2x")
LOST = {"Ready": {"status": "False", "lastTransitionTime": "2026-11-28T19:00:00Z"}, "ContainersReady": "True"}


def trouble(found: dict[str, Any], *events: dict[str, Any], line: str = "") -> PodTrouble | None:
    lines = {crash: line for crash in crashes([found]) if line}
    of = report([found], [warned(e) for e in events], lines)
    component = of.serving or of.download
    assert component is not None
    return component.trouble


@pytest.mark.parametrize(
    "well",
    [
        serves(),
        loads(),
        # Probed while it loads: a startup probe fails until the engine listens.
        pod(conditions=UNREADY, containers=[container(waiting("ContainerCreating"))]),
        pod(
            "download-1",
            "download",
            phase="Succeeded",
            containers=[container({"terminated": ended(0, "Completed")})],
        ),
        # Restarted once, and serves.
        pod(
            conditions=READY,
            containers=[container(running(), ready=True, started=True, restarts=1, last=ended(1))],
        ),
        # A rollout stops it.
        pod(
            conditions=UNREADY,
            containers=[container({"terminated": ended(143, finished="2026-11-28T18:03:00Z")})],
            deletionTimestamp="2026-11-28T18:04:15Z",
            deletionGracePeriodSeconds=75,
        ),
        # Deleted by hand, in the moment before the API server forgets it.
        pod(
            phase="Failed",
            conditions=UNREADY,
            containers=[container({"terminated": ended(143, finished="2026-11-28T18:03:00Z")})],
            deletionTimestamp="2026-11-28T18:04:15Z",
            deletionGracePeriodSeconds=75,
        ),
    ],
)
def test_well(well: dict[str, Any]) -> None:
    startup = event("Unhealthy", "Startup probe failed: dial tcp 10.0.0.7:8000: connect: connection refused")
    assert trouble(well, startup) is None


def test_unschedulable() -> None:
    words = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    no = {
        "status": "False",
        "reason": "Unschedulable",
        "message": f"{words} preemption: 0/2 nodes are available",
    }
    found = trouble(pod(phase="Pending", node=None, conditions={"PodScheduled": no}))
    assert found == PodTrouble(
        reason=Trouble.NO_FREE_GPUS, message=words, pod="vllm-7d9c-x2x", since=SCHEDULED
    )


def test_a_volume_that_cannot_be_made() -> None:
    waits = pod(phase="Pending", node=None, conditions={"PodScheduled": {"status": "Unknown"}})
    why = 'failed to provision volume with StorageClass "gp3": UnauthorizedOperation'
    found = trouble(waits, event("ProvisioningFailed", why, "weights-1a2b3c", "PersistentVolumeClaim"))
    assert (found and (found.reason, found.message)) == (Trouble.VOLUME_PENDING, why)
    other = event("ProvisioningFailed", why, "another", "PersistentVolumeClaim")
    assert trouble(waits, other) is None


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_image_pull(reason: str) -> None:
    why = 'Back-off pulling image "x": ErrImagePull: 401 Unauthorized'
    found = trouble(pod(phase="Pending", conditions=UNREADY, containers=[container(waiting(reason, why))]))
    assert found == PodTrouble(
        reason=Trouble.IMAGE_PULL,
        message=f"docker.io/vllm/vllm-openai:v0.27.1: {why}",
        pod="vllm-7d9c-x2x",
        node="l4-1",
        container="vllm",
        since=SCHEDULED,
    )


def test_a_container_that_cannot_be_made() -> None:
    status = container(waiting("CreateContainerConfigError", 'secret "hub-token" not found'))
    found = trouble(pod(phase="Pending", conditions=UNREADY, containers=[status]))
    assert found is not None
    assert found.reason == Trouble.CONTAINER_NOT_STARTED
    assert found.message == 'CreateContainerConfigError: secret "hub-token" not found'


@pytest.mark.parametrize("state", [BACK_OFF, running("2026-11-28T18:03:20Z")], ids=["waits", "runs again"])
def test_crash_loop_with_the_line_that_explains(state: dict[str, Any]) -> None:
    """The same while the container runs again, so that a report does not change with each attempt."""
    crashing = pod(conditions=UNREADY, containers=[container(state, restarts=4, last=ended(1))])
    found = trouble(crashing, line="ValueError: unknown quantization method x")
    assert found is not None
    assert found.reason == Trouble.CRASH_LOOP
    assert found.message == (
        "container vllm ended with exit code 1, restarted 4 times: ValueError: unknown quantization method x"
    )
    assert found.since == SCHEDULED


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ended(1, message="Traceback ...\nKeyError: 'model_type'\n"), "KeyError: 'model_type'"),
        (ended(127), "its command does not exist in the image"),
        (ended(137), "it was killed (SIGKILL)"),
        (ended(0, "Completed"), "it ended by itself with code 0"),
        (ended(3, "Error"), "Error"),
    ],
)
def test_a_crash_whose_log_cannot_be_read(end: dict[str, Any], words: str) -> None:
    found = trouble(pod(conditions=UNREADY, containers=[container(BACK_OFF, restarts=1, last=end)]))
    assert found is not None
    assert (
        found.message == f"container vllm ended with exit code {end['exitCode']}, restarted 1 time: {words}"
    )


def test_out_of_memory() -> None:
    status = container(BACK_OFF, restarts=2, last=ended(137, "OOMKilled"))
    found = trouble(pod(conditions=UNREADY, containers=[status]), line="Killed")
    assert found is not None
    assert (found.reason, found.message) == (
        Trouble.OUT_OF_MEMORY,
        "container vllm was killed at its memory limit of 18Gi",
    )


def test_out_of_gpu_memory() -> None:
    status = container(BACK_OFF, restarts=2, last=ended(1))
    line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    found = trouble(pod(conditions=UNREADY, containers=[status]), line=line)
    assert found is not None
    assert found.reason == Trouble.OUT_OF_GPU_MEMORY
    assert line in found.message


@pytest.mark.parametrize("probe", ["Liveness", "Startup"])
def test_a_probe_that_stopped_the_container(probe: str) -> None:
    status = container(running("2026-11-28T18:04:00Z"), restarts=1, last=ended(137))
    words = f"{probe} probe failed: HTTP probe failed with statuscode: 503"
    failing = pod(conditions=UNREADY, containers=[status])
    found = trouble(failing, event("Unhealthy", words), line="INFO: Shutting down")
    assert (found and (found.reason, found.message)) == (Trouble.PROBE_FAILING, words)
    # A warning of the container that runs now explains nothing of the one before.
    later = event("Unhealthy", words, last="2026-11-28T18:04:30Z")
    assert (found := trouble(failing, later)) is not None
    assert found.reason == Trouble.CRASH_LOOP


def test_a_container_that_was_ready_and_is_no_more() -> None:
    unready = {
        "Ready": {"status": "False", "lastTransitionTime": "2026-11-28T19:00:00Z"},
        "ContainersReady": "False",
    }
    status = container(running(), started=True)
    found = trouble(pod(conditions=unready, containers=[status]))
    assert (found and found.reason) == Trouble.PROBE_FAILING
    words = "Readiness probe failed: Get http://10.0.0.7:8000/health: context deadline exceeded"
    found = trouble(pod(conditions=unready, containers=[status]), event("Unhealthy", words))
    assert (found and found.message) == words


def test_a_container_that_is_probed_where_it_has_nothing() -> None:
    """No answer while it loads is no fault, nor is a promise."""
    promised = "Startup probe failed: HTTP probe failed with statuscode: 503"
    assert trouble(loads(), event("Unhealthy", promised, loads()["metadata"]["name"])) is None
    words = "Startup probe failed: HTTP probe failed with statuscode: 404"
    name = loads()["metadata"]["name"]
    found = trouble(loads(), event("Unhealthy", words, name))
    assert (found and (found.reason, found.message)) == (Trouble.PROBE_FAILING, words)
    earlier = event("Unhealthy", words, name, last="2026-11-28T18:00:10Z")
    assert trouble(loads(), earlier) is None, "said of the container before this one"
    assert trouble(serves(name), event("Unhealthy", words, name)) is None, "it is well by now"


def test_a_container_that_has_just_started() -> None:
    assert trouble(pod(conditions=UNREADY, containers=[container(running(), started=True)])) is None


def test_a_node_that_does_not_answer() -> None:
    """Kubernetes sets Ready to False and leaves the containers as they were."""
    status = container(running(), ready=True, started=True)
    found = trouble(pod(conditions=LOST, containers=[status]), event("NodeNotReady", "Node is not ready"))
    assert found is not None
    assert (found.reason, found.message, found.node) == (Trouble.NODE_LOST, "Node is not ready", "l4-1")
    assert found.since == "2026-11-28T19:00:00Z"


@pytest.mark.parametrize(
    ("reason", "of"),
    [
        ("DeletionByTaintManager", Trouble.NODE_LOST),
        ("DeletionByPodGC", Trouble.NODE_LOST),
        ("EvictionByEvictionAPI", Trouble.EVICTED),
        ("PreemptionByScheduler", Trouble.EVICTED),
        ("TerminationByKubelet", Trouble.EVICTED),
    ],
)
def test_pods_that_are_sent_away(reason: str, of: Trouble) -> None:
    why = {"status": "True", "reason": reason, "message": f"{reason}: in words"}
    status = container(running(), ready=True, started=True)
    going = pod(
        conditions={**LOST, "DisruptionTarget": why},
        containers=[status],
        deletionTimestamp="2026-11-28T19:01:00Z",
    )
    found = trouble(going)
    assert (found and (found.reason, found.message)) == (of, f"{reason}: in words")


def test_evicted_by_the_kubelet() -> None:
    gone = pod(phase="Failed")
    gone["status"] |= {"reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    found = trouble(gone)
    assert (found and found.reason) == Trouble.EVICTED


def test_refused_by_the_kubelet() -> None:
    gone = pod(phase="Failed")
    why = (
        "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu"
    )
    gone["status"] |= {"reason": "UnexpectedAdmissionError", "message": why}
    found = trouble(gone)
    assert (found and (found.reason, found.message)) == (
        Trouble.NODE_REFUSED,
        f"UnexpectedAdmissionError: {why}",
    )


@pytest.mark.parametrize(
    ("reason", "of"),
    [
        ("FailedMount", Trouble.VOLUME_NOT_MOUNTED),
        ("FailedAttachVolume", Trouble.VOLUME_NOT_MOUNTED),
        ("FailedCreatePodSandBox", Trouble.CONTAINER_NOT_STARTED),
    ],
)
def test_a_node_that_cannot_prepare_the_pod(reason: str, of: Trouble) -> None:
    creating = pod(phase="Pending", conditions=UNREADY, containers=[container(waiting("ContainerCreating"))])
    found = trouble(creating, event(reason, "Multi-Attach error for volume"))
    assert (found and (found.reason, found.message)) == (of, "Multi-Attach error for volume")
    assert trouble(loads("vllm-7d9c-x2x"), event(reason, "Multi-Attach error for volume")) is None


def test_events_of_both_ages() -> None:
    """Schedulers and kubelets write the new kind, which has a time of its own and a series."""
    old = warned(event("FailedMount", "x"))
    assert (old.first, old.last) == ("2026-11-28T18:01:00Z", "2026-11-28T18:02:00Z")
    new = event("FailedScheduling", "x")
    new |= {
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": "2026-11-28T18:01:00.123456Z",
        "series": {"count": 2, "lastObservedTime": "2026-11-28T18:02:00.999999Z"},
    }
    assert warned(new) == old._replace(reason="FailedScheduling")
    assert time_of(None) == ""
    assert time_of(CREATED) == CREATED


def test_secrets_of_a_message_are_left_out() -> None:
    status = container(BACK_OFF, restarts=1, last=ended(1))
    found = trouble(
        pod(conditions=UNREADY, containers=[status]), line="HTTPError: token hf_AbCdEfGhIjKl is bad"
    )
    assert found is not None
    assert "hf_AbC" not in found.message
