from __future__ import annotations

from typing import Any

import pytest

from functions.cluster_stack.component import PodSecurity
from tools.pinned_versions.pod_security import level

HARDENED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(context: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", "securityContext": context or HARDENED}], **more}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(pod(), PodSecurity.RESTRICTED, id="hardened"),
        pytest.param(pod({"privileged": True}), PodSecurity.PRIVILEGED, id="privileged"),
        pytest.param(pod(hostNetwork=True), PodSecurity.PRIVILEGED, id="host-network"),
        pytest.param(
            pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), PodSecurity.PRIVILEGED, id="host-path"
        ),
        pytest.param(
            pod(HARDENED | {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
            PodSecurity.PRIVILEGED,
            id="capability",
        ),
        pytest.param(
            pod({"capabilities": {"add": ["CHOWN"]}}), PodSecurity.BASELINE, id="baseline-capability"
        ),
        pytest.param(
            pod(HARDENED | {"allowPrivilegeEscalation": None}), PodSecurity.BASELINE, id="may-escalate"
        ),
        pytest.param(pod(HARDENED | {"runAsUser": 0}), PodSecurity.BASELINE, id="root"),
        pytest.param(
            pod(
                {k: v for k, v in HARDENED.items() if k not in {"seccompProfile", "runAsNonRoot"}},
                securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            ),
            PodSecurity.RESTRICTED,
            id="hardened-as-a-pod",
        ),
        pytest.param(
            pod(initContainers=[{"name": "i", "image": "i", "securityContext": {"privileged": True}}]),
            PodSecurity.PRIVILEGED,
            id="an-init-container",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "nfs": {"server": "s"}}]), PodSecurity.BASELINE, id="another-volume"
        ),
    ],
)
def test_level(spec: dict[str, Any], expected: PodSecurity) -> None:
    assert level(spec) is expected
