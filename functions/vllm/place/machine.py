"""How much CPU and memory a serving pod requests of its machine, so that every GPU or slice can be had.

A pod requests what the engine wants, and at most its GPUs' share of what a node's pods can request.
"""

from __future__ import annotations

from typing import NamedTuple

from functions.api import Allocatable, PoolStatus, Resources, quantity

from .devices import devices_per_node

__all__ = ["GUARD", "Requests", "exceeding", "requests", "shared_memory_gib", "too_thin"]

_CPU_PER_GPU = 2000
"""Thousandths of a core that the engine wants for each GPU's worker."""
_MEMORY_PER_GPU = 10 * 1024
"""MiB that the engine wants for each GPU's worker, beside the shared memory."""
_LEAST_MEMORY = 2560
"""MiB without which no engine starts: vLLM 0.27.1 took 2.0 GiB beside the cache on a CPU."""
_BESIDE = Allocatable(cpu_millicores=300 + 500, memory_mib=512 + 1024)
"""What a node has to have for others: daemons, and the download of a Model's next weights.

Of the daemons, EKS' own request the most: CNI 50m, kube-proxy 100m, CSI drivers 60m and 240 MiB, Node Feature
Discovery 5m and 64 MiB.
"""

GUARD = Allocatable(cpu_millicores=10, memory_mib=32)
"""What a serving pod requests beside the engine, to let metrics out."""


class Requests(NamedTuple):
    """What one pod requests, as Kubernetes quantities."""

    cpu: str
    memory: str
    """Request and limit, shared memory included."""


def requests(pool: PoolStatus, devices: int) -> Requests:
    """Return what a pod requests on a pool's node.

    Args:
        pool: of the node.
        devices: GPUs or slices of the pod.
    """
    cpu, memory = _wanted(devices)
    if pool.allocatable is not None or pool.sharing is not None:
        share_cpu, share_memory = _share(pool)
        cpu, memory = min(cpu, share_cpu * devices), min(memory, share_memory * devices)
    return Requests(quantity.cpu(cpu), quantity.memory(memory))


def too_thin(pool: PoolStatus, devices: int) -> str:
    """Say that a pod's share of its node is too little for an engine; empty where it is not, or not known."""
    if pool.allocatable is None:
        return ""
    share = _share(pool)[1] * devices
    if share >= _LEAST_MEMORY:
        return ""
    each = "slice" if pool.sharing else "GPU"
    return (
        f"the share of a {each} in its machine's memory is {share / 1024:.1f} GiB, and the engine needs "
        f"{_LEAST_MEMORY / 1024:.1f}"
    )


def exceeding(pool: PoolStatus, asked: Resources) -> str:
    """Say which of a spec's requests no node of a pool has; empty where none is, or that is not known."""
    node = pool.allocatable
    if node is None:
        return ""
    cpu, memory = quantity.millicores(asked.cpu or "0") or 0, quantity.mebibytes(asked.memory or "0") or 0
    if cpu > node.cpu_millicores:
        has = quantity.cpu(node.cpu_millicores)
        return f"spec.engine.resources.cpu is {asked.cpu}, and pods can request {has} of its nodes"
    if memory > node.memory_mib:
        has = f"{node.memory_mib / 1024:.1f}Gi"
        return f"spec.engine.resources.memory is {asked.memory}, and pods can request {has} of its nodes"
    return ""


def shared_memory_gib(devices: int) -> int:
    """Return the size of a pod's shared memory, in GiB: its processes exchange data in it."""
    return 8 if devices > 1 else 1


def _wanted(devices: int) -> tuple[int, int]:
    memory = _MEMORY_PER_GPU * devices + shared_memory_gib(devices) * 1024
    return _CPU_PER_GPU * devices, memory


def _share(pool: PoolStatus) -> tuple[int, int]:
    """Return the thousandths of a core and the MiB that one device's pod may request."""
    node, devices = pool.allocatable, devices_per_node(pool)
    if node is None:
        # Nothing is known of the machine: slices of a GPU together request about what one GPU's pod wants.
        cpu, memory = _wanted(1)
        slices = devices // pool.gpus_per_node
        return cpu // slices, max(memory // slices, _LEAST_MEMORY)
    cpu = max(0, node.cpu_millicores - _BESIDE.cpu_millicores)
    memory = max(0, node.memory_mib - _BESIDE.memory_mib)
    # Each may be a pod of its own.
    return max(0, cpu // devices - GUARD.cpu_millicores), max(0, memory // devices - GUARD.memory_mib)
