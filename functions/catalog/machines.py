"""GPUs, the machines that hold them and the regions that have those.

Sources stand in each row of `gpus.tsv`, `instances.tsv` and `regions.tsv`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["GPU", "Machine", "Region", "gpus", "machines", "regions"]


@dataclass(frozen=True)
class GPU:
    """A GPU model."""

    name: str
    memory_mib: int | None
    """Memory that the driver reports, in MiB; None where no report is known."""
    compute_capability: tuple[int, int]
    product: str
    """Value of the node label `nvidia.com/gpu.product`; empty where none was seen."""


@dataclass(frozen=True)
class Machine:
    """A machine type of a cloud."""

    cloud: str
    name: str
    family: str
    gpu: str
    gpus: int
    whole_gpus: bool
    """False for machines that get a slice of a GPU."""
    gpu_memory_mib: int | None
    """Usable memory of one GPU, in MiB: the smaller of the cloud's figure and the driver's."""
    vcpus: int
    memory_gib: float
    architecture: str
    """amd64 or arm64."""
    price_usd_per_hour: float | None
    """Listed on-demand price, US dollars, in the region and at the date of the row."""


@dataclass(frozen=True)
class Region:
    """A region of a cloud."""

    name: str
    zones: tuple[str, ...]
    """Availability zone ids; empty where they are not known."""
    family_zones: dict[str, tuple[str, ...]]
    """Zones by machine family or machine type; no zones: sold there, zones not known."""

    def zones_of(self, machine: Machine) -> tuple[str, ...] | None:
        """Return the zones that have a machine; None where the region is not known to have it."""
        return self.family_zones.get(machine.name, self.family_zones.get(machine.family))


@cache
def gpus() -> dict[str, GPU]:
    """Return GPU models by name."""
    found = {}
    for row in rows("gpus.tsv"):
        major, _, minor = row["compute_capability"].partition(".")
        memory = row["memory_mib_driver"]
        capability = (int(major), int(minor))
        found[row["gpu"]] = GPU(row["gpu"], int(memory) if memory else None, capability, row["product_label"])
    return found


@cache
def machines(cloud: str) -> dict[str, Machine]:
    """Return a cloud's GPU machines by type."""
    return {
        row["instance_type"]: Machine(
            cloud=row["cloud"],
            name=row["instance_type"],
            family=row["family"],
            gpu=row["gpu"],
            gpus=int(row["gpu_count"]),
            whole_gpus=not row["gpu_fraction"],
            gpu_memory_mib=int(row["gpu_memory_mib_usable"]) if row["gpu_memory_mib_usable"] else None,
            vcpus=int(row["vcpu"]),
            memory_gib=float(row["memory_gib"]),
            architecture=row["architecture"],
            price_usd_per_hour=float(row["price_usd_per_hour"]) if row["price_usd_per_hour"] else None,
        )
        for row in rows("instances.tsv")
        if row["cloud"] == cloud
    }


@cache
def regions(cloud: str) -> dict[str, Region]:
    """Return a cloud's regions that are known to have GPUs, by name."""
    return {
        row["region"]: Region(row["region"], _zones(row["zones"]), _family_zones(row["family_zones"]))
        for row in rows("regions.tsv")
        if row["cloud"] == cloud
    }


def _zones(cell: str) -> tuple[str, ...]:
    return tuple(zone for zone in cell.split(",") if zone)


def _family_zones(cell: str) -> dict[str, tuple[str, ...]]:
    """Parse `g6=L4@euc1-az1,euc1-az2;g5=A10G`."""
    found = {}
    for entry in filter(None, cell.split(";")):
        family, _, rest = entry.partition("=")
        found[family] = _zones(rest.partition("@")[2])
    return found
