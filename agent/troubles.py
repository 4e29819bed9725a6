"""What is wrong with a pod: from the pod's own status, the warnings of Events, and the log's line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from functions.api import PodTrouble, Trouble

from .logs import lacks_gpu_memory, without_secrets
from .scheduling import unscheduled
from .words import one_line

__all__ = ["Crash", "Object", "Warned", "crash_of", "ready", "time_of", "trouble_of", "warned"]

Object = Mapping[str, Any]
"""An object of Kubernetes, as its JSON says."""

_MOST = 900
"""Characters of a message, which the schema bounds at 1024 with what is added here."""
_IMAGE = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
}
"""Reasons of a waiting container: pkg/kubelet/images/types.go in kubernetes/kubernetes."""
_NOT_STARTED = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreStartHookError",
    "PostStartHookError",
}
_SIGNALS = {
    0: "it ended by itself with code 0",
    126: "its command cannot be executed",
    127: "its command does not exist in the image",
    134: "it aborted (SIGABRT)",
    137: "it was killed (SIGKILL)",
    139: "it crashed (SIGSEGV)",
    143: "it was told to stop (SIGTERM)",
}
_NOT_THERE = "Startup probe failed: HTTP probe failed with statuscode: 4"
"""Begins the warning of a startup probe that asks a server for what it does not have: pkg/probe/http/http.go.

Codes that begin with 5 are also those of a server that still loads, such as vLLM's dp_supervisor.py.
"""
_STOPPED_BY_KUBELET = (0, 137, 143)
"""Exit codes of a container that the kubelet stops: SIGTERM, heeded or not, and then SIGKILL."""


class Warned(NamedTuple):
    """A warning about an object: an Event of type Warning."""

    kind: str
    name: str
    reason: str
    message: str
    first: str
    """When it was given first, and last."""
    last: str


class Crash(NamedTuple):
    """The end of a container, which the container's log may explain."""

    pod: str
    container: str
    id: str
    """Tells one end from others, so that each log is read once."""
    previous: bool
    """Whether the log is that of the container before the present one."""
    at: str = ""
    """When the container ended; empty where the kubelet does not know."""


def warned(event: Object) -> Warned:
    """Return the warning that an Event gives."""
    about, series = event.get("involvedObject") or {}, event.get("series") or {}
    made = event["metadata"].get("creationTimestamp")
    first = event.get("firstTimestamp") or event.get("eventTime") or made
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or first
    return Warned(
        about.get("kind", ""),
        about.get("name", ""),
        event.get("reason", ""),
        (event.get("message") or "")[:_MOST],
        time_of(first),
        time_of(last),
    )


def time_of(text: str | None) -> str:
    """Return a time to the second, so that times of all kinds of objects can be compared as texts."""
    return f"{text[:19]}Z" if text else ""


def ready(pod: Object) -> bool:
    """Tell whether a pod is ready."""
    return bool(_condition(pod, "Ready").get("status") == "True")


def crash_of(pod: Object) -> Crash | None:
    """Return the end of a pod's container whose log should be read; None where none has crashed."""
    found = _crashed(pod)
    if found is None:
        return None
    status, end = found
    again = (status.get("state") or {}).get("terminated") is not end
    ends = f"{status.get('restartCount', 0)}/{end.get('containerID', '')}/{end.get('finishedAt', '')}"
    return Crash(pod["metadata"]["name"], status["name"], ends, again, time_of(end.get("finishedAt")))


def trouble_of(pod: Object, warnings: Sequence[Warned], line: str) -> PodTrouble | None:
    """Return what is wrong with a pod; None for one that is well, or on its way.

    Args:
        pod: the pod.
        warnings: those about the pod, and about its volumes.
        line: of the log of the container that `crash_of` names; empty where none was read.
    """
    phase = pod.get("status", {}).get("phase")
    if phase == "Succeeded":
        return None
    if phase == "Failed":
        found = _refused(pod) or _evicted(pod) or _crash(pod, warnings, line)
        return found or (None if pod["metadata"].get("deletionTimestamp") else _failed(pod))
    lost = _evicted(pod) or _node_lost(pod, warnings)
    if lost or pod["metadata"].get("deletionTimestamp") or ready(pod):
        return lost
    return (
        _not_scheduled(pod, warnings)
        or _waiting(pod)
        or _crash(pod, warnings, line)
        or _not_prepared(pod, warnings)
        or _unready(pod, warnings)
    )


