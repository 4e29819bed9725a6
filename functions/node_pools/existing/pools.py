"""Pools of a cluster that is there already: as declared, and by which labels their nodes are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functions.api import NodePool, PoolStatus, SharingMode, Slices
from functions.base import Invalid
from functions.catalog import GPU, gpus

from ..pools.choose import UNKNOWN_GPU
from ..pools.likely import did_you_mean, likely_first
from ..pools.pool import Pool
from ..pools.sharing import described, same, slices

__all__ = ["pools"]

_PRODUCT, _COUNT = "nvidia.com/gpu.product", "nvidia.com/gpu.count"
"""Labels that GPU Feature Discovery gives a node."""
_SHARED = "-SHARED"
"""What it adds to the product of GPUs that are shared without MIG, since the stack does not rename them."""


def pools(asked: Sequence[NodePool], recorded: Mapping[str, PoolStatus]) -> tuple[Pool, ...]:
    """Take the pools as declared; a recorded one outlives the catalog.

    Raises:
        Invalid: for a GPU or a share of it that the catalog does not know, or two pools of the same nodes.
    """
    found = tuple(
        _pool(f"spec.nodePools[{i}]", pool, recorded.get(pool.name)) for i, pool in enumerate(asked)
    )
    _refuse_the_same_nodes(found)
    return found


def _pool(at: str, asked: NodePool, record: PoolStatus | None) -> Pool:
    assert asked.gpu is not None, "refused by ClusterSpec"
    model, count = asked.gpu.model, asked.gpu.count
    if record is not None and (record.gpu_model, record.gpus_per_node) != (model, count):
        record = None
    if record is not None and not same(asked.sharing, record.sharing):
        _refuse_another_share(at, record)
        record = None
    if record is not None:
        memory, shared = record.gpu_memory_mib, record.sharing
    else:
        memory = _gpu(at, model).memory_mib or 0
        shared = slices(at, asked.sharing, model, memory, gpus())
    return Pool(
        asked.name,
        model,
        count,
        memory,
        asked.nodes,
        asked.capacity,
        asked.disk_gib,
        node_selector=_selector(at, asked, shared, record),
        taints=tuple(asked.taints),
        sharing=shared,
    )


def _gpu(at: str, model: str) -> GPU:
    known = gpus()
    usable = sorted(name for name, gpu in known.items() if gpu.memory_mib is not None)
    gpu = known.get(model)
    if gpu is None:
        known_first = f"Known are {', '.join(likely_first(model, usable))}"
        raise Invalid(
            f"{at}.gpu.model", UNKNOWN_GPU.format(model), f"{did_you_mean(model, usable)}{known_first}"
        )
    if gpu.memory_mib is None:
        raise Invalid(
            f"{at}.gpu.model", f"the memory of {model} is not known", f"Known are {', '.join(usable)}"
        )
    return gpu


def _refuse_another_share(at: str, record: PoolStatus) -> None:
    """Models ask for the slices that the pool had when they came."""
    if record.gpus_in_use:
        raise Invalid(
            f"{at}.sharing",
            f"the pool {described(record.sharing)} and Models use it",
            f"Declare a pool with another name, move the Models, then remove pool {record.name}",
        )


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
    product = _gpu(at, asked.gpu.model).product
    if not product:
        raise Invalid(
            f"{at}.labels",
            f"the label that nodes with {asked.gpu.model} have is not known",
            "Give labels that the pool's nodes have and no others",
        )
    suffix = _SHARED if shared is not None and shared.mode != SharingMode.MIG else ""
    return {_PRODUCT: product + suffix, _COUNT: str(asked.gpu.count), **setting}


def _refuse_the_same_nodes(found: Sequence[Pool]) -> None:
    """Two pools of the same nodes would each promise them to Models."""
    seen: dict[tuple[tuple[str, str], ...], Pool] = {}
    for index, pool in enumerate(found):
        selector = tuple(sorted(pool.node_selector.items()))
        if selector in seen:
            raise Invalid(
                f"spec.nodePools[{index}]",
                f"it has the same nodes as pool {seen[selector].name}",
                "Give each labels that its nodes have and the other's have not, or make one pool of them",
            )
        seen[selector] = pool
