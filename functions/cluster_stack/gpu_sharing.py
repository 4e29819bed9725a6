"""GPUs that several pods share: what the device plugin and the MIG manager are told.

Which of these settings a node has is its label's to say, and the cloud's module gives it:
`nvidia.com/device-plugin.config` names a setting, `nvidia.com/mig.config` a partition.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from functions.api import SharingMode, Slices

__all__ = ["values"]

_FIELDS = {SharingMode.TIME_SLICING: "timeSlicing", SharingMode.MPS: "mps"}
"""The field of the device plugin's configuration that stands for a mode."""

_WHOLE = "whole-gpus"
"""The setting of nodes without a label: another pool's GPUs are never shared by accident."""


# The MIG manager stops the kubelet to change the mode, after which a node whose containerd the
# operator did not set up, such as one of Amazon Linux 2023, may stay NotReady for good: containerd
# loses its containers (https://github.com/NVIDIA/gpu-operator/issues/2415). The kubelet has held no
# GPU open since Kubernetes 1.25, so it is left alone.
_LEAVE_THE_KUBELET = {"name": "HOST_KUBELET_SYSTEMD_SERVICE", "value": ""}
# An A100 in a virtual machine often cannot be reset and changes its mode at a reboot, when nothing
# runs on the node yet. Not on nodes that are somebody else's.
# https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-mig.html
_REBOOT = {"name": "WITH_REBOOT", "value": "true"}


def values(shared: Sequence[Slices], ours: bool) -> dict[str, Any]:
    """Return the GPU Operator's values for GPUs that are shared; none where none are.

    Args:
        shared: how the node pools share their GPUs.
        ours: whether the nodes were made for the cluster's claim, and may be rebooted.
    """
    counted = {s.setting: s for s in shared if s.mode in _FIELDS}
    found: dict[str, Any] = {}
    if counted:
        found["devicePlugin"] = {"config": _named(counted)}
    if any(s.mode == SharingMode.MIG for s in shared):
        # Mixed calls a slice by its profile. Single would call it nvidia.com/gpu, and so would offer
        # a young node's whole GPUs to Models that wait for slices, until the MIG manager has cut them.
        found["mig"] = {"strategy": "mixed"}
        found["migManager"] = {"env": [_LEAVE_THE_KUBELET, *([_REBOOT] if ours else [])]}
    return found


def _named(counted: dict[str, Slices]) -> dict[str, Any]:
    """Return the ConfigMap of settings.

    A setting's name says all that is in it, so that none ever changes: the device plugin
    looks at it again when its node's label changes, not when the file does.
    """
    settings = {_WHOLE: {"version": "v1"}, **{name: _setting(s) for name, s in counted.items()}}
    return {
        "create": True,
        "name": "freehold-sharing",
        "default": _WHOLE,
        "data": {name: json.dumps(settings[name]) for name in sorted(settings)},  # JSON is YAML
    }


def _setting(slices: Slices) -> dict[str, Any]:
    """Return the device plugin's configuration.

    A pod that asks for two slices is refused: it might get twice the same GPU, and no more
    of it. https://github.com/NVIDIA/k8s-device-plugin#shared-access-to-gpus
    """
    shared = {
        "renameByDefault": False,
        "failRequestsGreaterThanOne": True,
        "resources": [{"name": slices.resource, "replicas": slices.per_gpu}],
    }
    return {"version": "v1", "sharing": {_FIELDS[SharingMode(slices.mode)]: shared}}
