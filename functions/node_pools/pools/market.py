"""Which machines of a cloud can serve Models, which of those a region sells, and with which capacity type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from functions.api import Allocatable, Capacity, Fabric
from functions.catalog import Machine, machines, regions

__all__ = ["Market", "cheapest_first"]


@dataclass(frozen=True)
class Market:
    """The machines of one cloud, seen from one region."""

    cloud: str
    """The catalog's name of the cloud."""
    label: str
    """The cloud's name in messages."""
    region: str
    vouched: bool
    """Whether the user named the zones. A machine that the user names may then be one that the catalog does
    not list in the region."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Why a machine family cannot serve, by family: the cloud's node image has no driver for its GPUs."""
    fabrics: Mapping[str, str] = field(default_factory=dict)
    """Kubernetes resource by which a pod asks for an RDMA device, by the catalog's name of the fabric."""

    allocatable: Callable[[Machine], Allocatable | None] = lambda _: None
    """What pods can request of a machine, by the cloud's node image; None where that is not known."""

    @cached_property
    def fit(self) -> tuple[Machine, ...]:
        """The cloud's machines that can serve, in any region."""
        return tuple(m for m in machines(self.cloud).values() if not self.against(m))

    @cached_property
    def here(self) -> tuple[Machine, ...]:
        """The machines that can serve and that the region sells."""
        return tuple(m for m in self.fit if self.sells(m))

    def against(self, machine: Machine) -> str:
        """Return why a machine cannot serve; empty where it can."""
        if machine.family in self.unfit:
            return self.unfit[machine.family]
        if not machine.whole_gpus:
            return "it has a slice of a GPU; vLLM needs whole ones"
        if machine.architecture != "amd64":
            return f"its CPU is {machine.architecture}; the vLLM image is for amd64"
        if not machine.gpus:
            return "the number of its GPUs is not known"
        if machine.gpu_memory_mib is None:
            return "the memory of its GPUs is not known"
        return ""

    def sells(self, machine: Machine) -> bool:
        """Tell whether the region sells a machine; True for a region that the catalog does not know."""
        region = regions(self.cloud).get(self.region)
        return region is None or region.zones_of(machine) is not None

    def offers(self, machine: Machine, capacity: Capacity) -> bool:
        """Tell whether a machine is sold with a capacity type. A reservation shows by itself that it is."""
        if capacity is Capacity.SPOT:
            return machine.spot
        return machine.on_demand or capacity is Capacity.RESERVED

    def fabric(self, machine: Machine) -> Fabric | None:
        """Return the RDMA devices of a machine; None where it has none, or none that is set up here."""
        resource = self.fabrics.get(machine.fabric)
        if resource is None or not machine.fabric_cards:
            return None
        return Fabric(resource=resource, per_node=machine.fabric_cards)

    def regions_with(self, some: Iterable[Machine]) -> list[str]:
        """Return the names of the regions that are known to sell any of the machines."""
        wanted = list(some)
        return sorted(
            name
            for name, region in regions(self.cloud).items()
            if any(region.zones_of(m) is not None for m in wanted)
        )


def cheapest_first(some: Iterable[Machine]) -> list[Machine]:
    """Sort machines by listed price, then by name; machines without a listed price come last."""
    return sorted(some, key=lambda m: (m.price_usd_per_hour is None, m.price_usd_per_hour or 0.0, m.name))
