"""Pods as a kubelet and the controllers leave them, for the tests of the agent."""

from __future__ import annotations

from typing import Any

CREATED, SCHEDULED, STARTED = "2026-11-28T18:00:00Z", "2026-11-28T18:00:01Z", "2026-11-28T18:00:20Z"
NAMESPACE = "team-a-chat-0123456789abcdef"


def pod(
    name: str = "vllm-7d9c-x2x",
    component: str = "serving",
    phase: str = "Running",
    node: str | None = "l4-1",
    conditions: dict[str, Any] | None = None,
    containers: list[dict[str, Any]] | None = None,
    labels: dict[str, str] | None = None,
    created: str = CREATED,
    **metadata: Any,
) -> dict[str, Any]:
    """A Model's pod; `conditions` by type, each a status or more of the condition."""
    all_conditions = {"PodScheduled": "True" if node else "False", **(conditions or {})}
    container = "download" if component == "download" else "vllm"
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": created,
            "labels": {
                "freehold.dev/model": NAMESPACE,
                "freehold.dev/component": component,
                **(labels or {}),
            },
            **metadata,
        },
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [{"name": container, "resources": {"limits": {"memory": "18Gi"}}}],
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "weights-1a2b3c"}}],
        },
        "status": {
            "phase": phase,
            "conditions": [
                {
                    "type": type_,
                    "lastTransitionTime": SCHEDULED,
                    **({"status": c} if isinstance(c, str) else c),
                }
                for type_, c in all_conditions.items()
            ],
            **({"containerStatuses": containers} if containers is not None else {}),
        },
    }


def container(
    state: dict[str, Any],
    *,
    name: str = "vllm",
    ready: bool = False,
    started: bool = False,
    restarts: int = 0,
    last: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The status of a container."""
    return {
        "name": name,
        "image": "docker.io/vllm/vllm-openai:v0.27.1",
        "state": state,
        "lastState": {"terminated": last} if last else {},
        "ready": ready,
        "started": started,
        "restartCount": restarts,
    }


def running(started_at: str = STARTED) -> dict[str, Any]:
    return {"running": {"startedAt": started_at}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(
    code: int, reason: str = "Error", finished: str = "2026-11-28T18:03:00Z", message: str = ""
) -> dict[str, Any]:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": STARTED,
        "finishedAt": finished,
        "containerID": f"containerd://{finished}",
        **({"message": message} if message else {}),
    }


UNREADY = {"Ready": {"status": "False", "lastTransitionTime": SCHEDULED}, "ContainersReady": "False"}
READY = {"Ready": {"status": "True", "lastTransitionTime": "2026-11-28T18:05:00Z"}, "ContainersReady": "True"}


def serves(name: str = "vllm-7d9c-ok1", node: str = "l4-2", **more: Any) -> dict[str, Any]:
    return pod(
        name, node=node, conditions=READY, containers=[container(running(), ready=True, started=True)], **more
    )


def loads(name: str = "vllm-7d9c-new", **more: Any) -> dict[str, Any]:
    return pod(name, conditions=UNREADY, containers=[container(running())], **more)


def event(
    reason: str,
    message: str,
    name: str = "vllm-7d9c-x2x",
    kind: str = "Pod",
    last: str = "2026-11-28T18:02:00Z",
    first: str = "2026-11-28T18:01:00Z",
) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}.17a", "namespace": NAMESPACE, "creationTimestamp": first},
        "involvedObject": {"kind": kind, "name": name, "namespace": NAMESPACE},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "firstTimestamp": first,
        "lastTimestamp": last,
        "count": 3,
    }
