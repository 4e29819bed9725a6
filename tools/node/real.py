"""A control plane with one real node, both in a machine of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tools import paths
from tools.control_plane import plane
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import Kubelets
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.control_plane.registry import STANDS_FOR
from tools.control_plane.waiting import wait_for
from tools.machine import machine, made, network
from tools.manifests import Manifest, load
from tools.node import (
    containerd,
    device_plugin,
    dns,
    gpu_operator,
    images,
    kubelet,
    packages,
    pod_network,
    provisioner,
)

_CLIENT = "kube-apiserver-kubelet-client"
GPUS = "played-gpus"
_READY_SECONDS = 90
_HTTPS = 443
PROCESSES = (containerd.NAME, kubelet.NAME, pod_network.PROXY, GPUS, pod_network.POLICIES)
"""The node's own, in the order in which they start."""


@dataclass(frozen=True)
class Real:
    """One real node, for `plane.up`."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """The node's."""
    gpus: int = 8
    """Played ones."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of function-vllm's input."""
    title: str = "node"
    runtime: str = packages.RUNTIME

    def prepare(self, processes: Processes, ports: Ports) -> None:
        """Make the machine, and have what listens in it reached at the same ports outside."""
        redirects = {ports.api_server: Kubelets.port, _HTTPS: ports.registry}
        machine.start(processes, redirects, STANDS_FOR)
        every = [getattr(ports, port.name) for port in fields(Ports)]
        machine.forward(processes, {port: ("127.0.0.1", port) for port in every})

    def kubelets(self, authority: Authority) -> Kubelets:
        """Return the machine's address, and a certificate for the API server to ask the kubelet with."""
        return Kubelets(network.ADDRESS, authority.serve(_CLIENT))

    def start(
        self, processes: Processes, layout: Layout, ports: Ports, api: Api, authority: Authority
    ) -> None:
        """Start the node's processes; pods run some seconds later."""
        for manifest in load(Path(__file__).parent / "manifests" / "access.yaml"):
            api.apply(manifest)
        variables = path()
        networks = pod_network.configure(layout.folder / "pod-network")
        command = containerd.command(layout, f"127.0.0.1:{ports.registry}", networks)
        # By default it looks for a collector of traces.
        processes.start(containerd.NAME, command, {**variables, "OTEL_TRACES_EXPORTER": "none"})
        certificates = authority.serve(kubelet.NAME, network.ADDRESS, kubelet.NODE)
        processes.wait(containerd.NAME, lambda: made.listens_at(layout.folder, containerd.SOCKET))
        processes.start(kubelet.NAME, kubelet.command(layout, certificates, self.labels), variables)
        processes.start(pod_network.PROXY, pod_network.proxy(layout), variables)
        plugin = [sys.executable, "-m", device_plugin.__name__, str(self.gpus)]
        processes.start(GPUS, plugin, {"PYTHONPATH": str(paths.ROOT)})
        volumes = [
            provisioner.__name__,
            str(layout.kubeconfig(provisioner.NAME)),
            str(layout.folder / "volumes"),
        ]
        processes.start(provisioner.NAME, [sys.executable, "-m", *volumes], {"PYTHONPATH": str(paths.ROOT)})
        operator = [sys.executable, "-m", gpu_operator.__name__, str(layout.kubeconfig())]
        processes.start(gpu_operator.NAME, operator, {"PYTHONPATH": str(paths.ROOT)})
        api.apply(provisioner.storage_class())
        images.offer(layout, *images.ALWAYS)
        images.offer_name_server(layout)
        for manifest in dns.manifests():
            api.apply(manifest)

    def install(self, processes: Processes, layout: Layout, api: Api, authority: Authority) -> None:
        """Install packages, by Crossplane, once the node runs pods by their policies and names are found."""
        wait_for("the node to be ready", lambda: _ready(api), _READY_SECONDS)
        # Before there is a node with an address it ends, and every policy would be open.
        processes.start(pod_network.POLICIES, pod_network.policies(layout), path())
        health = pod_network.POLICIES_HEALTH
        processes.wait(pod_network.POLICIES, lambda: processes.listens(health))
        _wait_available(api, dns.manifests())
        # Core calls functions by the names of their Services.
        machine.resolve(layout.folder, dns.ADDRESS, f"svc.{dns.DOMAIN}", dns.DOMAIN)
        packages.install(layout, api, authority, self.settings)
        plane.offered(processes, api)

    def finish(self, processes: Processes, layout: Layout, api: Api) -> None:
        """Return when the node has its GPUs, and the agent runs as a pod."""
        del processes, layout
        wait_for("the node to have its GPUs", lambda: _gpus(api) == self.gpus, _READY_SECONDS)
        _wait_available(api, load(paths.INSTALL))


def end(layout: Layout) -> list[str]:
    """End a control plane with its node, and remove all that it made but the logs: images take gigabytes.

    Returns:
        The names of the processes that ran.
    """
    ended = plane.down(layout)
    machine.sweep(layout.folder)
    for path in layout.folder.iterdir() if layout.folder.is_dir() else ():
        if path.is_dir() and path.name != "logs":
            shutil.rmtree(path)
    return ended


def path() -> dict[str, str]:
    """Return the variable PATH of the node's processes, which call programs of the machine."""
    return {"PATH": f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ['PATH']}"}


def _ready(api: Api) -> bool:
    node = api.find("v1", "Node", kubelet.NODE)
    return node is not None and condition(node, "Ready").get("status") == "True"


def _gpus(api: Api) -> int:
    node = api.get("v1", "Node", kubelet.NODE)
    return int(node["status"]["allocatable"].get(device_plugin.RESOURCE, 0))


def _wait_available(api: Api, manifests: Sequence[Manifest]) -> None:
    for each in manifests:
        if each["kind"] == "Deployment":
            title = f"{each['metadata']['name']} to run"
            wait_for(title, lambda each=each: _available(api, each), _READY_SECONDS)  # type: ignore[misc]


def _available(api: Api, deployment: Manifest) -> bool:
    return condition(api.get(*identity(deployment)), "Available").get("status") == "True"
