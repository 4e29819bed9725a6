"""Which machine each node pool of a cluster that is created gets, by the same rules in every cloud.

A node pool that is recorded in the status keeps its machine as long as the spec does not
contradict the record, so that a newer catalog moves no live node pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from functions.api import Allocatable, Capacity, Fabric, FabricKind, NodePool, PoolStatus, contract
from functions.base import View
from functions.catalog import Machine, machines

from ..pools.choose import alternatives, choose
from ..pools.likely import with_known_gpu
from ..pools.market import Market
from ..pools.pool import Pool
from ..pools.sharing import slices
from . import refusals

__all__ = ["LivePool", "picked", "sharing_labels"]


@dataclass(frozen=True)
class LivePool:
    """What a live node pool's own objects say of it."""

    machine: str
    """Machine type."""
    capacity: Capacity | None
    """How its machines are bought; None where an object that says so is missing."""
    reservation: str | None = None
    """Id of the reservation that the pool draws from, empty for none; None where that is not known."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of its nodes that say how their GPUs are shared."""
    disk_gib: int | None = None
    """Root disk of its nodes, in GiB; None where that is not known."""
    kubernetes: str = ""
    """Kubernetes minor version of its nodes; empty where that is not known."""


def sharing_labels(live: View, *path: str) -> dict[str, str]:
    """Return the labels, of those in a field of a live object, that say how GPUs are shared."""
    keys = (contract.MIG_CONFIG, contract.DEVICE_PLUGIN_CONFIG)
    return {key: value for key in keys if (value := live.text(*path, key))}


def picked(
    pools: Sequence[NodePool],
    market: Market,
    recorded: Mapping[str, PoolStatus],
    live: Mapping[str, LivePool],
    label: str,
) -> tuple[Pool, ...]:
    """Give every pool its machine.

    Args:
        pools: as the user wrote them.
        market: where the machines come from.
        recorded: pools of the status by name; they keep their machine.
        live: node pools that exist, by name. They keep what cannot change without replacing
            their nodes, and stand in for a record that is lost.
        label: key of the node label that carries the pool's name.

    Raises:
        Invalid: when no machine is what a pool asks for, naming those that are, or when a
            pool that lives would have to be replaced.
    """
    return tuple(
        _pool(
            f"spec.nodePools[{i}]",
            with_known_gpu(pool),
            market,
            recorded.get(pool.name),
            live.get(pool.name),
            label,
        )
        for i, pool in enumerate(pools)
    )


@dataclass(frozen=True)
class _Machine:
    """The machine of a pool, from the catalog or from the record."""

    gpu: str
    gpus: int
    gpu_memory_mib: int
    name: str
    price_usd_per_hour: float | None
    fabric: Fabric | None
    alternatives: tuple[str, ...]
    allocatable: Allocatable | None


def _pool(
    at: str, asked: NodePool, market: Market, record: PoolStatus | None, live: LivePool | None, label: str
) -> Pool:
    if live is not None and record is not None:
        refusals.check(at, asked, record)
    kept = record if record is not None and _agrees(asked, record) else None
    machine = _recorded(kept, market) if kept else _chosen(at, asked, market, live)
    if kept and live:
        shared = kept.sharing
    else:
        others = {m.gpu for m in market.fit}
        shared = slices(at, asked.sharing, machine.gpu, machine.gpu_memory_mib, others)
    if live is not None:
        refusals.check_disk(at, asked, live.disk_gib)
    if live is not None and record is None:
        refusals.check_live(
            at,
            asked,
            capacity=live.capacity,
            reservation=live.reservation,
            labels=live.labels,
            sharing=shared,
        )
    return Pool(
        asked.name,
        machine.gpu,
        machine.gpus,
        machine.gpu_memory_mib,
        asked.nodes,
        asked.capacity,
        asked.disk_gib,
        machine.name,
        machine.price_usd_per_hour,
        {label: asked.name},
        labels=asked.labels,
        taints=tuple(asked.taints),
        zones=tuple(asked.zones or (live and record and record.zones) or ()),
        reservation=asked.reservation,
        fabric=machine.fabric,
        sharing=shared,
        alternatives=machine.alternatives,
        allocatable=machine.allocatable,
    )


def _recorded(record: PoolStatus, market: Market) -> _Machine:
    known = machines(market.cloud).get(record.instance_type or "")
    return _Machine(
        record.gpu_model,
        record.gpus_per_node,
        record.gpu_memory_mib,
        record.instance_type or "",
        record.price_usd_per_hour,
        record.fabric,
        tuple(record.alternatives or ()),
        record.allocatable or (market.allocatable(known) if known else None),
    )


def _chosen(at: str, asked: NodePool, market: Market, live: LivePool | None) -> _Machine:
    """Return the machine that the pool runs on, where its record is lost, or one for a new pool.

    Raises:
        Invalid: also when the pool runs on another than the spec asks for.
    """
    running = live.machine if live is not None else ""
    found = _living(asked, market, running) or choose(at, asked, market)
    if running and found.name != running:
        part = "instanceType" if asked.instance_type else "gpu"
        raise refusals.fixed(f"{at}.{part}", f"the pool runs on {running}", asked.name)
    return _Machine(
        found.gpu,
        found.gpus,
        found.gpu_memory_mib or 0,
        found.name,
        found.price_usd_per_hour,
        market.fabric(found) if asked.fabric is FabricKind.RDMA else None,
        alternatives(found, asked, market),
        market.allocatable(found),
    )


def _living(asked: NodePool, market: Market, live: str) -> Machine | None:
    """Return the machine that the pool runs on, if that is still what the spec asks for."""
    machine = machines(market.cloud).get(live)
    if machine is None or asked.instance_type not in (None, live):
        return None
    if asked.fabric is FabricKind.RDMA and market.fabric(machine) is None:
        return None
    gpu = asked.gpu
    return machine if gpu is None or (gpu.model, gpu.count) == (machine.gpu, machine.gpus) else None


def _agrees(asked: NodePool, record: PoolStatus) -> bool:
    """Tell whether the recorded machine is still one that the spec asks for."""
    gpu = asked.gpu
    same_gpu = gpu is None or (gpu.model, gpu.count) == (record.gpu_model, record.gpus_per_node)
    same_type = bool(record.instance_type) and asked.instance_type in (None, record.instance_type)
    connected = (asked.fabric is FabricKind.RDMA) == (record.fabric is not None)
    return same_gpu and same_type and connected and asked.capacity is record.capacity
