"""Which machine a node pool gets: the one that the pool names, or the cheapest with the GPUs it asks for."""

from __future__ import annotations

from collections.abc import Sequence

from functions.api import Capacity, FabricKind, NodePool
from functions.base import Invalid
from functions.catalog import Machine, gpus, machines, nearest

from .likely import did_you_mean, likely_first
from .market import Market, cheapest_first

__all__ = ["UNKNOWN_GPU", "alternatives", "choose"]

_AS_MUCH = 0.9
"""Part of a GPU's memory that a replacement needs: figures for one size differ by less than the rest."""

UNKNOWN_GPU = "{} is not an NVIDIA GPU that the catalog knows"

_ALTERNATIVES = 5
_NAMED = 3
"""Machines that a message names."""


def choose(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the machine of a node pool.

    Args:
        at: path of the node pool in the spec, for messages.
        asked: the node pool as the user wrote it.
        market: of the cloud and region.

    Raises:
        Invalid: when no machine fits the node pool; it names machines that are close.
    """
    return _named(at, asked, market) if asked.instance_type else _cheapest(at, asked, market)


def alternatives(machine: Machine, asked: NodePool, market: Market) -> tuple[str, ...]:
    """Return the region's other machines with the same GPUs, priced in USD per hour, cheapest first."""
    alike = [
        m
        for m in market.here
        if (m.gpu, m.gpus) == (machine.gpu, machine.gpus)
        and m.name != machine.name
        and market.offers(m, asked.capacity)
        and (asked.fabric is FabricKind.NONE or market.fabric(m))
    ]
    return tuple(_priced(m) for m in cheapest_first(alike)[:_ALTERNATIVES])


def _priced(machine: Machine) -> str:
    price = machine.price_usd_per_hour
    return f"{machine.name} {price:.2f} USD/h" if price is not None else f"{machine.name}, no listed price"


def _named(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the machine that instanceType names.

    Raises:
        Invalid: when the machine is not known, cannot serve, is not sold, or contradicts `gpu`.
    """
    given = asked.instance_type or ""
    known = machines(market.cloud)
    at_type = f"{at}.instanceType"
    if given not in known:
        similar = nearest(given, [m.name for m in market.fit])
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
    if not (market.vouched or asked.zones or market.sells(machine)):
        raise Invalid(
            at_type,
            f"{given} is not known to be sold in {market.region}",
            f"{_elsewhere(market, [machine])}, or vouch for it by naming the zones that have it",
        )
    return _sold(at, given, [machine], asked, market)[0]


def _cheapest(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the region's cheapest machine with exactly the GPUs that `gpu` asks for.

    Raises:
        Invalid: when there is none.
    """
    assert asked.gpu is not None, "a pool without instanceType has a gpu"
    model, count = asked.gpu.model, asked.gpu.count
    of_model = [m for m in market.fit if m.gpu == model]
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
        local = sorted({m.gpu for m in market.here})
        instead = f"; {market.region} has {', '.join(local)}" if local else ""
        raise Invalid(
            f"{at}.gpu",
            f"{market.region} is not known to have machines with {count} x {model}",
            f"{_elsewhere(market, right)}{instead}",
        )
    what = f"{count} x {model} in {market.region}"
    return cheapest_first(_sold(at, what, here, asked, market))[0]


def _sold(at: str, what: str, some: list[Machine], asked: NodePool, market: Market) -> list[Machine]:
    """Return the machines that are sold with the node pool's capacity type and, if asked for, RDMA fabric.

    Args:
        at: path of the node pool in the spec, for messages.
        what: the machines, in words.
        some: the machines to choose from.
        asked: the node pool as the user wrote it.
        market: of the cloud and region.

    Raises:
        Invalid: when none is.
    """
    offered = [m for m in some if market.offers(m, asked.capacity)]
    if not offered:
        lacks = "not known to be offered as Spot" if asked.capacity is Capacity.SPOT else "not sold on demand"
        instead = f"Use capacity {_or(_capacities(some, market))}"
        raise Invalid(f"{at}.capacity", f"{what} is {lacks}", instead)
    connected = [m for m in offered if asked.fabric is FabricKind.NONE or market.fabric(m)]
    if not connected:
        instead = _with_fabric(some[0].gpu, asked.capacity, market)
        raise Invalid(f"{at}.fabric", f"{what} has no RDMA fabric", instead)
    return connected


def _capacities(some: list[Machine], market: Market) -> list[str]:
    """Name the capacity types with which any of the machines is sold."""
    reserved = "Capacity Block" if any(m.capacity_blocks for m in some) else "reservation"
    types = [c for c in (Capacity.ON_DEMAND, Capacity.SPOT) if any(market.offers(m, c) for m in some)]
    return [*(c.value for c in types), f"{Capacity.RESERVED.value} with the id of a {reserved}"]


def _with_fabric(gpu: str, capacity: Capacity, market: Market) -> str:
    """Name the region's cheapest machines with an RDMA fabric, those with the same GPU first."""
    found = cheapest_first(m for m in market.here if market.fabric(m) and market.offers(m, capacity))
    if not found:
        return f"No machine in {market.region} has one"
    nearest_first = sorted(found, key=lambda m: m.gpu != gpu)[:_NAMED]
    named = ", ".join(f"{m.name} ({m.gpus} x {m.gpu})" for m in nearest_first)
    return f"The cheapest in {market.region} that have one are {named}"


def _no_such_gpu(at: str, model: str, count: int, market: Market) -> Invalid:
    """Return the error for a GPU model that no machine of the cloud has, or none that can serve."""
    here = {m.gpu for m in market.fit}
    listed = f"{market.label} has {', '.join(likely_first(model, here))}"
    unfit = [m for m in machines(market.cloud).values() if m.gpu == model]
    if not unfit and model not in gpus():
        return Invalid(at, UNKNOWN_GPU.format(model), f"{did_you_mean(model, here)}{listed}")
    memory = unfit[0].gpu_memory_mib if unfit else gpus()[model].memory_mib
    problem = (
        f"{model} cannot serve on {market.label}: {market.against(unfit[0])}"
        if unfit
        else f"{market.label} has no machine with {model}"
    )
    instead = _instead(market, model, count, memory)
    return Invalid(at, problem, f"{instead}. {listed}" if instead else listed)


def _instead(market: Market, gpu: str, count: int, memory_mib: int | None) -> str:
    """Name the region's cheapest machine with the GPU, else with a GPU of as much memory; empty for none."""
    here = [m for m in market.here if m.gpus >= count]
    least = None if memory_mib is None else _AS_MUCH * memory_mib
    same = [m for m in here if m.gpu == gpu]
    enough = [m for m in here if least is not None and (m.gpu_memory_mib or 0) >= least]
    found = cheapest_first(same or enough)
    if not found:
        return ""
    best = found[0]
    return f"Use {best.name} ({best.gpus} x {best.gpu}), the cheapest in {market.region} that would do"


def _elsewhere(market: Market, some: list[Machine]) -> str:
    """Name the regions that are known to sell any of the machines."""
    found = market.regions_with(some)
    return f"Regions that have them: {', '.join(found)}" if found else "No region is known to have them"


def _or(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"