def _evicted(pod: Object) -> PodTrouble | None:
    """Tell of a pod that was sent away: its DisruptionTarget condition, or the kubelet's own reason."""
    status, disrupted = pod.get("status", {}), _condition(pod, "DisruptionTarget")
    reason, message = disrupted.get("reason", ""), disrupted.get("message") or status.get("message", "")
    since = disrupted.get("lastTransitionTime") or _ended(pod)
    if disrupted.get("status") == "True":
        # https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
        gone = reason in ("DeletionByTaintManager", "DeletionByPodGC")
        return _trouble(pod, Trouble.NODE_LOST if gone else Trouble.EVICTED, message or reason, since)
    if status.get("reason") in ("Evicted", "Preempting", "Terminated", "NodeShutdown"):
        return _trouble(pod, Trouble.EVICTED, message or status["reason"], since)
    if status.get("reason") == "NodeLost":
        return _trouble(pod, Trouble.NODE_LOST, message or "the node does not answer", since)
    return None


def _node_lost(pod: Object, warnings: Sequence[Warned]) -> PodTrouble | None:
    """Tell of a pod whose node does not answer.

    Kubernetes then sets the pod's Ready condition to False and leaves the containers ready as they
    were (MarkPodsNotReady in pkg/controller/util/node); no pod of ours has a readiness gate.
    """
    condition, containers = _condition(pod, "Ready"), pod.get("status", {}).get("containerStatuses") or []
    if condition.get("status") == "True" or not containers or not all(c.get("ready") for c in containers):
        return None
    if _condition(pod, "ContainersReady").get("status") != "True":
        return None
    given = _last(warnings, "NodeNotReady")
    message = given.message if given else "the node does not answer"
    return _trouble(pod, Trouble.NODE_LOST, message, condition.get("lastTransitionTime"))


def _refused(pod: Object) -> PodTrouble | None:
    """Tell of a pod that the kubelet did not admit: it has no container."""
    status = pod.get("status", {})
    reason = status.get("reason", "")
    if status.get("containerStatuses") or not reason:
        return None
    kubelet = ("UnexpectedAdmissionError", "NodeAffinity", "NodeName", "NodePorts", "PodOSNotSupported")
    if reason in kubelet or reason.startswith(("OutOf", "Topology")):
        message = status.get("message") or reason
        return _trouble(pod, Trouble.NODE_REFUSED, f"{reason}: {message}", _ended(pod))
    return None


def _failed(pod: Object) -> PodTrouble:
    status = pod.get("status", {})
    message = status.get("message") or status.get("reason") or "the pod has failed"
    return _trouble(pod, Trouble.CRASH_LOOP, message, _ended(pod))


def _not_scheduled(pod: Object, warnings: Sequence[Warned]) -> PodTrouble | None:
    condition = _condition(pod, "PodScheduled")
    volume = _last(warnings, "ProvisioningFailed")
    if volume and not pod["spec"].get("nodeName"):
        # The scheduler has chosen a node, and says nothing of the pod until the volume is there.
        return _trouble(pod, Trouble.VOLUME_PENDING, volume.message, volume.first)
    if condition.get("status") != "False":
        return None
    trouble, words = unscheduled(condition.get("message") or condition.get("reason") or "")
    return _trouble(pod, trouble, words, condition.get("lastTransitionTime"))


def _waiting(pod: Object) -> PodTrouble | None:
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        since = _condition(pod, "PodScheduled").get("lastTransitionTime")
        if reason in _IMAGE:
            return _trouble(
                pod, Trouble.IMAGE_PULL, f"{status.get('image')}: {message or reason}", since, status["name"]
            )
        if reason in _NOT_STARTED:
            return _trouble(pod, Trouble.CONTAINER_NOT_STARTED, f"{reason}: {message}", since, status["name"])
    return None


def _crashed(pod: Object) -> tuple[Object, Object] | None:
    """Return the status of a container that ended when it should not have, and its last end."""
    if pod.get("status", {}).get("phase") == "Succeeded":
        return None
    for status in _statuses(pod):
        end = (status.get("state") or {}).get("terminated")
        init = status in (pod.get("status", {}).get("initContainerStatuses") or [])
        done = end is not None and end.get("exitCode") == 0
        if end and _stopped_with_its_pod(pod, end):
            # Says nothing of why the pod is deleted: a LeaderWorkerSet deletes pods after a crash.
            end, done = None, False
        # No container is restarted once its pod's deletion is asked for: an end before the last is its own.
        end = end or (status.get("lastState") or {}).get("terminated")
        if end and not status.get("ready") and not done and not (init and end.get("exitCode") == 0):
            return status, end
    return None


