"""Pods of a Model: what all of them have, and the template of the pods that serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.api import SharingMode, contract

from ..engine import Peer
from ..place.machine import shared_memory_gib
from ..plan import Plan
from . import metrics, pull_secret
from .objects import LABEL

__all__ = [
    "COMPLETE",
    "DOWNLOAD",
    "LOADS_LONG",
    "NO_GPU",
    "SERVING",
    "WEIGHTS_FOLDER",
    "pod_spec",
    "serving_pod",
    "unprivileged",
]

SERVING = {contract.COMPONENT: contract.SERVING}
DOWNLOAD = {contract.COMPONENT: contract.DOWNLOAD}
"""Labels of the two kinds of pods, for the network policies and the Service."""
LOADS_LONG = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""Annotations of pods that load for long: no autoscaler removes their node to save it."""
WEIGHTS_FOLDER = "/models"
"""Where a pod mounts the weights' volume."""
NO_GPU = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}
"""Variable of each container that requests no GPU.

The engine's image, and any that a spec names, asks for every GPU by this variable, and a node whose default
runtime is NVIDIA's gives them to a container that requests none.
"""
COMPLETE = f"{WEIGHTS_FOLDER}/.freehold/complete"
"""File that the download makes once all weights are in the volume."""

_HOST = "kubernetes.io/hostname"
_RESTARTED_AT = "freehold.dev/restarted-at"
"""Annotation of serving pods: another value makes other pods."""
_PRE_STOP_SECONDS = 15
"""Time until no caller is sent to a pod that stops: the engine refuses requests once it is told to stop."""
_MARGIN_SECONDS = 5
"""Time to end after the drain. Streams that are still open then hang until the pod is killed."""


