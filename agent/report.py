"""What is reported of a Model's pods: a pure function of the pods, the warnings and the logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from functions.api import AtGateway, Ending, PodReport, PodsOf, PodTrouble, Trouble, contract

from .logs import without_secrets
from .troubles import Crash, Object, Warned, crash_of, ready, time_of, trouble_of

__all__ = ["crashes", "report", "serves"]

_MOST_NODES = 16
_REPLACED_SECONDS = 600
"""A pod that has ended explains one that was made up to so long after: a Job waits six minutes at most."""
_MAKERS = {"Job": contract.DOWNLOAD, "ReplicaSet": contract.SERVING, "StatefulSet": contract.SERVING}
"""What creates pods, and of which component."""
_TEMPLATES = (
    "pod-template-hash",
    "leaderworkerset.sigs.k8s.io/template-revision-hash",
    "batch.kubernetes.io/job-name",
)
"""Labels that tell by which template a pod was made: of a Deployment, a LeaderWorkerSet and a Job."""
_FORBIDDEN = re.compile(r'^Error creating: pods "[^"]*" is forbidden: ')
"""Begins a refusal; the pod's name is another each time."""
_ORDER = list(Trouble)


def crashes(pods: Sequence[Object]) -> list[Crash]:
    """Return the ends of containers whose logs `report` wants to know a line of."""
    return [crash for pod in pods if (crash := crash_of(pod)) is not None]


def serves(pods: Iterable[Object]) -> bool:
    """Tell whether a pod of a Model is ready to serve."""
    return any(
        pod["metadata"].get("labels", {}).get(contract.COMPONENT) == contract.SERVING and ready(pod)
        for pod in pods
    )


def report(
    pods: Sequence[Object],
    warnings: Sequence[Warned],
    lines: Mapping[Crash, str],
    gateway: AtGateway | None = None,
) -> PodReport:
    """Return the report of a Model.

    Args:
        pods: all of the Model's namespace, in any order.
        warnings: all that Events of the namespace give, in any order.
        lines: the line that explains each crash, where a log could be read.
        gateway: what came of a request through the gateway; None: nothing is known. It says nothing new of a
            Model of which no pod is ready.
    """
    return PodReport(
        serving=_component(contract.SERVING, pods, warnings, lines),
        download=_component(contract.DOWNLOAD, pods, warnings, lines),
        ending=_ending(pods),
        gateway=gateway if serves(pods) else None,
    )


