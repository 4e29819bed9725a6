"""Node pools of an existing cluster: as the spec declares them, and by which labels their nodes are known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from functions.api import Gpu, NodePool, PoolStatus, SharingMode, Slices
from functions.api.node_keys import VALUE
from functions.base import Invalid
from functions.catalog import gpus

from ..models.guards import named
from ..models.in_use import InUse
from ..pools.choose import UNKNOWN_GPU
from ..pools.likely import did_you_mean, with_known_gpu
from ..pools.pool import Pool
from ..pools.sharing import described, same, slices

__all__ = ["pools"]

_PRODUCT, _COUNT = "nvidia.com/gpu.product", "nvidia.com/gpu.count"
"""Labels that GPU Feature Discovery gives a node."""
_DECLARE = (
    "Declare the GPU: set gpu.memoryGiB and gpu.computeCapability to what the labels nvidia.com/gpu.memory "
    "(in MiB, divided by 1024), nvidia.com/gpu.compute.major and nvidia.com/gpu.compute.minor of its nodes "
    'say, such as memoryGiB: 23.9 and computeCapability: "8.9"'
)
_SHARED = "-SHARED"
"""What it adds to the product of GPUs that are shared without MIG, since the stack does not rename them."""


def pools(asked: Sequence[NodePool], recorded: Mapping[str, PoolStatus], in_use: InUse) -> tuple[Pool, ...]:
    """Take node pools as the spec declares them; a recorded one outlives the catalog.

    Args:
        asked: as the user wrote them.
        recorded: node pools of the status by name.
        in_use: the Models on the cluster.

    Raises:
        Invalid: for a GPU that neither the catalog knows nor the spec declares, for a share of a
            GPU that the catalog does not know, for two pools of the same nodes, and for what
            Models on a pool do not let change.
        Unanswered: where a pool changes and it is not known whether Models use the pool.
    """
    found = tuple(
        _pool(f"spec.nodePools[{i}]", with_known_gpu(pool), recorded.get(pool.name), in_use)
        for i, pool in enumerate(asked)
    )
    _refuse_the_same_nodes(found)
    return found


def _pool(at: str, asked: NodePool, record: PoolStatus | None, in_use: InUse) -> Pool:
    assert asked.gpu is not None, "refused by ClusterSpec"
    kept = record if record is not None and _agrees(asked, record) else None
    if kept is not None:
        memory, shared = kept.gpu_memory_mib, kept.sharing
    else:
        memory = asked.gpu.memory_mib or _memory_mib(at, asked.gpu.model)
        shared = slices(at, asked.sharing, asked.gpu.model, memory, gpus())
    pool = Pool(
        asked.name,
        asked.gpu.model,
        asked.gpu.count,
        memory,
        asked.nodes,
        asked.capacity,
        asked.disk_gib,
        node_selector=_selector(at, asked, shared, kept),
        taints=tuple(asked.taints),
        sharing=shared,
        compute_capability=asked.gpu.compute_capability or "",
    )
    if record is not None:
        _refuse_changes(at, asked, pool, record, in_use)
    return pool


def _agrees(asked: NodePool, record: PoolStatus) -> bool:
    """Tell whether the recorded GPUs, and how they are shared, are what the spec declares."""
    gpu = asked.gpu
    assert gpu is not None, "refused by ClusterSpec"
    same_gpu = (record.gpu_model, record.gpus_per_node) == (gpu.model, gpu.count)
    return same_gpu and _declared_alike(gpu, record) and same(asked.sharing, record.sharing)


def _declared_alike(gpu: Gpu, record: PoolStatus) -> bool:
    """Tell whether the spec declares the memory and compute capability that are recorded, or neither."""
    if gpu.compute_capability != record.compute_capability:
        return False
    return gpu.memory_mib in (None, record.gpu_memory_mib)


def _refuse_changes(at: str, asked: NodePool, pool: Pool, record: PoolStatus, in_use: InUse) -> None:
    """Refuse what the Models on a node pool were placed by: its GPUs, their slices and its nodes.

    Raises:
        Invalid: while Models use the pool.
        Unanswered: where it is not known whether Models do.
    """
    assert asked.gpu is not None, "refused by ClusterSpec"
    if (pool.gpu_model, pool.gpus_per_node) != (record.gpu_model, record.gpus_per_node):
        field, was = "gpu", f"has {record.gpus_per_node} x {record.gpu_model} a node"
    elif not _declared_alike(asked.gpu, record):
        field, was = "gpu", f"has GPUs of {record.gpu_memory_mib} MiB{_capability(record)}"
    elif not same(asked.sharing, record.sharing):
        field, was = "sharing", described(record.sharing)
    elif record.node_selector not in ({}, dict(pool.node_selector)):
        field, was = "labels", f"has the nodes with labels {_in_words(record.node_selector)}"
    else:
        return
    if users := in_use.of(pool.name):
        raise Invalid(
            f"{at}.{field}",
            f"node pool {pool.name} {was}, and {named(users)} {'uses' if len(users) == 1 else 'use'} it",
            f"Declare a pool with another name, move the Models, then remove pool {pool.name}",
        )


def _in_words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _capability(record: PoolStatus) -> str:
    of = record.compute_capability
    return f" and compute capability {of}" if of else ""


def _memory_mib(at: str, model: str) -> int:
    """Return the memory of one GPU that the catalog knows.

    Raises:
        Invalid: for a GPU that the catalog does not know, with how to declare the GPU.
    """
    known = gpus()
    usable = sorted(name for name, gpu in known.items() if gpu.memory_mib is not None)
    gpu = known.get(model)
    if gpu is None:
        meant = did_you_mean(model, usable)
        raise Invalid(f"{at}.gpu", UNKNOWN_GPU.format(model), f"{meant}{_DECLARE}")
    if gpu.memory_mib is None:
        raise Invalid(f"{at}.gpu", f"the memory of {model} is not known", _DECLARE)
    return gpu.memory_mib


def _selector(
    at: str, asked: NodePool, shared: Slices | None, record: PoolStatus | None
) -> Mapping[str, str]:
    """Return the labels by which the pool's nodes are known: the user's own, or the discovered ones.

    How GPUs are shared is a label too, which whoever owns the nodes sets.
    """
    setting = shared.node_labels if shared else {}
    if asked.labels:
        return {**asked.labels, **setting}
    if record is not None and _COUNT in record.node_selector:
        return record.node_selector
    assert asked.gpu is not None, "refused by ClusterSpec"
    product = _product(asked.gpu)
    if not product:
        raise Invalid(
            f"{at}.labels",
            f"the label that nodes with {asked.gpu.model} have is not known",
            "Give labels that the pool's nodes have and no others",
        )
    suffix = _SHARED if shared is not None and shared.mode != SharingMode.MIG else ""
    return {_PRODUCT: product + suffix, _COUNT: str(asked.gpu.count), **setting}


def _product(gpu: Gpu) -> str:
    """Return the label of nodes with a GPU; empty where it is not known.

    A GPU that the catalog does not know is declared by the driver's name, and GPU Feature Discovery
    writes that name with '-' for spaces.
    """
    known = gpus().get(gpu.model)
    if known is not None:
        return known.product
    driver = gpu.model.replace(" ", "-")
    return driver if re.fullmatch(VALUE.pattern, driver) else ""


def _refuse_the_same_nodes(found: Sequence[Pool]) -> None:
    """Refuse two pools of the same nodes: each would promise the nodes to Models.

    A node that has all labels of one pool belongs to every pool that asks for some of them. Where neither
    pool's labels are among the other's, only nodes show whether the pools overlap: `nodes` tells.
    """
    for index, pool in enumerate(found):
        for other in found[:index]:
            narrow, wide = sorted((pool, other), key=lambda p: -len(p.node_selector))
            if wide.node_selector.items() <= narrow.node_selector.items():
                raise Invalid(
                    f"spec.nodePools[{index}]",
                    f"nodes of pool {narrow.name} are nodes of pool {wide.name} as well, by labels "
                    f"{_in_words(wide.node_selector)}",
                    "Give each labels that its nodes have and the other's have not, or make one pool of them",
                )
