"""The serving pods."""

from __future__ import annotations

from typing import Any

from functions.base import Resource

from .namespace import PORT, SERVING
from .plan import Plan
from .remote import LABEL, labels, remote
from .weights import MOUNT, pod_security, tolerations, user, volume_name

__all__ = ["deployment"]

_PRE_STOP_SECONDS = 15
_DRAIN_SECONDS = 45
_MARGIN_SECONDS = 15
_PROBE_SECONDS = 10
# CPU and memory of one GPU's worker; they leave room on the smallest machine of each family.
_CPU_PER_GPU = 2
_MEMORY_GIB_PER_GPU = 10
_CACHE = "/cache"


def deployment(plan: Plan, download: str) -> Resource:
    """Compose the Deployment, to be created once the weights' download is ready."""
    selector = {LABEL: plan.name, **SERVING}
    replicas = plan.spec.replicas.min
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "vllm", "namespace": plan.placement.namespace},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "minReadySeconds": 10,
            "progressDeadlineSeconds": plan.startup_seconds + 600,
            # A pod more than the pool has GPUs for would never be scheduled and stop the rollout.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": {**labels(plan), **SERVING}}, "spec": _pod(plan)},
        },
    }
    ready = (
        "has(object.status.observedGeneration)"
        " && object.status.observedGeneration >= object.metadata.generation"
        f" && (has(object.status.updatedReplicas) ? object.status.updatedReplicas : 0) >= {replicas}"
        f" && (has(object.status.availableReplicas) ? object.status.availableReplicas : 0) >= {replicas}"
    )
    return remote(
        plan,
        "deployment",
        manifest,
        after=("network-policy-default-deny", "network-policy-serving", download.removeprefix("vllm/")),
        ready=ready,
        annotations=plan.note,
    )


def _pod(plan: Plan) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _PRE_STOP_SECONDS + _DRAIN_SECONDS + _MARGIN_SECONDS,
        "nodeSelector": dict(plan.placement.node_selector),
        "tolerations": tolerations(plan),
        "securityContext": pod_security(),
        "containers": [_container(plan)],
        "volumes": [
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": volume_name(plan.placement.weights)},
            },
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{_shm_gib(plan)}Gi"}},
            {"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},
        ],
    }


def _container(plan: Plan) -> dict[str, Any]:
    return {
        "name": "vllm",
        "image": plan.image,
        "command": ["vllm", "serve", MOUNT],
        "args": [*_args(plan), *(plan.placement.engine_flags or ()), *plan.spec.engine.args],
        "env": _env(plan),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(plan),
        "startupProbe": {**_probe(), "failureThreshold": -(-plan.startup_seconds // _PROBE_SECONDS)},
        "readinessProbe": {**_probe(), "failureThreshold": 3},
        "livenessProbe": {**_probe(), "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP_SECONDS}}},
        "securityContext": user(),
        "volumeMounts": [
            {"name": "models", "mountPath": MOUNT, "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "cache", "mountPath": _CACHE},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _args(plan: Plan) -> list[str]:
    return [
        f"--served-model-name={plan.spec.model}",
        f"--port={PORT}",
        f"--tensor-parallel-size={plan.placement.gpus}",
        f"--max-model-len={plan.context}",
        f"--gpu-memory-utilization={plan.placement.gpu_memory_utilization}",
        "--disable-access-log-for-endpoints=/health,/metrics,/ping",
        f"--shutdown-timeout={_DRAIN_SECONDS}",
    ]


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


def _shm_gib(plan: Plan) -> int:
    """Shared memory, in GiB: workers of tensor parallelism exchange through it."""
    return 8 if plan.placement.gpus > 1 else 1


def _resources(plan: Plan) -> dict[str, Any]:
    gpus = plan.placement.gpus
    asked = plan.spec.engine.resources
    memory = asked.memory or f"{_MEMORY_GIB_PER_GPU * gpus + _shm_gib(plan)}Gi"
    return {
        "requests": {
            "cpu": asked.cpu or str(_CPU_PER_GPU * gpus),
            "memory": memory,
            plan.placement.resource: str(gpus),
        },
        # No CPU limit: it would throttle the scheduler loop of an idle node.
        "limits": {"memory": memory, plan.placement.resource: str(gpus)},
    }