def pod_spec(
    plan: Plan, container: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the spec of a pod on the node pool's nodes, with the weights' volume and no privilege.

    Args:
        plan: of the Model.
        container: the pod's only one.
        volumes: beside the weights', which is named `models`.
    """
    user = plan.user
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(plan.placement.node_selector),
        "tolerations": _tolerations(plan),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            # Otherwise every mount changes the owner of each file in the volume.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **pull_secret.references(plan),
        "containers": [container],
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": plan.volume}}, *volumes],
    }


def _tolerations(plan: Plan) -> list[dict[str, Any]]:
    """Tolerate the taint of every GPU node, and the taints of the Model's own node pool."""
    gpu = {"key": contract.GPU, "operator": "Exists", "effect": "NoSchedule"}
    own = [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        for taint in plan.placement.taints or []
    ]
    return [gpu, *own]


def unprivileged() -> dict[str, Any]:
    """Return the security context of a container, without any privilege."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def serving_pod(plan: Plan, labels: Mapping[str, Any], peer: Peer | None = None) -> dict[str, Any]:
    """Return the template of a pod that serves.

    Args:
        plan: of the Model.
        labels: of the pod.
        peer: the pod among those of a replica on several nodes; None on one node.
    """
    container, first = _container(plan, peer), [_weights_there(plan)]
    if peer is None or peer.leads:
        # The others have no endpoint that a probe could ask, nor metrics.
        container |= plan.engine.probes(plan.startup_seconds)
        beside = {"env": [NO_GPU], "securityContext": unprivileged()}
        first.append({**metrics.guard(plan.engine, plan.image), **beside})
    volumes = [
        *_shared_memory(
            plan,
            {"emptyDir": {"medium": "Memory", "sizeLimit": f"{shared_memory_gib(plan.placement.gpus)}Gi"}},
        ),
        {"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},
    ]
    grace = _PRE_STOP_SECONDS + plan.engine.drain_seconds + _MARGIN_SECONDS
    spec = {
        **pod_spec(plan, container, volumes),
        "initContainers": first,
        "terminationGracePeriodSeconds": grace,
        **(_where(plan) if peer is None else {}),
        **({"priorityClassName": plan.priority_class} if plan.priority_class else {}),
    }
    restarted = plan.spec.engine.restarted_at
    annotations = {**LOADS_LONG, **({_RESTARTED_AT: restarted} if restarted else {})}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def _weights_there(plan: Plan) -> dict[str, Any]:
    """Return the container that fails until the volume holds all weights.

    A volume that somebody deleted is created again, empty, while the Deployment is there.
    """
    why = f"{COMPLETE} is missing: the weights are not downloaded, or not to the end"
    return {
        "name": "weights",
        "image": plan.image,
        "command": [
            "sh",
            "-c",
            f"test -e {COMPLETE} || {{ echo '{why}' | tee /dev/termination-log; exit 1; }}",
        ],
        "env": [NO_GPU],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": unprivileged(),
        "volumeMounts": [{"name": "models", "mountPath": WEIGHTS_FOLDER, "readOnly": True}],
    }


def _where(plan: Plan) -> dict[str, Any]:
    """Prefer nodes and zones without a replica of the Model, and nodes that other Models have begun to fill.

    The pods of a replica on several nodes take whole nodes and should be near one another, so they prefer
    nothing.
    """
    own = {LABEL: plan.name, **SERVING}
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": own},
        }
        for key in ("topology.kubernetes.io/zone", _HOST)
    ]
    others = {"key": LABEL, "operator": "NotIn", "values": [plan.name]}
    beside = {
        "labelSelector": {"matchLabels": SERVING, "matchExpressions": [others]},
        "namespaceSelector": {},
        "topologyKey": _HOST,
    }
    preferred = [{"weight": 50, "podAffinityTerm": beside}]
    return {
        "topologySpreadConstraints": spread,
        "affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
    }


def _container(plan: Plan, peer: Peer | None) -> dict[str, Any]:
    engine = plan.engine
    return {
        "name": engine.name,
        "image": plan.image,
        "command": [*engine.command, WEIGHTS_FOLDER],
        "args": list(engine.arguments(plan.spec, plan.placement, plan.context, peer)),
        "env": _env(plan),
        "ports": [{"name": "http", "containerPort": engine.port, "protocol": "TCP"}],
        "resources": _resources(plan),
        "lifecycle": {"preStop": {"sleep": {"seconds": _pre_stop_seconds(plan, peer)}}},
        "securityContext": unprivileged(),
        "volumeMounts": [
            {"name": "models", "mountPath": WEIGHTS_FOLDER, "readOnly": True},
            *_shared_memory(plan, {"mountPath": "/dev/shm"}),
            {"name": "cache", "mountPath": engine.cache_folder},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _pre_stop_seconds(plan: Plan, peer: Peer | None) -> int:
    """Return how long a pod goes on before it is told to stop.

    A pod that does not answer requests itself stays as long as the leader drains: without it, the
    leader's streams stop and their callers hang.
    """
    drains = peer is None or peer.leads
    return _PRE_STOP_SECONDS + (0 if drains else plan.engine.drain_seconds)


def _env(plan: Plan) -> list[dict[str, str]]:
    """Return the engine's variables and the spec's, each name once: the API server refuses a name twice."""
    variables = {
        **plan.engine.environment,
        **{variable.name: variable.value for variable in plan.spec.engine.env},
    }
    return [{"name": name, "value": value} for name, value in variables.items()]


def _shared_memory(plan: Plan, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the volume of the shared memory, or its mount; none with MPS.

    NVIDIA's device plugin mounts the MPS daemon's shared memory at /dev/shm. Another volume would
    hide it, and CUDA would not reach the daemon: updateResponseForMPS in
    internal/plugin/server.go of https://github.com/NVIDIA/k8s-device-plugin.
    """
    return [] if plan.placement.sharing == SharingMode.MPS else [{"name": "shm", **entry}]


def _resources(plan: Plan) -> dict[str, Any]:
    placement, wanted = plan.placement, plan.spec.engine.resources
    cpu, memory = wanted.cpu or placement.cpu, wanted.memory or placement.memory
    devices = {placement.resource: str(placement.gpus)}
    if placement.fabric:
        devices[placement.fabric.resource] = str(placement.fabric.per_node)
    return {
        "requests": {"cpu": cpu, "memory": memory, **devices},
        # No CPU limit: it would throttle the scheduler loop of an idle node.
        "limits": {"memory": memory, **devices},
    }
