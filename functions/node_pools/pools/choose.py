"""Which machine a pool gets: the one that it names, or the cheapest that is what it asks for."""

from __future__ import annotations

from collections.abc import Sequence

from functions.api import Capacity, FabricKind, NodePool
from functions.base import Invalid
from functions.catalog import Machine, gpus, machines, nearest

from .likely import did_you_mean, likely_first
from .market import Market, cheapest_first

__all__ = ["UNKNOWN_GPU", "alternatives", "choose"]

_AS_MUCH = 0.9
"""A GPU with this part of another's memory does for it: figures for one size differ by that much."""

UNKNOWN_GPU = "{} is not an NVIDIA GPU that the catalog knows"

_ALTERNATIVES = 5
_NAMED = 3
"""How many machines a message names."""


def choose(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the machine for a pool.

    Args:
        at: path of the pool.
        asked: as the user wrote it.
        market: where the machine comes from.

    Raises:
        Invalid: when no machine is what the pool asks for; it names those that come near.
    """
    return _named(at, asked, market) if asked.instance_type else _cheapest(at, asked, market)


def alternatives(machine: Machine, asked: NodePool, market: Market) -> tuple[str, ...]:
    """Return other machines of the region with the same GPUs, the cheapest first, with their price."""
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
    """Return the machine that the user named, if it is fit and what the gpu block says."""
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
    return _had_as_asked(at, given, [machine], asked, market)[0]


def _cheapest(at: str, asked: NodePool, market: Market) -> Machine:
    """Return the cheapest machine with exactly the GPUs asked for that the region has."""
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
    return cheapest_first(_had_as_asked(at, what, here, asked, market))[0]


def _had_as_asked(at: str, what: str, some: list[Machine], asked: NodePool, market: Market) -> list[Machine]:
    """Return those machines that are sold in the way asked for and, if asked for, with a fabric."""
    offered = [m for m in some if market.offers(m, asked.capacity)]
    if not offered:
        lacks = "not known to be offered as Spot" if asked.capacity is Capacity.SPOT else "not sold on demand"
        instead = f"Use capacity {_or(_other_ways(some, market))}"
        raise Invalid(f"{at}.capacity", f"{what} is {lacks}", instead)
    connected = [m for m in offered if asked.fabric is FabricKind.NONE or market.fabric(m)]
    if not connected:
        instead = _with_fabric(some[0].gpu, asked.capacity, market)
        raise Invalid(f"{at}.fabric", f"{what} has no RDMA fabric", instead)
    return connected


def _other_ways(some: list[Machine], market: Market) -> list[str]:
    reserved = "Capacity Block" if any(m.capacity_blocks for m in some) else "reservation"
    ways = [way for way in (Capacity.ON_DEMAND, Capacity.SPOT) if any(market.offers(m, way) for m in some)]
    return [*(way.value for way in ways), f"{Capacity.RESERVED.value} with the id of a {reserved}"]


def _with_fabric(gpu: str, capacity: Capacity, market: Market) -> str:
    """Name the cheapest machines of the region with a fabric, those with the same GPU in front."""
    found = cheapest_first(m for m in market.here if market.fabric(m) and market.offers(m, capacity))
    if not found:
        return f"No machine in {market.region} has one"
    nearest_first = sorted(found, key=lambda m: m.gpu != gpu)[:_NAMED]
    named = ", ".join(f"{m.name} ({m.gpus} x {m.gpu})" for m in nearest_first)
    return f"The cheapest in {market.region} that have one are {named}"


def _no_such_gpu(at: str, model: str, count: int, market: Market) -> Invalid:
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
    """Name the cheapest machine of the region with the GPU, else with GPUs as large; or nothing."""
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
    found = market.regions_with(some)
    return f"Regions that have them: {', '.join(found)}" if found else "No region is known to have them"


def _or(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"
