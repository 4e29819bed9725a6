"""The download: a Job that reads weights from their source into the volume."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from functions.base import Resource, View, digest

from ..plan import Plan
from ..serve.network_policy import DNS_PORTS, network_policy
from ..serve.objects import LABEL, in_cluster, labels
from ..serve.pod import DOWNLOAD, LOADS_LONG, NO_GPU, SERVING, WEIGHTS_FOLDER, pod_spec, unprivileged
from . import source_of

__all__ = [
    "again",
    "counted",
    "download",
    "download_policy",
    "failures",
    "fills",
    "goes",
    "goes_on",
    "is_download",
]


_VOLUME, _ASKED = "freehold.dev/volume", "freehold.dev/download-asked"
"""Annotations of the Job: the UID of the volume that it fills, and a digest of what was asked of it."""
_FAILED = "freehold.dev/download-failed"
"""Annotation of the Job: how often it has failed, and the UID of the Job that failed last."""
_MANIFEST = ("spec", "forProvider", "manifest")
_UID = ("status", "atProvider", "manifest", "metadata", "uid")
_ANNOTATIONS = (*_MANIFEST, "metadata", "annotations")
_TRIES = 6
"""For a pod that ends in a way that the program does not tell, such as out of memory."""


def is_download(resource: str, weights: str = "") -> bool:
    """Tell whether a composed resource is a download, of a set of weights or of any."""
    return resource.startswith(f"vllm/download-{weights}-" if weights else "vllm/download-")


def fills(job: View, volume_uid: str) -> bool:
    """Tell whether an observed download is one into this volume, as far as both are known.

    Args:
        job: the Object of the Job.
        volume_uid: of the volume; empty: not known.
    """
    filled = job.text(*_ANNOTATIONS, _VOLUME)
    return not filled or not volume_uid or filled == volume_uid


def goes_on(job: View, plan: Plan) -> bool:
    """Tell whether an observed download is what the spec, the placement and the platform ask for.

    A newer package, which would render it otherwise, does not begin it again.
    """
    return job.text(*_ANNOTATIONS, _ASKED) == _asked(plan)


def _asked(plan: Plan) -> str:
    spec, placement = plan.spec, plan.placement
    taints = [taint.plain() for taint in placement.taints or ()]
    # Without defaults: a field that a newer version adds begins nothing again.
    given = [part.model_dump(mode="json", exclude_defaults=True) for part in (spec.source, plan.weights)]
    asked = [*given, placement.node_selector, taints]
    return digest(json.dumps(asked, sort_keys=True))


def download_policy(plan: Plan) -> Resource:
    """Compose the NetworkPolicy that lets the download resolve names and reach the weights' source."""
    spec = {
        "podSelector": {"matchLabels": DOWNLOAD},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [*DNS_PORTS, *source_of(plan.spec).egress(plan)]}],
    }
    return network_policy(plan, "download", spec)


def download(plan: Plan, *, volume_uid: str, beside_serving: bool) -> Resource:
    """Compose the Job.

    Its pod runs on the pool's own nodes: the volume is created in the zone where it is first used, and
    the image is then on a node that serves. It requests no GPU, so it takes none from pods that serve,
    and where it fails, none is held. The Job stays when it is done, since its Object would create it
    again. Its name has a digest of all that cannot change in a Job.

    Args:
        plan: of the Model.
        volume_uid: of the volume; empty while it is not known.
        beside_serving: whether the Model is served already, so that the volume has to be in the zone of
            its pods.
    """
    source = source_of(plan.spec)
    spec = {
        "backoffLimit": _TRIES,
        "podFailurePolicy": {"rules": _rules(sorted(source.causes))},
        "template": {
            "metadata": {"labels": {**labels(plan), **DOWNLOAD}, "annotations": LOADS_LONG},
            "spec": _pod(plan, beside_serving),
        },
    }
    # A larger volume is a reason to try again at once.
    fixed = json.dumps([spec, volume_uid, _asked(plan)], sort_keys=True)
    what = f"download-{plan.placement.weights}-{digest(fixed)}"
    annotations = {_ASKED: _asked(plan), **({_VOLUME: volume_uid} if volume_uid else {})}
    metadata = {"name": what, "namespace": plan.placement.namespace, "annotations": annotations}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    after = ("namespace", "network-policy-download", plan.volume)
    label = "the download of the weights"
    return in_cluster(plan, what, manifest, label=label, after=after, ready=source.complete)


