"""NVIDIA's GPUs, the machine types of clouds that have them, and the regions that sell those machines.

The tables have rows that are not read, such as AMD's GPUs. Each row of `gpus.tsv`, `instances.tsv` and
`regions.tsv` names its sources and how sure it is: verified by several sources that agree, derived from
what a source says of something similar (of a region, that it has prices), or from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["GPU", "Machine", "Region", "gpus", "machines", "regions"]


@dataclass(frozen=True)
class GPU:
    """A GPU model."""

    name: str
    memory_mib: int | None
    """Memory that the driver reports, in MiB; None where it is not known."""
    compute_capability: tuple[int, int]
    product: str
    """Value of the node label `nvidia.com/gpu.product`; empty where it is not known."""
    cuda_gib: float | None = None
    """Memory that CUDA reports, in GiB: less than the driver does; None where it is not known."""


@dataclass(frozen=True)
class Machine:
    """A machine type of a cloud; None where a figure is not known."""

    cloud: str
    name: str
    family: str
    gpu: str
    gpus: int
    """GPUs of one machine; 0 where that is not known."""
    whole_gpus: bool
    """False for a machine that has a part of a GPU."""
    gpu_memory_mib: int | None
    """Memory of one GPU, in MiB: the smaller of what the cloud and the driver report."""
    vcpus: int
    memory_gib: float | None
    local_nvme_gib: int | None
    """Local disks, in GiB; the most that can be ordered where they are optional."""
    network_gbps: float | None
    fabric: str
    """RDMA network between machines: efa, infiniband, rdma and so on; empty where there is none."""
    fabric_cards: int | None
    """RDMA devices of one machine."""
    architecture: str
    """amd64 or arm64."""
    spot: bool
    """Whether it is known to be offered as Spot."""
    on_demand: bool
    """Whether it is sold on demand; False where it is sold only by reservation or as Spot."""
    capacity_blocks: bool
    """Whether it is known to be offered in AWS Capacity Blocks."""
    price_usd_per_hour: float | None
    """Listed on-demand price in US dollars, in `price_region` on `price_date`."""
    price_region: str
    price_date: str
    """As YYYY-MM-DD; empty without a price."""


@dataclass(frozen=True)
class Region:
    """A region of a cloud."""

    name: str
    zones: tuple[str, ...]
    """Ids of availability zones; empty where they are not known."""
    family_zones: Mapping[str, tuple[str, ...]]
    """Zones that have a machine family or type; empty where it is sold here and its zones are not known."""
    price_factors: Mapping[str, float]
    """On-demand prices here over the listed ones, by machine family or type."""

    def zones_of(self, machine: Machine) -> tuple[str, ...] | None:
        """Return the zones that have a machine; None where the region is not known to sell it."""
        return self.family_zones.get(machine.name, self.family_zones.get(machine.family))

    def price_factor_of(self, machine: Machine) -> float | None:
        """Return a machine's price here over its listed price; None where it is not known."""
        if self.name == machine.price_region:
            return 1.0
        return self.price_factors.get(machine.name, self.price_factors.get(machine.family))


@cache
def gpus() -> dict[str, GPU]:
    """Return NVIDIA's GPU models by name."""
    found = {}
    for row in rows("gpus.tsv"):
        if row["vendor"] != "nvidia":
            continue
        major, _, minor = row["compute_capability"].partition(".")
        found[row["gpu"]] = GPU(
            row["gpu"],
            _whole(row["memory_mib_driver"]),
            (int(major), int(minor)),
            row["product_label"],
            _number(row["cuda_gib"]),
        )
    return found


@cache
def machines(cloud: str) -> dict[str, Machine]:
    """Return a cloud's machines with NVIDIA GPUs by machine type."""
    known = gpus()
    return {
        row["instance_type"]: _machine(row)
        for row in rows("instances.tsv")
        if row["cloud"] == cloud and row["gpu"] in known
    }


def _machine(row: Mapping[str, str]) -> Machine:
    return Machine(
        cloud=row["cloud"],
        name=row["instance_type"],
        family=row["family"],
        gpu=row["gpu"],
        gpus=int(row["gpu_count"] or 0),
        whole_gpus=not row["gpu_fraction"],
        gpu_memory_mib=_whole(row["gpu_memory_mib_usable"]),
        vcpus=int(row["vcpu"]),
        memory_gib=_number(row["memory_gib"]),
        local_nvme_gib=_whole(row["local_nvme_gib"]),
        network_gbps=_number(row["network_gbps"]),
        fabric=row["fabric"],
        fabric_cards=_whole(row["fabric_cards"]),
        architecture=row["architecture"],
        spot=row["spot"] == "yes",
        on_demand=row["on_demand"] != "no",
        capacity_blocks=row["capacity_blocks"] == "yes",
        price_usd_per_hour=_number(row["price_usd_per_hour"]),
        price_region=row["price_region"],
        price_date=row["price_date"],
    )


@cache
def regions(cloud: str) -> dict[str, Region]:
    """Return a cloud's regions that are known to sell machines with GPUs, by name."""
    return {
        row["region"]: Region(
            row["region"],
            _zones(row["zones"]),
            {family: _zones(rest.partition("@")[2]) for family, rest in _pairs(row["family_zones"])},
            {family: float(factor) for family, factor in _pairs(row["price_factors"])},
        )
        for row in rows("regions.tsv")
        if row["cloud"] == cloud
    }


def _zones(cell: str) -> tuple[str, ...]:
    return tuple(zone for zone in cell.split(",") if zone)


def _pairs(cell: str) -> list[tuple[str, str]]:
    """Parse `g6=L4@euc1-az1,euc1-az2;g5=A10G`."""
    return [(key, value) for key, _, value in (part.partition("=") for part in cell.split(";")) if key]


def _whole(cell: str) -> int | None:
    return int(cell) if cell else None


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
