"""What a node pool has to give: units, which are GPUs or, where those are shared, slices of them."""

from __future__ import annotations

from functions.api import PoolStatus, Slices, contract

from ..size.memory import UTILIZATION

__all__ = [
    "free_units",
    "hourly_usd",
    "in_words",
    "most_replicas",
    "most_units",
    "resource",
    "unit_memory_mib",
    "units_per_node",
    "utilization",
]

_MIG = "MIG"


def units_per_node(pool: PoolStatus) -> int:
    """Return the units of one node."""
    return pool.gpus_per_node * (pool.sharing.per_gpu if pool.sharing else 1)


def most_units(pool: PoolStatus) -> int:
    """Return the units of the pool at its largest."""
    return pool.nodes.max * units_per_node(pool)


def free_units(pool: PoolStatus) -> int:
    """Return the units that no placed Model takes, the pool at its largest; never less than 0."""
    return max(0, most_units(pool) - (pool.gpus_in_use or 0))


def most_replicas(pool: PoolStatus, units: int, nodes: int = 1) -> int:
    """Return how many replicas of so many units on each of so many nodes the pool's largest size holds."""
    return pool.nodes.max * (units_per_node(pool) // units) // nodes


def unit_memory_mib(pool: PoolStatus) -> int:
    """Return the memory of one unit, in MiB."""
    return pool.sharing.memory_mib if pool.sharing else pool.gpu_memory_mib


def hourly_usd(pool: PoolStatus, units: int) -> float | None:
    """Return the listed price of some units, in US dollars an hour: their part of the nodes'."""
    price = pool.price_usd_per_hour
    return None if price is None else price * units / units_per_node(pool)


def resource(pool: PoolStatus) -> str:
    """Return what a pod asks for to get a unit."""
    return pool.sharing.resource if pool.sharing else contract.GPU


def utilization(sharing: Slices | None) -> float:
    """Return the share of the memory it sees that an engine may take.

    A MIG slice is a device of its own. With the other modes an engine sees the whole GPU's
    memory, with MPS too, although it cannot allocate as much:
    https://github.com/NVIDIA/k8s-device-plugin/issues/764
    """
    if sharing is None or sharing.mode == _MIG:
        return UTILIZATION
    # Rounded down: the slices of a GPU together must not take more than one engine would.
    return int(UTILIZATION / sharing.per_gpu * 10000) / 10000


def in_words(units: int, nodes: int, gpu_model: str, *, shared: bool) -> str:
    """Say what a replica takes: `2 L4`, `1 slice of L4`, `2 nodes of 8 H100-80GB`."""
    if shared:
        return f"{units} slice of {gpu_model}"
    return f"{nodes} nodes of {units} {gpu_model}" if nodes > 1 else f"{units} {gpu_model}"
