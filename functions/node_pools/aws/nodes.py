"""Labels and taints of GPU nodes, and the tags by which the autoscaler knows nodes before they exist."""

from __future__ import annotations

from functions.api import SharingMode, contract

from ..pools.pool import Pool

__all__ = ["REPAIRED", "is_repaired", "labels", "taints", "template_tags"]

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
