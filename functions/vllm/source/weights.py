"""The weights: a volume for each set of them, filled once by a downloader, read by serving pods.

Serving pods have no way out, so they cannot fetch anything; and what they read stays
when they restart.
"""

from __future__ import annotations

import json
from typing import Any

from functions.api import contract
from functions.base import Resource, digest, remote

from ..plan import Plan
from ..serve.namespace import DOWNLOAD, SERVING
from ..serve.remote import LABEL, in_cluster, labels

__all__ = [
    "MOUNT",
    "STAYS",
    "TOKEN",
    "download",
    "is_download",
    "is_volume",
    "pod_security",
    "token",
    "tolerations",
    "user",
    "volume",
    "volume_name",
]

MOUNT = "/models"
STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""Annotation of pods that load for long: no autoscaler takes their node to save one."""
TOKEN = "vllm/hub-token"
"""The copy of the Hub token, in the composition."""
_TOKEN = "hub-token"
# One format of each checkpoint: several repositories hold the same weights twice.
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py")
_UNWANTED = ("original/*", "metal/*", "consolidated*")


def volume_name(weights: str) -> str:
    """Name the volume of a set of weights, in the composition and in the cluster."""
    return f"weights-{weights}"


def is_volume(resource: str) -> bool:
    """Tell whether a composed resource is the volume of a set of weights."""
    return resource.startswith("vllm/weights-")


def is_download(resource: str, weights: str = "") -> bool:
    """Tell whether a composed resource is a download, of a set of weights or of any."""
    return resource.startswith(f"vllm/download-{weights}-" if weights else "vllm/download-")


def volume(plan: Plan) -> Resource:
    """Compose the claim for the volume; it is bound when the downloader is scheduled.

    A live one is never rendered again: it cannot change its class or access mode, or become smaller.
    """
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
    return in_cluster(plan, what, manifest)


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
    return [in_cluster(plan, "hub-token", manifest, references=references)]


def download(plan: Plan, *, beside_serving: bool) -> Resource:
    """Compose the Job that fills the volume.

    It runs on the pool's own nodes: the volume is made in the zone where it is first
    used, and the image is then there for serving. The Job stays when it is done: the
    Object would make it again. Its name stands for its pods, since a Job's cannot change.

    Args:
        plan: the Model.
        beside_serving: whether the Model is served already. If so, its pods hold the GPUs,
            and the volume must come to be where they are; if not, the Job takes the GPUs,
            so that the volume comes to be where some are free.
    """
    pod = _pod(plan, beside_serving)
    what = f"download-{plan.placement.weights}-{digest(json.dumps(pod, sort_keys=True))}"
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": what, "namespace": plan.placement.namespace},
        "spec": {
            # Some days: the Hub comes back, and a token is corrected in its Secret.
            "backoffLimit": 1000,
            "template": {
                "metadata": {"labels": {**labels(plan), **DOWNLOAD}, "annotations": STAYS},
                "spec": pod,
            },
        },
    }
    needs = ["namespace", "network-policy-download", volume_name(plan.placement.weights)]
    if plan.spec.source.hugging_face.token_secret_ref:
        needs.append("hub-token")
    return in_cluster(plan, what, manifest, after=tuple(needs), ready=remote.JOB_SUCCEEDED)


def _pod(plan: Plan, beside_serving: bool) -> dict[str, Any]:
    affinity = {"affinity": _near_serving(plan)} if beside_serving else {}
    return {
        **affinity,
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(plan.placement.node_selector),
        "tolerations": tolerations(plan),
        "securityContext": pod_security(),
        "containers": [_container(plan, 0 if beside_serving else plan.placement.gpus)],
        "volumes": [
            {
                "name": "models",
                "persistentVolumeClaim": {"claimName": volume_name(plan.placement.weights)},
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
        ],
    }


def _near_serving(plan: Plan) -> dict[str, Any]:
    """Prefer the node of the serving pods; where there is none, any of the pool will do."""
    term = {
        "labelSelector": {"matchLabels": {LABEL: plan.name, **SERVING}},
        "topologyKey": "kubernetes.io/hostname",
    }
    preferred = {"weight": 100, "podAffinityTerm": term}
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}


def _container(plan: Plan, gpus: int) -> dict[str, Any]:
    command = ["hf", "download", plan.spec.model, "--revision", plan.spec.revision, "--local-dir", MOUNT]
    for pattern in _WANTED:
        command += ["--include", pattern]
    for pattern in _UNWANTED:
        command += ["--exclude", pattern]
    held = {plan.placement.resource: str(gpus)} if gpus else {}
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
            # Little, since it may have to fit beside a serving pod on the pool's one node.
            "requests": {"cpu": "500m", "memory": "1Gi", **held},
            "limits": {"memory": "4Gi", **held},
        },
        "securityContext": user(),
        "volumeMounts": [
            {"name": "models", "mountPath": MOUNT},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def tolerations(plan: Plan) -> list[dict[str, Any]]:
    """Tolerate the taint of GPU pools, and those of the Model's own."""
    of_all = {"key": contract.GPU, "operator": "Exists", "effect": "NoSchedule"}
    own = [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        for taint in plan.placement.taints or []
    ]
    return [of_all, *own]


def pod_security() -> dict[str, Any]:
    """Run as the image's own user and let it write to the volume."""
    return {
        "runAsNonRoot": True,
        "runAsUser": contract.WEIGHTS_USER,
        "runAsGroup": contract.WEIGHTS_USER,
        "fsGroup": contract.WEIGHTS_USER,
        # Otherwise every mount walks the whole volume to change its owner.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def user() -> dict[str, Any]:
    """Give a container no privilege at all."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
