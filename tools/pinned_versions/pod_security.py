"""The strictest pod security standard that a pod meets, as an API server would judge it.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from functions.cluster_stack.component import PodSecurity

__all__ = ["LEVELS", "level"]

LEVELS = (PodSecurity.PRIVILEGED, PodSecurity.BASELINE, PodSecurity.RESTRICTED)
"""From the loosest to the strictest."""

_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
_RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip


def level(pod: Mapping[str, Any]) -> PodSecurity:
    """Return the strictest level that the spec of a pod meets."""
    if any(_beyond_baseline(pod)):
        return PodSecurity.PRIVILEGED
    return PodSecurity.BASELINE if any(_beyond_restricted(pod)) else PodSecurity.RESTRICTED


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def _own(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return container.get("securityContext") or {}


def _beyond_baseline(pod: Mapping[str, Any]) -> Iterator[bool]:
    yield any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    yield any("hostPath" in volume for volume in pod.get("volumes") or ())
    contexts = [pod.get("securityContext") or {}, *(_own(c) for c in _containers(pod))]
    yield any((c.get("seccompProfile") or {}).get("type") == "Unconfined" for c in contexts)
    yield any((c.get("appArmorProfile") or {}).get("type") == "Unconfined" for c in contexts)
    yield any(c.get("procMount") not in {None, "Default"} for c in contexts)
    yield any(c.get("sysctls") for c in contexts)
    for container in _containers(pod):
        yield bool(_own(container).get("privileged"))
        yield any(port.get("hostPort") for port in container.get("ports") or ())
        added = (_own(container).get("capabilities") or {}).get("add") or ()
        yield not _BASELINE_CAPABILITIES.issuperset(added)


def _beyond_restricted(pod: Mapping[str, Any]) -> Iterator[bool]:
    of_pod = pod.get("securityContext") or {}
    yield any(not _RESTRICTED_VOLUMES & set(volume) for volume in pod.get("volumes") or ())
    for container in _containers(pod):
        own = _own(container)
        capabilities = own.get("capabilities") or {}
        yield own.get("allowPrivilegeEscalation") is not False
        yield own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True
        yield own.get("runAsUser", of_pod.get("runAsUser")) == 0
        seccomp = own.get("seccompProfile") or of_pod.get("seccompProfile") or {}
        yield seccomp.get("type") not in {"RuntimeDefault", "Localhost"}
        yield "ALL" not in (capabilities.get("drop") or ())
        yield not {"NET_BIND_SERVICE"}.issuperset(capabilities.get("add") or ())