def failures(job: View, *, failed: bool) -> tuple[int, str]:
    """Return how often a download has failed under its name, and the UID of the Job that failed last.

    Kubernetes creates each try as a Job of its own, with the same name. The count stands in an annotation,
    since the Jobs before are gone.

    Args:
        job: the Object of the Job.
        failed: whether the Job that there is now has failed.
    """
    count, _, last = (job.text(*_ANNOTATIONS, _FAILED) or "0").partition(" ")
    times, uid = int(count) if count.isdecimal() else 0, job.text(*_UID) or last
    return (times + 1, uid) if failed and (not times or uid != last) else (times, last)


def counted(job: Resource, times: int, uid: str) -> Resource:
    """Have a Job say how often it has failed."""
    if not times:
        return job
    body = _copied(job)
    body["spec"]["forProvider"]["manifest"]["metadata"]["annotations"][_FAILED] = f"{times} {uid}".strip()
    return replace(job, manifest=body)


def again(job: Resource, seconds: int) -> Resource:
    """Have a Job that failed for good deleted some time after it ended; its Object creates it again then."""
    body = _copied(job)
    body["spec"]["forProvider"]["manifest"]["spec"]["ttlSecondsAfterFinished"] = seconds
    return replace(job, manifest=body)


def _copied(job: Resource) -> dict[str, Any]:
    assert job.manifest is not None, "a download is composed complete"
    return copy.deepcopy(dict(job.manifest))


def goes(job: View) -> bool:
    """Tell whether an observed download is to be deleted once it has ended: it failed before."""
    return job.has(*_MANIFEST, "spec", "ttlSecondsAfterFinished")


def _rules(codes: list[int]) -> list[dict[str, Any]]:
    """Have a pod that its node loses not count, and one that says why it failed end the Job.

    The Job's status then has the exit code: https://kubernetes.io/docs/tasks/job/pod-failure-policy/
    """
    lost = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    told = {"containerName": "download", "operator": "In", "values": codes}
    return [lost, *([{"action": "FailJob", "onExitCodes": told}] if codes else [])]


def _pod(plan: Plan, beside_serving: bool) -> dict[str, Any]:
    return {
        **pod_spec(plan, _container(plan), [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]),
        "affinity": _near_serving(plan) if beside_serving else _FAR_FROM_SERVING,
        "restartPolicy": "Never",
    }


def _near_serving(plan: Plan) -> dict[str, Any]:
    """Prefer the node of a serving pod, else its zone; without one, any node of the pool will do."""
    own = {"matchLabels": {LABEL: plan.name, **SERVING}}
    preferred = [
        {"weight": weight, "podAffinityTerm": {"labelSelector": own, "topologyKey": key}}
        for weight, key in ((50, "kubernetes.io/hostname"), (100, "topology.kubernetes.io/zone"))
    ]
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


# The volume comes to be in the zone of the download: rather where GPUs are free.
_FAR_FROM_SERVING = {
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": SERVING},
                    "namespaceSelector": {},
                    "topologyKey": "kubernetes.io/hostname",
                },
            }
        ]
    }
}


def _container(plan: Plan) -> dict[str, Any]:
    reader = source_of(plan.spec).reader(plan)
    return {
        "name": "download",
        "image": plan.downloader,
        "command": reader.command,
        "env": [
            {"name": "USER", "value": "vllm"},
            {"name": "HOME", "value": "/tmp"},
            NO_GPU,
            *reader.env,
        ],
        "resources": {
            # Little, since the pod may have to fit beside a serving pod on the pool's only node.
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"memory": "4Gi"},
        },
        "securityContext": unprivileged(),
        "volumeMounts": [
            {"name": "models", "mountPath": WEIGHTS_FOLDER},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
