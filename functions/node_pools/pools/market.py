"""What a cloud offers where: the machines that can serve, and how they are sold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from functions.api import Capacity, Fabric
from functions.catalog import Machine, machines, regions

__all__ = ["Market", "cheapest_first"]


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
    fabrics: Mapping[str, str] = field(default_factory=dict)
    """Of the catalog's fabrics those that are wired up here, and what a pod asks for to get one."""

    @cached_property
    def fit(self) -> tuple[Machine, ...]:
        """The machines that can serve here, wherever they are sold."""
        return tuple(m for m in machines(self.cloud).values() if not self.against(m))

    @cached_property
    def here(self) -> tuple[Machine, ...]:
        """The machines that can serve here and that the region has."""
        return tuple(m for m in self.fit if self.sells(m))

    def against(self, machine: Machine) -> str:
        """Say why a machine cannot serve; nothing when it can."""
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
        """Tell whether the region may have a machine: always, where the region is not known."""
        region = regions(self.cloud).get(self.region)
        return region is None or region.zones_of(machine) is not None

    def offers(self, machine: Machine, capacity: Capacity) -> bool:
        """Tell whether a machine can be had in this way; a reservation is the user's word that it can."""
        if capacity is Capacity.SPOT:
            return machine.spot
        return machine.on_demand or capacity is Capacity.RESERVED

    def fabric(self, machine: Machine) -> Fabric | None:
        """Return what connects a machine's GPUs to those of others; None where nothing does."""
        resource = self.fabrics.get(machine.fabric)
        if resource is None or not machine.fabric_cards:
            return None
        return Fabric(resource=resource, per_node=machine.fabric_cards)

    def regions_with(self, some: Iterable[Machine]) -> list[str]:
        """Return the regions that are known to have any of these machines."""
        wanted = list(some)
        return sorted(
            name
            for name, region in regions(self.cloud).items()
            if any(region.zones_of(m) is not None for m in wanted)
        )


def cheapest_first(some: Iterable[Machine]) -> list[Machine]:
    """Sort by listed price, those without one last, then by name."""
    return sorted(some, key=lambda m: (m.price_usd_per_hour is None, m.price_usd_per_hour or 0.0, m.name))
