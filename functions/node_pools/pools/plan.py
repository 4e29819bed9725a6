"""Which machines the pools get: the same rules for every cloud, nothing of any one.

A pool that is recorded in the status keeps its machine as long as the spec does
not contradict it, so that a newer catalog moves nothing that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from functions.api import (
    Capacity,
    Fabric,
    FabricKind,
    Network,
    NodePool,
    Nodes,
    PoolStatus,
    Reservation,
    Slices,
    Taint,
)
from functions.base import Invalid, Request, View
from functions.catalog import Machine, machines

from .choose import UNKNOWN_GPU, alternatives, choose
from .market import Market
from .sharing import described, same, slices

__all__ = ["UNKNOWN_GPU", "Market", "Pool", "Recorded", "picked", "recorded", "summary"]


@dataclass(frozen=True)
class Recorded:
    """The plan of an earlier run, as far as the status has it."""

    pools: Mapping[str, PoolStatus]
    zones: tuple[str, ...]
    kubernetes_version: str


def recorded(request: Request) -> Recorded:
    """Read the plan of an earlier run from the observed status; what cannot be read is not there."""
    composite = View(request.composite)
    pools = (view.parsed(PoolStatus) for view in composite.each("status", "nodePools"))
    network = composite.parsed(Network, "status", "network")
    return Recorded(
        pools={pool.name: pool for pool in pools if pool is not None},
        zones=tuple(network.zones) if network is not None else (),
        kubernetes_version=composite.text("status", "kubernetesVersion") or "",
    )


@dataclass(frozen=True)
class Pool:
    """A node pool as it is built."""

    name: str
    gpu_model: str
    gpus_per_node: int
    gpu_memory_mib: int
    """Usable memory of one GPU, in MiB."""
    nodes: Nodes
    capacity: Capacity
    disk_gib: int
    """Root disk of a node, in GiB."""
    instance_type: str = ""
    """Machine type; empty where the machines are there already."""
    price_usd_per_hour: float | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that its nodes have, and no other pool's."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The user's own labels of its nodes."""
    taints: tuple[Taint, ...] = ()
    """The user's own taints of its nodes, beside nvidia.com/gpu."""
    zones: tuple[str, ...] = ()
    """Zones that the user names for it; none: those that have the machine."""
    reservation: Reservation | None = None
    """Where its machines are bought already."""
    fabric: Fabric | None = None
    """RDMA devices of a node, where the user asks for them."""
    sharing: Slices | None = None
    """How its GPUs are shared; None: whole GPUs."""
    alternatives: tuple[str, ...] = ()
    """Other machines that would do, the cheapest first, with their price."""

    def status(self, *, ready: bool) -> PoolStatus:
        """Return what the cluster's status records of it."""
        return PoolStatus(
            name=self.name,
            gpu_model=self.gpu_model,
            gpus_per_node=self.gpus_per_node,
            gpu_memory_mib=self.gpu_memory_mib,
            instance_type=self.instance_type or None,
            nodes=self.nodes,
            capacity=self.capacity,
            reservation=self.reservation,
            zones=list(self.zones) or None,
            price_usd_per_hour=self.price_usd_per_hour,
            node_selector=dict(self.node_selector),
            taints=list(self.taints) or None,
            fabric=self.fabric,
            sharing=self.sharing,
            alternatives=list(self.alternatives) or None,
            ready=ready,
        )


