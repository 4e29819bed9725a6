"""Which machines the pools get: the same rules for every cloud, nothing of any one.

A pool that is recorded in the status keeps its machine as long as the spec does
not contradict it, so that a newer catalog moves nothing that runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from functions.api import (
    Capacity,
    Fabric,
    Network,
    NodePool,
    Nodes,
    PoolStatus,
    Reservation,
    Slices,
    Taint,
)
from functions.base import Invalid, Request, View
from functions.catalog import Machine, gpus, machines, nearest, regions

from .likely import did_you_mean, likely_first

__all__ = ["UNKNOWN_GPU", "Market", "Pool", "Recorded", "picked", "recorded", "summary"]

_AS_MUCH = 0.9
"""A GPU with this part of another's memory does for it: figures for one size differ by that much."""

UNKNOWN_GPU = "{} is not an NVIDIA GPU that the catalog knows"


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
            price_usd_per_hour=self.price_usd_per_hour,
            node_selector=dict(self.node_selector),
            taints=list(self.taints) or None,
            fabric=self.fabric,
            sharing=self.sharing,
            alternatives=list(self.alternatives) or None,
            ready=ready,
        )


@dataclass(frozen=True)
class Market:
    """Where machines are picked from."""

    cloud: str
    """The catalog's name of the cloud."""
    label: str
    """The cloud's name in messages."""
    region: str
    vouched: bool
    """The user named the zones, so an explicit machine need not be known in the region."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Machine families that this cloud's node image cannot drive, and why."""

    def fit(self) -> list[Machine]:
        """Return the machines that can serve here, wherever they are sold."""
        return [m for m in machines(self.cloud).values() if not self.against(m)]

    def against(self, machine: Machine) -> str:
        """Say why a machine cannot serve; nothing when it can."""
        if machine.family in self.unfit:
            return self.unfit[machine.family]
        if not machine.whole_gpus:
            return "it has a slice of a GPU; vLLM needs whole ones"
        if machine.architecture != "amd64":
            return f"its CPU is {machine.architecture}; the vLLM image is for amd64"
        if machine.gpu_memory_mib is None:
            return "the memory of its GPUs is not known"
        return ""

    def sells(self, machine: Machine) -> bool:
        """Tell whether the region may have a machine: always, where the region is not known."""
        region = regions(self.cloud).get(self.region)
        return region is None or region.zones_of(machine) is not None

    def regions_with(self, some: Iterable[Machine]) -> list[str]:
        """Return the regions that are known to have any of these machines."""
        wanted = list(some)
        return sorted(
            name
            for name, region in regions(self.cloud).items()
            if any(region.zones_of(m) is not None for m in wanted)
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
        live: machine types of the pools that exist, whose machines and capacity cannot
            change; they stand in for a record that is lost.
        label: key of the node label that carries the pool's name.

    Raises:
        Invalid: when no machine is what a pool asks for; it names those that are.
    """
    return tuple(
        _pool(f"spec.nodePools[{i}]", pool, market, recorded.get(pool.name), live.get(pool.name, ""), label)
        for i, pool in enumerate(pools)
    )


def _pool(at: str, asked: NodePool, market: Market, record: PoolStatus | None, live: str, label: str) -> Pool:
    selector = {label: asked.name}
    if record is not None and record.instance_type and _agrees(asked, record):
        if live and asked.capacity is not record.capacity:
            raise _fixed(f"{at}.capacity", f"the pool is {record.capacity.value}", asked.name)
        gpu, count, memory = record.gpu_model, record.gpus_per_node, record.gpu_memory_mib
        machine_type, price = record.instance_type, record.price_usd_per_hour
    else:
        machine = _living(asked, market, live) or _named_or_cheapest(at, asked, market)
        if live and machine.name != live:
            part = "instanceType" if asked.instance_type else "gpu"
            raise _fixed(f"{at}.{part}", f"the pool runs on {live}", asked.name)
        gpu, count, memory = machine.gpu, machine.gpus, machine.gpu_memory_mib or 0
        machine_type, price = machine.name, machine.price_usd_per_hour
    return Pool(
        asked.name,
        gpu,
        count,
        memory,
        asked.nodes,
        asked.capacity,
        asked.disk_gib,
        machine_type,
        price,
        selector,
        labels=asked.labels,
        taints=tuple(asked.taints),
        zones=tuple(asked.zones or ()),
        reservation=asked.reservation,
    )


def _living(asked: NodePool, market: Market, live: str) -> Machine | None:
    """Return the machine that the pool runs on, if that is still what the spec asks for."""
    machine = machines(market.cloud).get(live)
    if machine is None or asked.instance_type not in (None, live):
        return None
    gpu = asked.gpu
    return machine if gpu is None or (gpu.model, gpu.count) == (machine.gpu, machine.gpus) else None


def _named_or_cheapest(at: str, asked: NodePool, market: Market) -> Machine:
    return _named(at, asked, market) if asked.instance_type else _cheapest(at, asked, market)


def _agrees(asked: NodePool, record: PoolStatus) -> bool:
    """Tell whether the recorded machine is still one that the spec asks for."""
    gpu = asked.gpu
    same_gpu = gpu is None or (gpu.model, gpu.count) == (record.gpu_model, record.gpus_per_node)
    return same_gpu and asked.instance_type in (None, record.instance_type)


def _fixed(at: str, running: str, pool: str) -> Invalid:
    return Invalid(
        at,
        f"{running} and cannot change while it lives",
        f"Add a pool with another name, move the Models, then remove pool {pool}",
    )


def _named(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the machine that the user named, if it is fit and what the gpu block says."""
    given = asked.instance_type or ""
    known = machines(market.cloud)
    at_type = f"{at}.instanceType"
    if given not in known:
        similar = nearest(given, [m.name for m in market.fit()])
        hint = f"Nearest are {', '.join(similar)}" if similar else "Leave it out to have one picked"
        raise Invalid(at_type, f"{given} is no {market.label} GPU machine in the catalog", hint)
    machine = known[given]
    if why := market.against(machine):
        instead = _instead(market, machine.gpu, machine.gpus, machine.gpu_memory_mib)
        raise Invalid(at_type, f"{given} cannot serve: {why}", instead or "Use another GPU")
    if asked.gpu and (asked.gpu.model, asked.gpu.count) != (machine.gpu, machine.gpus):
        raise Invalid(
            at_type,
            f"{given} has {machine.gpus} x {machine.gpu}, "
            f"and gpu asks for {asked.gpu.count} x {asked.gpu.model}",
            "Drop one of instanceType and gpu, or make them agree",
        )
    if not market.vouched and not market.sells(machine):
        raise Invalid(
            at_type,
            f"{given} is not known to be sold in {market.region}",
            f"{_elsewhere(market, [machine])}, or vouch for it by naming the zones that have it",
        )
    return machine


def _cheapest(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the cheapest machine with exactly the GPUs asked for that the region has."""
    assert asked.gpu is not None, "a pool without instanceType has a gpu"
    model, count = asked.gpu.model, asked.gpu.count
    fit = market.fit()
    of_model = [m for m in fit if m.gpu == model]
    if not of_model:
        raise _no_such_gpu(f"{at}.gpu.model", model, count, market)
    right = [m for m in of_model if m.gpus == count]
    if not right:
        counts = sorted({m.gpus for m in of_model})
        raise Invalid(
            f"{at}.gpu.count",
            f"no {market.label} machine has {count} x {model}",
            f"Machines with {model} have {_or([str(c) for c in counts])}",
        )
    here = [m for m in right if market.sells(m)]
    if not here:
        local = sorted({m.gpu for m in fit if market.sells(m)})
        instead = f"; {market.region} has {', '.join(local)}" if local else ""
        raise Invalid(
            f"{at}.gpu",
            f"{market.region} is not known to have machines with {count} x {model}",
            f"{_elsewhere(market, right)}{instead}",
        )
    return _cheapest_first(here)[0]


def _cheapest_first(some: Iterable[Machine]) -> list[Machine]:
    """Sort by listed price, those without one last, then by name."""
    return sorted(some, key=lambda m: (m.price_usd_per_hour is None, m.price_usd_per_hour or 0.0, m.name))


def _no_such_gpu(at: str, model: str, count: int, market: Market) -> Invalid:
    here = {m.gpu for m in market.fit()}
    listed = f"{market.label} has {', '.join(likely_first(model, here))}"
    unfit = [m for m in machines(market.cloud).values() if m.gpu == model]
    if not unfit and model not in gpus():
        others = f"; also known are {', '.join(sorted(gpus().keys() - here))}"
        return Invalid(at, UNKNOWN_GPU.format(model), f"{did_you_mean(model, here)}{listed}{others}")
    memory = unfit[0].gpu_memory_mib if unfit else gpus()[model].memory_mib
    problem = (
        f"{model} cannot serve on {market.label}: {market.against(unfit[0])}"
        if unfit
        else f"{market.label} has no machine with {model}"
    )
    instead = _instead(market, model, count, memory)
    return Invalid(at, problem, f"{instead}. {listed}" if instead else listed)


def _instead(market: Market, gpu: str, count: int, memory_mib: int | None) -> str:
    """Name the cheapest machine of the region with the GPU, else with GPUs as large; or nothing."""
    here = [m for m in market.fit() if market.sells(m) and m.gpus >= count]
    least = None if memory_mib is None else _AS_MUCH * memory_mib
    same = [m for m in here if m.gpu == gpu]
    enough = [m for m in here if least is not None and (m.gpu_memory_mib or 0) >= least]
    found = _cheapest_first(same or enough)
    if not found:
        return ""
    best = found[0]
    return f"Use {best.name} ({best.gpus} x {best.gpu}), the cheapest in {market.region} that would do"


def _elsewhere(market: Market, some: list[Machine]) -> str:
    found = market.regions_with(some)
    return f"Regions that have them: {', '.join(found)}" if found else "No region is known to have them"


def _or(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def summary(pools: Sequence[Pool]) -> str:
    """Say in one line what every pool is."""
    return "; ".join(
        f"{p.name}: {p.instance_type or 'its own machines'} ({p.gpus_per_node} x {p.gpu_model}, "
        f"{p.gpu_memory_mib} MiB each), {p.nodes.min} to {p.nodes.max} nodes"
        for p in pools
    )
