"""A serving pod: one engine, or its part on one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import SharingMode

from ..plan import Plan
from ..source.weights import MOUNT, STAYS, pod_security, tolerations, user, volume_name
from .namespace import PORT

__all__ = ["template"]

_PRE_STOP_SECONDS = 15
_DRAIN_SECONDS = 45
_MARGIN_SECONDS = 15
_PROBE_SECONDS = 10
# CPU and memory of one GPU's worker; they leave room on the smallest machine of each family.
_CPU_PER_GPU = 2
_MEMORY_GIB_PER_GPU = 10
_CACHE = "/cache"


def template(
    plan: Plan, labels: dict[str, Any], more_args: Sequence[str] = (), *, answers: bool = True
) -> dict[str, Any]:
    """Return the pod's template.

    Args:
        plan: the Model.
        labels: of the pod.
        more_args: of the engine, after those of every pod.
        answers: whether it has the endpoint; without, nothing can be asked how it is.
    """
    container = _container(plan, more_args)
    if answers:
        container |= _probes(plan)
    return {"metadata": {"labels": labels, "annotations": STAYS}, "spec": _pod(plan, container)}


def _pod(plan: Plan, container: dict[str, Any]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _PRE_STOP_SECONDS + _DRAIN_SECONDS + _MARGIN_SECONDS,
        "nodeSelector": dict(plan.placement.node_selector),
        "tolerations": tolerations(plan),
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": volume_name(plan.placement.weights)},
            },
            *_shared_memory(plan, {"emptyDir": {"medium": "Memory", "sizeLimit": f"{_shm_gib(plan)}Gi"}}),
            {"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},
        ],
    }


def _container(plan: Plan, more_args: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "vllm",
        "image": plan.image,
        "command": ["vllm", "serve", MOUNT],
        "args": [
            *_args(plan),
            *more_args,
            *(plan.placement.engine_flags or ()),
            *plan.spec.engine.args,
            *_bounds(plan),
        ],
        "env": _env(plan),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(plan),
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP_SECONDS}}},
        "securityContext": user(),
        "volumeMounts": [
            {"name": "models", "mountPath": MOUNT, "readOnly": True},
            *_shared_memory(plan, {"mountPath": "/dev/shm"}),
            {"name": "cache", "mountPath": _CACHE},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _probes(plan: Plan) -> dict[str, Any]:
    return {
        "startupProbe": {**_probe(), "failureThreshold": -(-plan.startup_seconds // _PROBE_SECONDS)},
        "readinessProbe": {**_probe(), "failureThreshold": 3},
        "livenessProbe": {**_probe(), "failureThreshold": 6},
    }


def _args(plan: Plan) -> list[str]:
    return [
        f"--served-model-name={plan.spec.model}",
        f"--port={PORT}",
        *_parallel(plan),
        f"--max-model-len={plan.context}",
        *_memory(plan),
        "--disable-access-log-for-endpoints=/health,/metrics,/ping",
        f"--shutdown-timeout={_DRAIN_SECONDS}",
    ]


def _parallel(plan: Plan) -> list[str]:
    gpus, ranks = plan.placement.gpus, plan.placement.ranks
    if ranks is None:
        return [f"--tensor-parallel-size={gpus}"]
    tensor, data = f"--tensor-parallel-size={gpus // ranks}", f"--data-parallel-size={ranks}"
    return [tensor, data, "--enable-expert-parallel"]


def _memory(plan: Plan) -> list[str]:
    return [f"--gpu-memory-utilization={plan.placement.gpu_memory_utilization}"]


def _bounds(plan: Plan) -> list[str]:
    """Have the last word on a GPU that others share, whatever the spec's own arguments say."""
    return _memory(plan) if plan.placement.sharing else []


def _env(plan: Plan) -> list[dict[str, str]]:
    """Settings of ours and of the spec, each name once: the API server refuses it twice."""
    settings = {
        # The user has no entry in other images' passwd, and torch asks for its name.
        "USER": "vllm",
        "HOME": _CACHE,
        "XDG_CACHE_HOME": _CACHE,
        "VLLM_CACHE_ROOT": f"{_CACHE}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{_CACHE}/torchinductor",
        "TRITON_CACHE_DIR": f"{_CACHE}/triton",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        **{variable.name: variable.value for variable in plan.spec.engine.env},
    }
    return [{"name": name, "value": value} for name, value in settings.items()]


def _probe() -> dict[str, Any]:
    """`/health` needs no key, unlike `/v1/models`."""
    return {
        "httpGet": {"path": "/health", "port": PORT},
        "periodSeconds": _PROBE_SECONDS,
        "timeoutSeconds": 5,
    }


def _shared_memory(plan: Plan, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Name the shared memory; none with MPS, whose device plugin mounts its daemon's at /dev/shm.

    Ours would hide it, and CUDA would not reach the daemon: updateResponseForMPS in
    internal/plugin/server.go of https://github.com/NVIDIA/k8s-device-plugin.
    """
    return [] if plan.placement.sharing == SharingMode.MPS else [{"name": "shm", **entry}]


def _shm_gib(plan: Plan) -> int:
    """Shared memory, in GiB: workers of tensor parallelism exchange through it."""
    return 8 if plan.placement.gpus > 1 else 1


def _resources(plan: Plan) -> dict[str, Any]:
    placement, asked = plan.placement, plan.spec.engine.resources
    memory = asked.memory or f"{_MEMORY_GIB_PER_GPU * placement.gpus + _shm_gib(plan)}Gi"
    devices = {placement.resource: str(placement.gpus)}
    if placement.fabric:
        devices[placement.fabric.resource] = str(placement.fabric.per_node)
    return {
        "requests": {"cpu": asked.cpu or str(_CPU_PER_GPU * placement.gpus), "memory": memory, **devices},
        # No CPU limit: it would throttle the scheduler loop of an idle node.
        "limits": {"memory": memory, **devices},
    }
