"""Node pools as they are built or found, and as the cluster's status records them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from functions.api import (
    Allocatable,
    Capacity,
    Fabric,
    Network,
    Nodes,
    PoolStatus,
    Reservation,
    Slices,
    Taint,
)
from functions.base import Request, View

__all__ = ["Pool", "Recorded", "live_pools", "node_pool", "recorded", "summary"]


@dataclass(frozen=True)
class Recorded:
    """The plan of an earlier run, as far as the status has it."""

    pools: Mapping[str, PoolStatus]
    zones: tuple[str, ...]
    kubernetes_version: str
    cloud: str
    """Name of the cloud that a cluster was created in."""
    region: str
    """The cloud's region that a cluster was created in."""
    cluster_uid: str
    """UID of the kube-system of a cluster that existed before its claim."""


def recorded(request: Request) -> Recorded:
    """Read the plan of an earlier run from the observed status; what cannot be read is left out."""
    return request.once(_recorded)


def _recorded(request: Request) -> Recorded:
    composite = View(request.composite)
    pools = (view.parsed(PoolStatus) for view in composite.each("status", "nodePools"))
    network = composite.parsed(Network, "status", "network")
    return Recorded(
        pools={pool.name: pool for pool in pools if pool is not None},
        zones=tuple(network.zones) if network is not None else (),
        kubernetes_version=composite.text("status", "kubernetesVersion") or "",
        cloud=composite.text("status", "cloud", "name") or "",
        region=composite.text("status", "cloud", "region") or "",
        cluster_uid=composite.text("status", "clusterUID") or "",
    )


def live_pools(request: Request) -> set[str]:
    """Return the names of the node pools that exist: recorded ones, and those with a live resource."""
    live = request.others(node_pool(""))
    return {*recorded(request).pools, *(name.removeprefix(node_pool("")) for name in live)}


def node_pool(pool: str) -> str:
    """Return the name in the composition of a node pool that a cloud makes, the same in every cloud."""
    return f"node-pools/pool-{pool}"


@dataclass(frozen=True)
class Pool:
    """A node pool as it is built."""

    name: str
    gpu_model: str
    gpus_per_node: int
    gpu_memory_mib: int
    """Usable memory of one GPU, in MiB."""
    nodes: Nodes
    capacity: Capacity
    disk_gib: int
    """Root disk of a node, in GiB."""
    instance_type: str = ""
    """Machine type; empty where the machines are there already."""
    price_usd_per_hour: float | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that its nodes have, and no other pool's."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The user's own labels of its nodes."""
    taints: tuple[Taint, ...] = ()
    """The user's own taints of its nodes, beside nvidia.com/gpu."""
    zones: tuple[str, ...] = ()
    """Zones that the user names for it; none: those that have the machine."""
    reservation: Reservation | None = None
    """Where its machines are bought already."""
    fabric: Fabric | None = None
    """RDMA devices of a node, where the user asks for them."""
    sharing: Slices | None = None
    """How its GPUs are shared; None: whole GPUs."""
    alternatives: tuple[str, ...] = ()
    """Other machines that would do, the cheapest first, with their price."""
    allocatable: Allocatable | None = None
    """CPU and memory that pods can request of a node; None where that is not known."""
    compute_capability: str = ""
    """CUDA compute capability of its GPUs, where the spec declares it; empty: the catalog's."""

    @property
    def node_labels(self) -> Mapping[str, str]:
        """Labels that a cloud gives the nodes: the user's, how GPUs are shared, and the pool's own."""
        return {**self.labels, **(self.sharing.node_labels if self.sharing else {}), **self.node_selector}

    def status(self, *, ready: bool) -> PoolStatus:
        """Return what the cluster's status records of it."""
        return PoolStatus(
            name=self.name,
            gpu_model=self.gpu_model,
            gpus_per_node=self.gpus_per_node,
            gpu_memory_mib=self.gpu_memory_mib,
            compute_capability=self.compute_capability or None,
            instance_type=self.instance_type or None,
            allocatable=self.allocatable,
            nodes=self.nodes,
            capacity=self.capacity,
            reservation=self.reservation,
            zones=list(self.zones) or None,
            price_usd_per_hour=self.price_usd_per_hour,
            node_selector=dict(self.node_selector),
            taints=list(self.taints) or None,
            fabric=self.fabric,
            sharing=self.sharing,
            alternatives=list(self.alternatives) or None,
            ready=ready,
        )


def summary(pools: Sequence[Pool]) -> str:
    """Say in one line what every pool is."""
    return "; ".join(
        f"{p.name}: {p.instance_type or 'its own machines'} ({', '.join(_parts(p))}), "
        f"{p.nodes.min} to {p.nodes.max} nodes"
        for p in pools
    )


def _parts(pool: Pool) -> Iterator[str]:
    yield f"{pool.gpus_per_node} x {pool.gpu_model}"
    yield f"{pool.gpu_memory_mib} MiB each"
    if pool.sharing:
        yield f"in {pool.sharing.per_gpu} slices of {pool.sharing.memory_mib} MiB by {pool.sharing.mode}"
    if pool.fabric:
        yield f"{pool.fabric.per_node} x {pool.fabric.resource}"