def _component(
    name: str, pods: Sequence[Object], warnings: Sequence[Warned], lines: Mapping[Crash, str]
) -> PodsOf | None:
    own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(contract.COMPONENT) == name]
    live = [pod for pod in own if pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")]
    refused = _refused(name, own, warnings)
    if not own and refused is None:
        return None
    nodes = sorted({node for pod in live if (node := pod["spec"].get("nodeName"))})
    return PodsOf(
        total=len(live),
        ready=sum(map(ready, live)),
        restarts=sum(map(_restarts, live)),
        nodes=nodes[:_MOST_NODES] or None,
        trouble=_worst(own, live, refused, warnings, lines),
    )


def _worst(
    own: Sequence[Object],
    live: Sequence[Object],
    refused: PodTrouble | None,
    warnings: Sequence[Warned],
    lines: Mapping[Crash, str],
) -> PodTrouble | None:
    """Return what is worst of the pods that live, or why a pod ended before one that is on its way."""

    def all_of(pods: Sequence[Object]) -> list[PodTrouble]:
        return [t for pod in pods if (t := trouble_of(pod, _about(pod, warnings), _line(pod, lines)))]

    found = [*all_of(live), *([refused] if refused else [])]
    if not found:
        found = all_of(_replaced(own, live))
        return max(found, key=lambda t: (t.since, t.pod), default=None)
    return min(found, key=lambda t: (_ORDER.index(t.reason), t.since, t.pod))


def _replaced(own: Sequence[Object], live: Sequence[Object]) -> list[Object]:
    """Return the failed pods that a pod which is on its way has taken the place of.

    A pod of another template takes nobody's place: what was wrong may be mended with it.
    """
    failed = [pod for pod in own if pod.get("status", {}).get("phase") == "Failed"]
    if any(pod.get("status", {}).get("phase") == "Succeeded" for pod in own):
        return []
    waiting = [pod for pod in live if not ready(pod)]
    if not waiting:
        return [] if live else failed
    oldest = min(_seconds(pod["metadata"].get("creationTimestamp")) for pod in waiting)
    made_by = {_template(pod) for pod in waiting}
    return [p for p in failed if _template(p) in made_by and oldest - _seconds(_end(p)) <= _REPLACED_SECONDS]


def _template(pod: Object) -> str:
    labels = pod["metadata"].get("labels", {})
    return next((str(labels[key]) for key in _TEMPLATES if key in labels), "")


def _end(pod: Object) -> str:
    """Return when a container of a pod crashed, or ended: one that runs again may have run long before."""
    crash = crash_of(pod)
    if crash and crash.at:
        return crash.at
    ends = [
        str(end["finishedAt"])
        for status in pod.get("status", {}).get("containerStatuses") or []
        for state in ("state", "lastState")
        if (end := (status.get(state) or {}).get("terminated")) and end.get("finishedAt")
    ]
    return max(ends, default=str(pod["metadata"].get("creationTimestamp") or ""))


def _refused(name: str, own: Sequence[Object], warnings: Sequence[Warned]) -> PodTrouble | None:
    """Tell of a pod that could not be created; a pod that came after the warning takes it back."""
    newest = max((time_of(pod["metadata"].get("creationTimestamp")) for pod in own), default="")
    found = [w for w in warnings if w.reason == "FailedCreate" and _MAKERS.get(w.kind) == name]
    found = [w for w in found if w.last > newest]
    if not found:
        return None
    message = _FORBIDDEN.sub("", max(found, key=lambda w: w.last).message)
    since = min(warning.first for warning in found)
    return PodTrouble(reason=Trouble.PODS_REFUSED, message=without_secrets(message), since=since)


def _ending(pods: Sequence[Object]) -> Ending | None:
    """Return how the newest ended download ended."""
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        job = labels.get("batch.kubernetes.io/job-name")
        if labels.get(contract.COMPONENT) != contract.DOWNLOAD or not job:
            continue
        for status in pod.get("status", {}).get("containerStatuses") or []:
            ends = [(status.get(state) or {}).get("terminated") for state in ("state", "lastState")]
            found += [(str(end.get("finishedAt") or ""), job, end) for end in ends if end]
    if not found:
        return None
    at, job, end = max(found, key=lambda each: each[:2])
    message = without_secrets(str(end.get("message") or ""))[:2000]
    return Ending(job=job, exit_code=end.get("exitCode", 0), message=message, at=time_of(at))


def _about(pod: Object, warnings: Sequence[Warned]) -> list[Warned]:
    """Return the warnings about a pod and about its volumes."""
    claims = (volume.get("persistentVolumeClaim") or {} for volume in pod["spec"].get("volumes") or [])
    about = {("Pod", pod["metadata"]["name"])}
    about |= {("PersistentVolumeClaim", claim["claimName"]) for claim in claims if claim}
    return [w for w in warnings if (w.kind, w.name) in about]


def _line(pod: Object, lines: Mapping[Crash, str]) -> str:
    crash = crash_of(pod)
    return lines.get(crash, "") if crash else ""


def _restarts(pod: Object) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return sum(status.get("restartCount", 0) for status in statuses)


def _seconds(text: str | None) -> float:
    """Return a time of Kubernetes in seconds; 0 for none."""
    return datetime.fromisoformat(time_of(text)).timestamp() if text else 0.0