def picked(
    pools: Sequence[NodePool],
    market: Market,
    recorded: Mapping[str, PoolStatus],
    live: Mapping[str, str],
    label: str,
) -> tuple[Pool, ...]:
    """Give every pool its machine.

    Args:
        pools: as the user wrote them.
        market: where the machines come from.
        recorded: pools of the status by name; they keep their machine.
        live: machine types of the pools that exist, which keep what cannot change without
            replacing their nodes; they stand in for a record that is lost.
        label: key of the node label that carries the pool's name.

    Raises:
        Invalid: when no machine is what a pool asks for, naming those that are, or when a
            pool that lives would have to be replaced.
    """
    return tuple(
        _pool(f"spec.nodePools[{i}]", pool, market, recorded.get(pool.name), live.get(pool.name, ""), label)
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


def _pool(at: str, asked: NodePool, market: Market, record: PoolStatus | None, live: str, label: str) -> Pool:
    if live and record is not None:
        _refuse_changes(at, asked, record)
    kept = record if record is not None and _agrees(asked, record) else None
    machine = _recorded(kept) if kept else _chosen(at, asked, market, live)
    if kept and live:
        shared = kept.sharing
    else:
        others = {m.gpu for m in market.fit}
        shared = slices(at, asked.sharing, machine.gpu, machine.gpu_memory_mib, others)
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
    )


def _recorded(record: PoolStatus) -> _Machine:
    return _Machine(
        record.gpu_model,
        record.gpus_per_node,
        record.gpu_memory_mib,
        record.instance_type or "",
        record.price_usd_per_hour,
        record.fabric,
        tuple(record.alternatives or ()),
    )


def _chosen(at: str, asked: NodePool, market: Market, live: str) -> _Machine:
    """Return the machine that the pool runs on, where its record is lost, or one for a new pool.

    Raises:
        Invalid: also when the pool runs on another than the spec asks for.
    """
    found = _living(asked, market, live) or choose(at, asked, market)
    if live and found.name != live:
        part = "instanceType" if asked.instance_type else "gpu"
        raise _fixed(f"{at}.{part}", f"the pool runs on {live}", asked.name)
    return _Machine(
        found.gpu,
        found.gpus,
        found.gpu_memory_mib or 0,
        found.name,
        found.price_usd_per_hour,
        market.fabric(found) if asked.fabric is FabricKind.RDMA else None,
        alternatives(found, asked, market),
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


def _refuse_changes(at: str, asked: NodePool, record: PoolStatus) -> None:
    """Refuse what would replace every node of a pool that lives, and with them its Models.

    Raises:
        Invalid: with the way to do it.
    """
    if asked.capacity is not record.capacity:
        raise _fixed(f"{at}.capacity", f"the pool is {record.capacity.value}", asked.name)
    if asked.reservation != record.reservation:
        of = f"draws from {record.reservation.id}" if record.reservation else "draws from no reservation"
        raise _fixed(f"{at}.reservation", f"the pool {of}", asked.name)
    if (asked.fabric is FabricKind.RDMA) != (record.fabric is not None):
        has = f"has {record.fabric.resource}" if record.fabric else "has no fabric"
        raise _fixed(f"{at}.fabric", f"the pool {has}", asked.name)
    if asked.zones is not None and set(asked.zones) != set(record.zones or ()):
        where = f"in {', '.join(record.zones)}" if record.zones else "where its machine was known to be"
        raise _fixed(f"{at}.zones", f"the pool is {where}", asked.name)
    if not same(asked.sharing, record.sharing):
        raise _fixed(f"{at}.sharing", f"the pool {described(record.sharing)}", asked.name)


def _fixed(at: str, running: str, pool: str) -> Invalid:
    return Invalid(
        at,
        f"{running} and cannot change while it lives",
        f"Add a pool with another name, move the Models, then remove pool {pool}",
    )


def summary(pools: Sequence[Pool]) -> str:
    """Say in one line what every pool is."""
    return "; ".join(
        f"{p.name}: {p.instance_type or 'its own machines'} ({', '.join(_parts(p))}), "
        f"{p.nodes.min} to {p.nodes.max} nodes"
        for p in pools
    )


def _parts(pool: Pool) -> Iterator[str]:
    yield f"{pool.gpus_per_node} x {pool.gpu_model}"
    yield f"{pool.gpu_memory_mib} MiB each"
    if pool.sharing:
        yield f"in {pool.sharing.per_gpu} slices of {pool.sharing.memory_mib} MiB by {pool.sharing.mode}"
    if pool.fabric:
        yield f"{pool.fabric.per_node} x {pool.fabric.resource}"
