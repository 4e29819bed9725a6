"""The GPUs that a claim takes and what they cost, from the claim's rendered status and the catalog.

Prices are listed on-demand prices in US dollars, of GPU nodes alone and without discounts: good for
comparing claims before anything is bought.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from functions.api import Capacity, ClusterSpec, ModelSpec, Placement, PoolStatus, ReservationKind, Sizing
from functions.catalog import machines, regions
from functions.node_pools.registry import PLACES
from functions.vllm.place.devices import devices_per_node
from tools.console import table
from tools.manifests import Manifest

__all__ = ["report"]

_HEAD = ("POOL", "NODES", "GPUS", "MACHINE", "CAPACITY", "A NODE", "USD/H")
_NOT_IN_IT = "Not in it: the control plane, its system nodes, NAT gateways, disks, traffic, taxes."
_SPOT = "Spot is listed at the on-demand price, which it stays below."
_PREPAID = "A Capacity Block is paid for beforehand."
_RESERVED = "An On-Demand Capacity Reservation costs the same while its machines are not used."
_THEIRS = "Nothing is bought: the cluster and its nodes exist already."


@dataclass(frozen=True)
class _Price:
    """The listed price of one node."""

    usd_per_hour: float
    region: str
    """The region that lists this price."""
    date: str
    factor: float | None
    """The price in the cluster's region divided by this one; None when the catalog does not know it."""

    @property
    def here(self) -> float:
        """The price in the cluster's region; this one where the factor is not known."""
        return self.usd_per_hour * (self.factor or 1.0)

    def __str__(self) -> str:
        """The price, and the factor of the cluster's region unless that is 1."""
        factor = "" if self.factor in (None, 1.0) else f" x {self.factor:g}"
        return f"{self.usd_per_hour:.2f}{factor}"


@dataclass(frozen=True)
class _Priced:
    """A node pool and the price of a node; None for an existing cluster and for an unknown price."""

    pool: PoolStatus
    price: _Price | None

    @property
    def prepaid(self) -> bool:
        """Whether the nodes are paid for in advance."""
        reservation = self.pool.reservation
        return reservation is not None and reservation.kind is ReservationKind.CAPACITY_BLOCK

    def hourly(self, nodes: int) -> float:
        """US dollars per hour of this number of nodes."""
        return 0.0 if self.price is None or self.prepaid else self.price.here * nodes


def report(xr: Manifest, required: Sequence[Manifest]) -> list[RenderableType]:
    """Return a table and lines; nothing for a cluster without a plan or a Model without a placement.

    Args:
        xr: an XInferenceCluster or XModel with its rendered status.
        required: the required resources of the render; a Model's price is that of its cluster's pool.
    """
    return [*(_of_model(xr, required) if xr["kind"] == "XModel" else _of_cluster(xr))]


def _of_cluster(xr: Manifest) -> Iterator[RenderableType]:
    if pools := _pools(xr):
        total = [_total(pools)] if len(pools) > 1 else []
        yield table(_HEAD, [*map(_row, pools), *total])
        yield from _notes(pools, _place(xr))


def _of_model(xr: Manifest, required: Sequence[Manifest]) -> Iterator[str]:
    status = xr.get("status") or {}
    if not status.get("placement"):
        return
    at = Placement.model_validate(status["placement"])
    replicas = ModelSpec.model_validate(xr["spec"]).replicas
    of = f"{_count(replicas.min, 'replica')} x {_count(at.nodes, 'node')} x {at.gpus} {at.resource}"
    line = f"Takes {of} ({at.gpu_model}) of pool {at.node_pool} in {at.claim}"
    if status.get("sizing"):
        need = Sizing.model_validate(status["sizing"])
        line += f", {need.needed_gib_per_gpu:.1f} of {need.usable_gib_per_gpu:.1f} GiB on each"
    yield f"{line}."
    yield from _share(at, replicas.min * at.nodes * at.gpus, required)


