"""Nodes that are not there: kwok plays their kubelets, and Kubernetes schedules onto them."""

from collections.abc import Mapping

from functions.catalog import gpus
from tools.control_plane.api import Api
from tools.control_plane.binaries import KWOK
from tools.control_plane.crossplane import MANIFESTS
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.manifests import Manifest, load

_FAKE = {"kwok.x-k8s.io/node": "fake"}
_MOST_PODS = 110


def start(processes: Processes, layout: Layout, ports: Ports, api: Api) -> None:
    """Start kwok, which then plays every node made here."""
    for manifest in load(MANIFESTS / "kwok.yaml"):
        api.apply(manifest)
    processes.start("kwok", command(layout, ports))
    processes.wait("kwok", lambda: listens(ports.kwok))


def command(layout: Layout, ports: Ports) -> list[str]:
    """Return kwok's command."""
    annotations = ",".join(f"{name}={value}" for name, value in _FAKE.items())
    return [
        str(KWOK.path()),
        f"--kubeconfig={layout.kubeconfig('kwok')}",
        f"--config={MANIFESTS / 'stages.yaml'}",
        f"--manage-nodes-with-annotation-selector={annotations}",
        # Enough for every pod to have an address of its own.
        "--cidr=10.128.0.0/16",
        # Kubernetes takes a node without a lease for lost.
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{ports.kwok}",
    ]


def gpu_node(
    name: str,
    gpu: str,
    count: int,
    *,
    zone: str,
    instance_type: str = "",
    vcpus: int = 64,
    memory_gib: int = 512,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a node with GPUs of a model of the catalog, as the GPU Operator leaves one.

    The labels are its pool's, beside those that every such node has.
    """
    model = gpus()[gpu]
    node = cpu_node(
        name, zone=zone, instance_type=instance_type, vcpus=vcpus, memory_gib=memory_gib, labels=labels
    )
    node["metadata"]["labels"] |= {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(count),
        **({"nvidia.com/gpu.product": model.product} if model.product else {}),
        **({"nvidia.com/gpu.memory": str(model.memory_mib)} if model.memory_mib else {}),
    }
    node["spec"]["taints"] = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    for resources in ("capacity", "allocatable"):
        node["status"][resources]["nvidia.com/gpu"] = str(count)
    return node


def cpu_node(
    name: str,
    *,
    zone: str,
    instance_type: str = "",
    vcpus: int = 2,
    memory_gib: int = 8,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a node without GPUs; the kubelet and the system keep a little of it for themselves."""
    shared = {"ephemeral-storage": "200Gi", "pods": str(_MOST_PODS)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": dict(_FAKE),
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": zone,
                **({"node.kubernetes.io/instance-type": instance_type} if instance_type else {}),
                **(labels or {}),
            },
        },
        "spec": {},
        "status": {
            "capacity": {"cpu": str(vcpus), "memory": f"{memory_gib}Gi", **shared},
            "allocatable": {"cpu": f"{vcpus * 1000 - 100}m", "memory": f"{memory_gib - 1}Gi", **shared},
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }
