"""The weights: a volume for each set of them, filled once by a downloader, read by serving pods.

Serving pods have no way out, so they cannot fetch anything; and what they read stays
when they restart.
"""

from __future__ import annotations

import json
from typing import Any

from functions.base import Resource, digest

from .namespace import DOWNLOAD
from .plan import Plan
from .remote import labels, remote

__all__ = [
    "MOUNT",
    "download",
    "is_download",
    "keep_volume",
    "pod_security",
    "token",
    "tolerations",
    "user",
    "volume",
    "volume_name",
]

MOUNT = "/models"
_UID = 2000
"""The image's `vllm` user."""
_TOKEN = "hub-token"
# One format of each checkpoint: several repositories hold the same weights twice.
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py")
_UNWANTED = ("original/*", "metal/*", "consolidated*")


def volume_name(weights: str) -> str:
    """Name the volume of a set of weights, in the composition and in the cluster."""
    return f"weights-{weights}"


def is_download(resource: str, weights: str) -> bool:
    """Tell whether a composed resource is a download of a set of weights."""
    return resource.startswith(f"vllm/download-{weights}-")


def volume(plan: Plan) -> Resource:
    """Compose the claim for the volume; it is bound when the downloader is scheduled."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if plan.placement.shared_storage else "ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{plan.volume_gib}Gi"}},
    }
    if plan.placement.storage_class_name:
        spec["storageClassName"] = plan.placement.storage_class_name
    what = volume_name(plan.placement.weights)
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": what, "namespace": plan.placement.namespace},
        "spec": spec,
    }
    return remote(plan, what, manifest)


def keep_volume(weights: str) -> Resource:
    """Carry a volume on as it was made: its class, access mode and size cannot change or shrink."""
    return Resource(f"vllm/{volume_name(weights)}", None, waits_for="nothing: it exists")


def token(plan: Plan) -> list[Resource]:
    """Compose a copy of the Hub token, taken by reference from the claim's own namespace."""
    ref = plan.spec.source.hugging_face.token_secret_ref
    if ref is None:
        return []
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _TOKEN, "namespace": plan.placement.namespace},
        "type": "Opaque",
    }
    source = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": ref.name,
        "namespace": plan.claim.namespace,
        "fieldPath": f"data[{ref.key}]",
    }
    references = [{"patchesFrom": source, "toFieldPath": "data.token"}]
    return [remote(plan, "hub-token", manifest, references=references)]


def download(plan: Plan, finished: str = "") -> Resource:
    """Compose the Job that fills the volume.

    It runs on the pool's own nodes: the volume is made in the zone where it is first
    used, and the image is then there for serving. The Job stays when it is done: the
    Object would make it again.

    Args:
        plan: the Model.
        finished: the composed resource of a download that is done, which is then carried
            on: a Job's pods cannot change, and a new one would download again.
    """
    if finished:
        return Resource(finished, None, waits_for="nothing: it is done")
    pod = _pod(plan)
    what = f"download-{plan.placement.weights}-{digest(json.dumps(pod, sort_keys=True))}"
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": what, "namespace": plan.placement.namespace},
        "spec": {
            "backoffLimit": 10,
            "template": {"metadata": {"labels": {**labels(plan), **DOWNLOAD}}, "spec": pod},
        },
    }
    needs = ["namespace", "network-policy-download", volume_name(plan.placement.weights)]
    if plan.spec.source.hugging_face.token_secret_ref:
        needs.append("hub-token")
    done = "has(object.status.succeeded) && object.status.succeeded > 0"
    return remote(plan, what, manifest, after=tuple(needs), ready=done)


def _pod(plan: Plan) -> dict[str, Any]:
    return {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(plan.placement.node_selector),
        "tolerations": tolerations(),
        "securityContext": pod_security(),
        "containers": [_container(plan)],
        "volumes": [
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": volume_name(plan.placement.weights)},
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
        ],
    }


def _container(plan: Plan) -> dict[str, Any]:
    command = ["hf", "download", plan.spec.model, "--revision", plan.spec.revision, "--local-dir", MOUNT]
    for pattern in _WANTED:
        command += ["--include", pattern]
    for pattern in _UNWANTED:
        command += ["--exclude", pattern]
    env: list[dict[str, Any]] = [
        {"name": "USER", "value": "vllm"},
        {"name": "HOME", "value": "/tmp"},
        {"name": "HF_ENDPOINT", "value": plan.hub},
        {"name": "HF_HUB_DISABLE_TELEMETRY", "value": "1"},
    ]
    if plan.spec.source.hugging_face.token_secret_ref:
        secret = {"secretKeyRef": {"name": _TOKEN, "key": "token"}}
        env.append({"name": "HF_TOKEN", "valueFrom": secret})
    return {
        "name": "download",
        "image": plan.image,
        "command": command,
        "env": env,
        "resources": {
            "requests": {"cpu": "1", "memory": "4Gi"},
            "limits": {"memory": "4Gi"},
        },
        "securityContext": user(),
        "volumeMounts": [
            {"name": "models", "mountPath": MOUNT},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def tolerations() -> list[dict[str, Any]]:
    """Tolerate the taint of GPU pools."""
    return [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def pod_security() -> dict[str, Any]:
    """Run as the image's own user and let it write to the volume."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _UID,
        "runAsGroup": _UID,
        "fsGroup": _UID,
        # Otherwise every mount walks the whole volume to change its owner.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def user() -> dict[str, Any]:
    """Give a container no privilege at all."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
