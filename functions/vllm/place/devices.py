"""What a node pool has to give: devices, which are GPUs or, where GPUs are shared, slices of GPUs."""

from __future__ import annotations

from functions.api import PoolStatus, Slices, contract
from functions.catalog import GPU, gpus

from ..engine import Device, Engine

__all__ = [
    "describe",
    "device_memory_mib",
    "device_of",
    "devices_per_node",
    "free_devices",
    "gpu_of",
    "hourly_usd",
    "memory_utilization",
    "most_devices",
    "most_replicas",
    "resource",
    "sure_pods",
    "takes_another_node",
]

_MIG = "MIG"
_CUDA_SHARE = 0.97
"""Part of the driver's figure that CUDA reports, where it is not known: the least of those in `gpus.tsv`."""


def gpu_of(model: str, memory_mib: int, compute_capability: str | None) -> GPU | None:
    """Return the GPU of a node pool: as the cluster's spec declares it, else the catalog's; None for neither.

    Args:
        model: as the pool names it.
        memory_mib: of one device, in MiB.
        compute_capability: that the spec declares, such as 8.9.
    """
    known = gpus().get(model)
    if compute_capability is None:
        return known
    major, _, minor = compute_capability.partition(".")
    return GPU(model, memory_mib, (int(major), int(minor)), known.product if known else "")


def devices_per_node(pool: PoolStatus) -> int:
    """Return the devices of one node."""
    return pool.gpus_per_node * (pool.sharing.per_gpu if pool.sharing else 1)


def most_devices(pool: PoolStatus) -> int:
    """Return the devices of the pool at its largest size."""
    return pool.nodes.max * devices_per_node(pool)


def free_devices(pool: PoolStatus) -> int:
    """Return the devices that no Model has, with the pool at its largest size; never less than 0.

    They may be on different nodes: `sure_pods` says how many pods they hold.
    """
    return max(0, most_devices(pool) - (pool.gpus_in_use or 0))


def sure_pods(pool: PoolStatus, devices: int) -> int:
    """Return how many more pods of some devices each surely fit the pool at its largest size.

    A pod's devices are those of one node, and on which nodes other Models' pods are is not known. So the
    pods are taken to be where they take the most room from others: two pods of 4 GPUs on two nodes of 8
    leave none of 8.
    """
    each = devices_per_node(pool)
    on_a_node = each // devices
    if not on_a_node:
        return 0
    left, total = each - on_a_node * devices, pool.nodes.max * on_a_node
    used = pool.gpus_in_use or 0
    if not used:
        return total
    if not pool.pods_in_use:  # their sizes are not known: as if they filled nodes one after the other
        whole, rest = divmod(used, each)
        return max(0, total - whole * on_a_node - max(0, -(-(rest - left) // devices)))
    pods = sum(some.pods for some in pool.pods_in_use)
    # A node with u devices in use has lost (u - left) / devices pods, rounded up.
    nodes = min(pool.nodes.max, pods, used // (left + 1))
    together = (used + nodes * (devices - 1 - left)) // devices
    apart = sum(-(-some.gpus // devices) * some.pods for some in pool.pods_in_use)
    return max(0, total - min(together, apart))


def takes_another_node(pool: PoolStatus, devices: int) -> bool:
    """Tell whether a pod goes to a node that no other Model's pod is on, where pods fill node by node."""
    rest = (pool.gpus_in_use or 0) % devices_per_node(pool)
    return not rest or devices_per_node(pool) - rest < devices


def most_replicas(pool: PoolStatus, devices: int, nodes: int = 1) -> int:
    """Return how many replicas the pool holds at its largest size.

    Args:
        pool: of the cluster.
        devices: that a replica takes on each of its nodes.
        nodes: of one replica.
    """
    return pool.nodes.max * (devices_per_node(pool) // devices) // nodes


def device_memory_mib(pool: PoolStatus) -> int:
    """Return the memory of one device, in MiB."""
    return pool.sharing.memory_mib if pool.sharing else pool.gpu_memory_mib


def device_of(pool: PoolStatus, engine: Engine) -> Device:
    """Return what an engine sees and takes of one device of a pool.

    CUDA reports less memory than the driver, by which a pool's memory is known.
    """
    sharing, known = pool.sharing, gpus().get(pool.gpu_model)
    cuda, driver = (known.cuda_gib, known.memory_mib) if known else (None, None)
    if sharing is not None and sharing.mode == _MIG:
        visible = sharing.memory_mib / 1024 * (cuda * 1024 / driver if cuda and driver else _CUDA_SHARE)
    else:
        reported = pool.gpu_memory_mib / 1024
        visible = min(reported, cuda) if cuda else reported * _CUDA_SHARE
    gpu = gpu_of(pool.gpu_model, pool.gpu_memory_mib, pool.compute_capability)
    capability = gpu.compute_capability if gpu else (0, 0)
    return Device(pool.gpu_model, visible, memory_utilization(engine, sharing), capability)


def hourly_usd(pool: PoolStatus, devices: int) -> float | None:
    """Return the listed price of some devices, in US dollars an hour: their share of their nodes' price."""
    price = pool.price_usd_per_hour
    return None if price is None else price * devices / devices_per_node(pool)


def resource(pool: PoolStatus) -> str:
    """Return the extended resource by which a pod requests a device."""
    return pool.sharing.resource if pool.sharing else contract.GPU


def memory_utilization(engine: Engine, sharing: Slices | None) -> float:
    """Return the share of the memory it sees that an engine may take, from 0 to 1.

    A MIG slice is a device of its own. With time slicing and MPS an engine sees the whole GPU's
    memory, with MPS too, although it cannot allocate as much:
    https://github.com/NVIDIA/k8s-device-plugin/issues/764
    """
    if sharing is None or sharing.mode == _MIG:
        return engine.memory_utilization
    # Rounded down: the slices of a GPU together must not take more than one engine would.
    return int(engine.memory_utilization / sharing.per_gpu * 10000) / 10000


def describe(devices: int, nodes: int, gpu_model: str, *, shared: bool) -> str:
    """Say what a replica takes: `2 L4`, `1 slice of L4`, `16 H100-80GB on 2 nodes`."""
    if shared:
        return f"{devices} slice of {gpu_model}"
    return f"{devices * nodes} {gpu_model} on {nodes} nodes" if nodes > 1 else f"{devices} {gpu_model}"
