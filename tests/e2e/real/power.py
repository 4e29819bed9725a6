"""A power cut: the node's processes and all containers end at once, and what only memory held is gone.

The control plane, which runs in the same machine, goes on: what it has there is left alone. The kernel goes on
too, so the kubelet does not see another boot.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.e2e.conftest import Plane
from tools.control_plane.processes import Started
from tools.control_plane.waiting import wait_for
from tools.machine import cgroups, machine, made
from tools.node import containerd, kubelet, pod_network
from tools.node.binaries import SHIM
from tools.node.device_plugin import RESOURCE
from tools.node.real import GPUS, PROCESSES, path

_PODS = "kubepods"
"""The cgroup of all pods."""
_FORGET = r"""
set -e
# What is mounted for pods, the last first.
sed -n 's#^[^ ]* \(/run/[^ ]*\|/var/lib/kubelet/pods/[^ ]*\) .*#\1#p' /proc/mounts | tac | while read -r folder; do
  umount "$folder"
done
find /run -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
# The filters of packets but those of the machine, and the bridge; the pods' ends went with their namespaces.
nft list tables | grep -v ' machine-' | while read -r _ family table; do nft delete table "$family" "$table"; done
# A set is let go a moment after the filter that used it.
until ipset destroy; do sleep 0.1; done
ip link delete pods0
echo forgotten
"""


def cut(real: Plane) -> list[Started]:
    """End the node; return what `on` starts it again with."""
    ended = [real.processes.all()[name] for name in PROCESSES]
    for process in ended:
        real.processes.stop(process.name, signal.SIGKILL)
    wait_for("every container to end", lambda: _killed(real) == [])
    _forget(real)
    groups = [folder / _PODS for folder in cgroups.all_named(machine.name(real.layout.folder))]
    assert cgroups.remove([group for group in groups if group.is_dir()]) == []
    return ended


def on(real: Plane, ended: list[Started]) -> None:
    """Start the node again; return when its processes run. Its pods follow.

    What speaks for GPUs is a pod itself elsewhere, so a kubelet has refused the pods that had some before it speaks.
    """
    folder = real.layout.folder
    for process in ended:
        if process.name == GPUS:
            continue
        real.processes.start(process.name, process.command, process.environment)
        if process.name == containerd.NAME:
            real.processes.wait(containerd.NAME, lambda: made.listens_at(folder, containerd.SOCKET))
    for name, port in ((kubelet.NAME, kubelet.HEALTH), (pod_network.POLICIES, pod_network.POLICIES_HEALTH)):
        real.processes.wait(name, lambda port=port: real.processes.listens(port))  # type: ignore[misc]
    wait_for("the pods with GPUs to be refused", lambda: _with_gpus(real) == [])
    [gpus] = [process for process in ended if process.name == GPUS]
    real.processes.start(gpus.name, gpus.command, gpus.environment)


def _with_gpus(real: Plane) -> list[str]:
    """Return the pods that have GPUs, or had some and were not refused yet."""
    return [
        pod["metadata"]["name"]
        for pod in real.api.items("v1", "Pod")
        if pod["spec"].get("nodeName") and pod["status"].get("phase") in {"Pending", "Running"}
        if any(RESOURCE in each.get("resources", {}).get("limits", {}) for each in pod["spec"]["containers"])
    ]


def _killed(real: Plane) -> list[int]:
    """Kill the processes of containers, and those that hold containers; return them."""
    own, found = machine.name(real.layout.folder), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            groups = (entry / "cgroup").read_text()
            if f"/{own}" not in groups:
                continue
            holds = (entry / "exe").readlink().name == SHIM.path().name
            if f"/{own}/{_PODS}" in groups or holds:
                os.kill(int(entry.name), signal.SIGKILL)
                found.append(int(entry.name))
    return found


def _forget(real: Plane) -> None:
    """Have the machine forget what a node keeps in memory."""
    name = "power-cut"
    log = real.processes.log(name)
    log.unlink(missing_ok=True)
    real.processes.start(name, ["sh", "-c", _FORGET], path())
    wait_for("memory to be forgotten", lambda: not real.processes.alive(name))
    real.processes.stop(name)
    assert log.read_text().endswith("forgotten\n"), log.read_text()
