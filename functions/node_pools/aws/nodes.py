"""What the nodes of a GPU pool carry: labels and taints, and tags that tell of them before there are any."""

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
"""Label of nodes whose GPUs are looked at, so that EKS repairs broken nodes."""


def is_repaired(pool: Pool) -> bool:
    """Tell whether EKS repairs a pool's nodes: not where GPUs are partitioned.

    What looks at the GPUs keeps them open, and the MIG manager can partition only GPUs that nobody uses.
    """
    return not _is_partitioned(pool)


def _is_partitioned(pool: Pool) -> bool:
    return pool.sharing is not None and pool.sharing.mode == SharingMode.MIG


def labels(pool: Pool) -> dict[str, str]:
    """Return the labels of its nodes, with those by which the GPU Operator shares their GPUs.

    The autoscaler waits for the GPUs of a new node that has its own label; by nvidia.com/gpu,
    of which a partitioned node has none, so it would wait for ever there.
    """
    counted = {} if _is_partitioned(pool) else {_ACCELERATOR: pool.gpu_model.lower(), **REPAIRED}
    return {**counted, **pool.node_labels}


def taints(pool: Pool) -> list[dict[str, str]]:
    """Return the taints of its nodes, as EKS spells them.

    With their value even where that is empty: the autoscaler overlooks a taint without one
    (getManagedNodegroupInfo in cluster-autoscaler/cloudprovider/aws/aws_wrapper.go).
    """
    own = [{"key": t.key, "value": t.value, "effect": _EFFECTS[t.effect]} for t in pool.taints]
    return [_GPU_TAINT, *own]


def template_tags(pool: Pool) -> dict[str, str]:
    """Return tags of the node group that tell the autoscaler what a node has, before there is one.

    Labels and taints it takes from the node group itself, and of resources it knows the
    machine's CPUs, memory and whole GPUs (buildNodeFromTemplate in
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
