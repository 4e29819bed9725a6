"""The download: a Job that reads weights from their source into the volume."""

from __future__ import annotations

import json
from typing import Any

from functions.base import Resource, digest

from ..plan import Plan
from ..serve.network_policy import DNS_PORTS, network_policy
from ..serve.objects import LABEL, in_cluster, labels
from ..serve.pod import DOWNLOAD, LOADS_LONG, SERVING, WEIGHTS_FOLDER, pod_spec, unprivileged
from . import source_of

__all__ = ["download", "download_policy", "is_download"]


# The image of the engine asks for every GPU by this variable, and a node whose default runtime is NVIDIA's
# gives them to a pod that requests none. The download uses no GPU, also where it requests some.
_NO_GPU = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}


def is_download(resource: str, weights: str = "") -> bool:
    """Tell whether a composed resource is a download, of a set of weights or of any."""
    return resource.startswith(f"vllm/download-{weights}-" if weights else "vllm/download-")


def download_policy(plan: Plan) -> Resource:
    """Compose the NetworkPolicy that lets the download resolve names and reach the weights' source."""
    spec = {
        "podSelector": {"matchLabels": DOWNLOAD},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [*DNS_PORTS, *source_of(plan.spec).egress(plan)]}],
    }
    return network_policy(plan, "download", spec)


def download(plan: Plan, *, beside_serving: bool) -> Resource:
    """Compose the Job.

    Its pod runs on the pool's own nodes: the volume is created in the zone where it is first used,
    and the image is then on a node that serves. The Job stays when it is done, since its Object
    would create it again. Its name has a digest of its pod, since a Job's pod cannot change.

    Args:
        plan: of the Model.
        beside_serving: whether the Model is served already. Then serving pods have the GPUs, and the
            volume must be created in their zone; otherwise the Job requests the GPUs, so that the
            volume is created in a zone where some are free.
    """
    source, pod = source_of(plan.spec), _pod(plan, beside_serving)
    what = f"download-{plan.placement.weights}-{digest(json.dumps(pod, sort_keys=True))}"
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": what, "namespace": plan.placement.namespace},
        "spec": {
            # Some days of retries: a source that is away comes back, and a token is corrected in its Secret.
            "backoffLimit": 1000,
            "template": {
                "metadata": {"labels": {**labels(plan), **DOWNLOAD}, "annotations": LOADS_LONG},
                "spec": pod,
            },
        },
    }
    credentials = [r.name.removeprefix("vllm/") for r in source.credentials(plan)]
    after = ("namespace", "network-policy-download", plan.volume, *credentials)
    label = "the download of the weights"
    return in_cluster(plan, what, manifest, label=label, after=after, ready=source.complete)


def _pod(plan: Plan, beside_serving: bool) -> dict[str, Any]:
    container = _container(plan, 0 if beside_serving else plan.placement.gpus)
    return {
        **pod_spec(plan, container, [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]),
        **({"affinity": _near_serving(plan)} if beside_serving else {}),
        "restartPolicy": "OnFailure",
    }


def _near_serving(plan: Plan) -> dict[str, Any]:
    """Prefer the node of a serving pod; without one, any node of the pool will do."""
    term = {
        "labelSelector": {"matchLabels": {LABEL: plan.name, **SERVING}},
        "topologyKey": "kubernetes.io/hostname",
    }
    preferred = {"weight": 100, "podAffinityTerm": term}
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}


def _container(plan: Plan, gpus: int) -> dict[str, Any]:
    reader = source_of(plan.spec).reader(plan)
    devices = {plan.placement.resource: str(gpus)} if gpus else {}
    return {
        "name": "download",
        "image": plan.image,
        "command": reader.command,
        "env": [
            {"name": "USER", "value": "vllm"},
            {"name": "HOME", "value": "/tmp"},
            _NO_GPU,
            *reader.env,
        ],
        "resources": {
            # Little, since the pod may have to fit beside a serving pod on the pool's only node.
            "requests": {"cpu": "500m", "memory": "1Gi", **devices},
            "limits": {"memory": "4Gi", **devices},
        },
        "securityContext": unprivileged(),
        "volumeMounts": [
            {"name": "models", "mountPath": WEIGHTS_FOLDER},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
