"""Played nodes: kwok answers as their kubelets, and Kubernetes' own scheduler places pods on them."""

from collections.abc import Mapping

from functions.catalog import gpus, machines
from tools.control_plane.api import Api
from tools.control_plane.binaries import KWOK
from tools.control_plane.crossplane import MANIFESTS
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.manifests import Manifest, load

_FAKE = {"kwok.x-k8s.io/node": "fake"}
_MOST_PODS = 110
_KERNELS_SHARE = 0.075
"""Of a machine's memory, what the hypervisor and the kernel keep: Karpenter's VM_MEMORY_OVERHEAD_PERCENT.

https://karpenter.sh/docs/reference/settings
"""
_RESERVED_MIB = 255 + 11 * _MOST_PODS + 100
"""What EKS' nodes keep for the kubelet and the system, and the kubelet's threshold for eviction.

https://github.com/awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go
"""


def start(processes: Processes, layout: Layout, ports: Ports, api: Api) -> None:
    """Start kwok, which then plays every node that this module makes."""
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
    machine: str,
    *,
    zone: str,
    cloud: str = "aws",
    time_slices: int = 1,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a node of one of the catalog's machine types, as the GPU Operator leaves the node.

    Args:
        name: the node's name.
        machine: the machine type, such as g6.xlarge: its vCPUs, memory and GPUs are the node's.
        zone: the node's zone.
        cloud: whose machine type that is.
        time_slices: how many pods take turns on each GPU.
        labels: more labels, such as those of the node's pool.
    """
    made = machines(cloud)[machine]
    assert made.memory_gib is not None, f"{machine}: memory not known"
    model = gpus()[made.gpu]
    node = cpu_node(
        name,
        zone=zone,
        instance_type=machine,
        vcpus=made.vcpus,
        memory_gib=made.memory_gib,
        labels=labels,
    )
    shared = "-SHARED" if time_slices > 1 else ""
    node["metadata"]["labels"] |= {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(made.gpus),
        "nvidia.com/gpu.replicas": str(time_slices),
        **({"nvidia.com/gpu.product": model.product + shared} if model.product else {}),
        **({"nvidia.com/gpu.memory": str(model.memory_mib)} if model.memory_mib else {}),
    }
    node["spec"]["taints"] = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    for resources in ("capacity", "allocatable"):
        node["status"][resources]["nvidia.com/gpu"] = str(made.gpus * time_slices)
    return node


def cpu_node(
    name: str,
    *,
    zone: str,
    instance_type: str = "m6i.large",
    vcpus: int = 2,
    memory_gib: float = 8,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a node without GPUs; what the kernel and the kubelet keep is not allocatable."""
    memory_mib = int(memory_gib * 1024 * (1 - _KERNELS_SHARE))
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
                "node.kubernetes.io/instance-type": instance_type,
                **(labels or {}),
            },
        },
        "spec": {},
        "status": {
            "capacity": {"cpu": str(vcpus), "memory": f"{memory_mib}Mi", **shared},
            "allocatable": {
                "cpu": f"{vcpus * 1000 - _reserved_millicpu(vcpus)}m",
                "memory": f"{memory_mib - _RESERVED_MIB}Mi",
                **shared,
            },
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }


def _reserved_millicpu(vcpus: int) -> int:
    """Return the CPU that EKS' nodes keep: 6 % of the first, 1 % of the second, and less of further ones.

    https://github.com/awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go
    """
    steps = ((1, 60.0), (2, 10.0), (4, 5.0), (vcpus, 2.5))
    reserved, below = 0.0, 0
    for upto, millicpu in steps:
        more = max(0, min(upto, vcpus) - below)
        reserved, below = reserved + more * millicpu, max(below, upto)
    return int(reserved)
