"""Pods that run Python on the real node, restricted as the pod security standard has it, and what they print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.images.kinds import app
from tools.manifests import Manifest

_RESTRICTED = "pod-security.kubernetes.io/enforce"
_ENDED = ("Succeeded", "Failed")


def namespace(api: Api, name: str, level: str = "restricted") -> str:
    """Make a namespace that holds its pods to a pod security level."""
    metadata = {"name": name, "labels": {_RESTRICTED: level}}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    # Pods need the account that the controller manager makes a moment later.
    wait_for(
        f"the service account of {name}",
        lambda: api.find("v1", "ServiceAccount", "default", name) is not None,
    )
    return name


def pod(
    namespace: str, name: str, code: str, *, labels: Mapping[str, str] | None = None, **more: Any
) -> Manifest:
    """Return a pod that runs Python once.

    Args:
        namespace: the pod's.
        name: the pod's.
        code: the program.
        labels: the pod's.
        more: fields of the container, such as resources.
    """
    container = {
        "name": "app",
        "image": app.KIND.reference,
        "command": ["python3", "-c", code],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def run(api: Api, manifest: Manifest, seconds: float = 60) -> str:
    """Run a pod to its end; return what it printed, and remove it. Raises AssertionError when it failed."""
    api.create(manifest)
    name = manifest["metadata"]["name"]
    wait_for(f"pod {name} to end", lambda: phase(api, manifest) in _ENDED, seconds)
    printed, ended = log(api, manifest), phase(api, manifest)
    remove(api, manifest)
    assert ended == "Succeeded", printed
    return printed


def started(api: Api, manifest: Manifest, seconds: float = 60) -> str:
    """Start a pod that stays; return its address once it is ready."""
    api.create(manifest)
    wait_for(f"pod {manifest['metadata']['name']} to be ready", lambda: _ready(api, manifest), seconds)
    return str(api.get(*identity(manifest))["status"]["podIP"])


def phase(api: Api, manifest: Manifest) -> str:
    """Return a pod's phase."""
    return str(api.get(*identity(manifest)).get("status", {}).get("phase"))


def log(api: Api, manifest: Manifest) -> str:
    """Return what a pod has printed, as the API server asks the kubelet."""
    return api.log(manifest)


def remove(api: Api, *manifests: Manifest) -> None:
    """Delete pods; return when they are gone."""
    for manifest in manifests:
        if api.find(*identity(manifest)) is not None:
            api.delete(manifest)
    for manifest in manifests:
        gone = lambda manifest=manifest: api.find(*identity(manifest)) is None  # noqa: E731
        wait_for(f"pod {manifest['metadata']['name']} to be gone", gone)


def _ready(api: Api, manifest: Manifest) -> bool:
    conditions = api.get(*identity(manifest)).get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