def _share(at: Placement, devices: int, required: Sequence[Manifest]) -> Iterator[str]:
    """Say a Model's share of the listed price of its nodes; nothing where the price is not known."""
    homes = [m for m in required if m["kind"] == "XInferenceCluster" and m["metadata"]["name"] == at.cluster]
    priced = [p for home in homes for p in _pools(home) if p.pool.name == at.node_pool]
    if not priced or priced[0].price is None or priced[0].prepaid:
        return
    pool, price = priced[0].pool, priced[0].price
    per_node = devices_per_node(pool)
    hourly = priced[0].hourly(1) * devices / per_node
    yield (
        f"Its share of the listed price is {hourly:.2f} USD/h: {price} for each node with {per_node} "
        f"{at.resource}, on demand in {price.region} on {price.date}."
    )


def _place(xr: Manifest) -> tuple[str, str] | None:
    """Return cloud and region; None for an existing cluster."""
    spec = ClusterSpec.model_validate(xr["spec"])
    found = ((place.name, getattr(spec, place.name)) for place in PLACES)
    return next(((name, in_it.region) for name, in_it in found if hasattr(in_it, "region")), None)


def _pools(xr: Manifest) -> list[_Priced]:
    place = _place(xr)
    found: list[Any] = (xr.get("status") or {}).get("nodePools") or []
    pools = [PoolStatus.model_validate(each) for each in found]
    return [_Priced(pool, _price(pool, *place) if place else None) for pool in pools]


def _price(pool: PoolStatus, cloud: str, region: str) -> _Price | None:
    machine = machines(cloud).get(pool.instance_type or "")
    if machine is None or machine.price_usd_per_hour is None:
        return None
    facts = regions(cloud).get(region)
    factor = facts.price_factor_of(machine) if facts else None
    return _Price(machine.price_usd_per_hour, machine.price_region, machine.price_date, factor)


def _row(each: _Priced) -> tuple[str, ...]:
    pool, nodes, node = each.pool, each.pool.nodes, each.pool.gpus_per_node
    slices = f", {pool.sharing.per_gpu} slices each" if pool.sharing else ""
    return (
        pool.name,
        _between(nodes.min, nodes.max),
        f"{_between(nodes.min * node, nodes.max * node)} x {pool.gpu_model}{slices}",
        pool.instance_type or "its own",
        pool.capacity.value if pool.instance_type else "-",
        "prepaid" if each.prepaid else str(each.price or "-"),
        f"{each.hourly(nodes.min):.2f} to {each.hourly(nodes.max):.2f}" if each.price else "-",
    )


def _total(pools: Sequence[_Priced]) -> tuple[str, ...]:
    bounds = [[(p, p.pool.nodes.min) for p in pools], [(p, p.pool.nodes.max) for p in pools]]
    nodes = [sum(n for _, n in bound) for bound in bounds]
    gpus = [sum(p.pool.gpus_per_node * n for p, n in bound) for bound in bounds]
    cost = [sum(p.hourly(n) for p, n in bound) for bound in bounds]
    hourly = f"{cost[0]:.2f} to {cost[1]:.2f}" if any(p.price for p in pools) else "-"
    return ("total", _between(*nodes), _between(*gpus), "", "", "", hourly)


def _notes(pools: Sequence[_Priced], place: tuple[str, str] | None) -> Iterator[str]:
    if place is None:
        yield _THEIRS
        return
    region = place[1]
    for listed, date in sorted({(p.price.region, p.price.date) for p in pools if p.price}):
        differs = "" if listed == region else f", times what {region} is known to differ by"
        yield f"Listed on demand in {listed} on {date}{differs}."
    if elsewhere := [p for p in pools if p.price is not None and p.price.factor is None]:
        yield f"What {region} differs by is not known for {_machines(elsewhere)}."
    if unknown := [p for p in pools if p.price is None]:
        yield f"No price is known for {_machines(unknown)}: it is not in the sums."
    if any(p.pool.capacity is Capacity.SPOT for p in pools):
        yield _SPOT
    if any(p.prepaid for p in pools):
        yield _PREPAID
    if any(p.pool.reservation and not p.prepaid for p in pools):
        yield _RESERVED
    yield _NOT_IN_IT


def _machines(some: Sequence[_Priced]) -> str:
    return ", ".join(dict.fromkeys(p.pool.instance_type or p.pool.name for p in some))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _between(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