def _stopped_with_its_pod(pod: Object, end: Object) -> bool:
    """Tell whether a container ended because the pod's deletion was asked for."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp") or not end.get("finishedAt"):
        return False
    # The timestamp is when the grace period ends.
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    asked = datetime.fromisoformat(time_of(metadata["deletionTimestamp"])) - grace
    return datetime.fromisoformat(time_of(end["finishedAt"])) >= asked


def _crash(pod: Object, warnings: Sequence[Warned], line: str) -> PodTrouble | None:
    found = _crashed(pod)
    if found is None:
        return None
    status, end = found
    name, code = status["name"], end.get("exitCode", 0)
    since = _condition(pod, "Ready").get("lastTransitionTime") or end.get("finishedAt")
    if end.get("reason") == "OOMKilled":
        limit = _limit(pod, name)
        text = f"container {name} was killed at its memory limit{f' of {limit}' if limit else ''}"
        return _trouble(pod, Trouble.OUT_OF_MEMORY, text, since, name)
    probe = _probe_that_stopped(end, warnings)
    if probe is not None:
        return _trouble(pod, Trouble.PROBE_FAILING, probe.message, since, name)
    why = line or _last_line(end.get("message")) or _SIGNALS.get(code) or end.get("reason") or ""
    trouble = Trouble.OUT_OF_GPU_MEMORY if lacks_gpu_memory(why) else Trouble.CRASH_LOOP
    times = status.get("restartCount", 0)
    again = f", restarted {times} {'time' if times == 1 else 'times'}" if times else ""
    return _trouble(pod, trouble, f"container {name} ended with exit code {code}{again}: {why}", since, name)


def _probe_that_stopped(end: Object, warnings: Sequence[Warned]) -> Warned | None:
    """Return the warning of a probe after which the kubelet stopped a container."""
    if end.get("exitCode") not in _STOPPED_BY_KUBELET:
        return None
    began = time_of(end.get("startedAt"))
    ended = time_of(end.get("finishedAt"))
    given = _last(warnings, "Unhealthy", "Liveness probe", "Startup probe")
    # A probe of the container that runs now says nothing of the one before.
    return given if given and began <= given.last <= max(ended, began) else None


def _not_prepared(pod: Object, warnings: Sequence[Warned]) -> PodTrouble | None:
    """Tell of a pod on a node whose volumes, network or runtime are not there."""
    if any((s.get("state") or {}).get("running") for s in _statuses(pod)) or not pod["spec"].get("nodeName"):
        return None
    scheduled = _condition(pod, "PodScheduled").get("lastTransitionTime")
    volume = _last(warnings, "FailedMount") or _last(warnings, "FailedAttachVolume")
    if volume:
        return _trouble(pod, Trouble.VOLUME_NOT_MOUNTED, volume.message, scheduled)
    sandbox = _last(warnings, "FailedCreatePodSandBox")
    return _trouble(pod, Trouble.CONTAINER_NOT_STARTED, sandbox.message, scheduled) if sandbox else None


def _unready(pod: Object, warnings: Sequence[Warned]) -> PodTrouble | None:
    """Tell of a running container that does not answer any more, or that probes ask wrongly.

    One that loads is well. One that has no such path will not have it later, and a startup probe goes on
    asking for half an hour and longer.
    """
    condition = _condition(pod, "Ready")
    since = time_of(condition.get("lastTransitionTime"))
    for status in pod.get("status", {}).get("containerStatuses") or []:
        running = (status.get("state") or {}).get("running")
        if not running or status.get("ready"):
            continue
        began = time_of(running.get("startedAt"))
        probes = ("Readiness probe", "Liveness probe") if status.get("started") else (_NOT_THERE,)
        probe = _last(warnings, "Unhealthy", *probes)
        if probe and probe.last >= began:
            return _trouble(pod, Trouble.PROBE_FAILING, probe.message, since, status["name"])
        if status.get("started") and since > began:
            text = f"container {status['name']} runs, was ready and is not any more"
            return _trouble(pod, Trouble.PROBE_FAILING, text, since, status["name"])
    return None


def _trouble(
    pod: Object, reason: Trouble, message: str, since: str | None, container: str | None = None
) -> PodTrouble:
    metadata = pod["metadata"]
    return PodTrouble(
        reason=reason,
        message=one_line(without_secrets(message), _MOST),
        pod=metadata["name"],
        node=pod["spec"].get("nodeName") or None,
        container=container,
        since=time_of(since or metadata.get("creationTimestamp")),
    )


def _condition(pod: Object, type_: str) -> Object:
    conditions: Sequence[Object] = pod.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == type_), {})


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _ended(pod: Object) -> str | None:
    ends = [((s.get("state") or {}).get("terminated") or {}).get("finishedAt") for s in _statuses(pod)]
    known = sorted(end for end in ends if end)
    return known[-1] if known else _condition(pod, "Ready").get("lastTransitionTime")


def _limit(pod: Object, container: str) -> str:
    found: Object = next((c for c in pod["spec"].get("containers", []) if c["name"] == container), {})
    return str(found.get("resources", {}).get("limits", {}).get("memory", ""))


def _last_line(message: str | None) -> str:
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _last(warnings: Sequence[Warned], reason: str, *beginnings: str) -> Warned | None:
    """Return the newest warning of a reason, where any are given of one that begins so."""
    found: list[Warned] = [
        w for w in warnings if w.reason == reason and (not beginnings or w.message.startswith(beginnings))
    ]
    return max(found, key=lambda w: w.last, default=None)
