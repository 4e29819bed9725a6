"""Labels and taints of GPU nodes, and the tags by which the autoscaler knows nodes before they exist."""

from __future__ import annotations

from functions.api import Allocatable, SharingMode, contract
from functions.catalog import Machine

from ..pools.pool import Pool

__all__ = ["REPAIRED", "allocatable", "is_repaired", "labels", "taints", "template_tags"]

_GPU_TAINT = {"key": contract.GPU, "value": "true", "effect": "NO_SCHEDULE"}
_EFFECTS = {
    "NoSchedule": "NO_SCHEDULE",
    "PreferNoSchedule": "PREFER_NO_SCHEDULE",
    "NoExecute": "NO_EXECUTE",
}

_ACCELERATOR = "k8s.amazonaws.com/accelerator"
_HAS = "k8s.io/cluster-autoscaler/node-template/resources/"


REPAIRED = {"freehold.dev/node-repair": "true"}
"""Label of nodes whose GPUs the node monitoring agent watches, so that EKS repairs broken nodes."""


def is_repaired(pool: Pool) -> bool:
    """Tell whether EKS repairs a pool's nodes: pools with MIG are left out.

    The node monitoring agent keeps GPUs open, and the MIG manager can partition only GPUs that no
    process uses.
    """
    return not _is_partitioned(pool)


def _is_partitioned(pool: Pool) -> bool:
    return pool.sharing is not None and pool.sharing.mode == SharingMode.MIG


# What EKS' nodes keep: nodeadm/internal/kubelet/config.go of https://github.com/awslabs/amazon-eks-ami.
# The kernel's and the hypervisor's part of the memory: Karpenter's VM_MEMORY_OVERHEAD_PERCENT.
_KERNELS_PERCENT = 7.5
_EVICTION_MIB = 100
_KUBELET_MIB, _KUBELET_MIB_PER_POD = 255, 11
_MOST_PODS = 110
"""More than small machines can have. Large ones have more, and far more memory than is kept here for them."""
_KEPT_CPU = ((1, 60.0), (1, 10.0), (2, 5.0))
"""Cores one after the other, and the thousandths kept of each; 2.5 of any further one."""


def allocatable(machine: Machine) -> Allocatable | None:
    """Return what pods can request of a machine with EKS' node image, rather too little than too much."""
    if machine.memory_gib is None:
        return None
    kept, cores = 0.0, machine.vcpus
    for some, each in _KEPT_CPU:
        kept += min(some, cores) * each
        cores -= min(some, cores)
    memory = machine.memory_gib * 1024 * (1 - _KERNELS_PERCENT / 100)
    reserved = _KUBELET_MIB + _KUBELET_MIB_PER_POD * _MOST_PODS + _EVICTION_MIB
    return Allocatable(
        cpu_millicores=int(machine.vcpus * 1000 - kept - cores * 2.5), memory_mib=int(memory - reserved)
    )


def labels(pool: Pool) -> dict[str, str]:
    """Return the labels of a pool's nodes, with those by which the GPU Operator shares GPUs.

    The autoscaler waits until a new node with the accelerator label offers nvidia.com/gpu. A node
    with MIG never offers that resource, so it goes without the label.
    """
    counted = {} if _is_partitioned(pool) else {_ACCELERATOR: pool.gpu_model.lower(), **REPAIRED}
    return {**counted, **pool.node_labels}


def taints(pool: Pool) -> list[dict[str, str]]:
    """Return the taints of a pool's nodes, as EKS spells them.

    An empty value is written too: the autoscaler overlooks a taint without a value
    (getManagedNodegroupInfo in cluster-autoscaler/cloudprovider/aws/aws_wrapper.go).
    """
    own = [{"key": t.key, "value": t.value, "effect": _EFFECTS[t.effect]} for t in pool.taints]
    return [_GPU_TAINT, *own]


def template_tags(pool: Pool) -> dict[str, str]:
    """Return tags of a node group that tell the autoscaler which resources a future node has.

    The autoscaler reads labels and taints from the node group itself, and knows a machine's CPUs,
    memory and whole GPUs (buildNodeFromTemplate in
    cluster-autoscaler/cloudprovider/aws/aws_manager.go).
    """
    has: dict[str, int | str] = {
        "ephemeral-storage": f"{pool.disk_gib * 9 // 10}Gi",
        contract.GPU: pool.gpus_per_node,
    }
    if pool.sharing is not None:
        has |= {contract.GPU: 0, pool.sharing.resource: pool.gpus_per_node * pool.sharing.per_gpu}
    if pool.fabric is not None:
        has[pool.fabric.resource] = pool.fabric.per_node
    return {f"{_HAS}{resource}": str(count) for resource, count in has.items()}
