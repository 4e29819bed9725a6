"""Whether a node pool of a cluster holds a Model: on how many of its GPUs, or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from functions.api import Capacity, GpuChoice, ModelSpec, PoolStatus, Requirement, contract
from functions.catalog import gpus_named, same_name

from ..engine import Device
from ..size.data_parallel import fewest_data_parallel
from ..size.memory import Fit, fit
from ..size.need import Need
from ..size.pipeline_parallel import fewest_nodes
from ..size.tensor_parallel import tensor_parallel_sizes
from .clusters import Cluster
from .devices import (
    describe,
    device_memory_mib,
    device_of,
    devices_per_node,
    free_devices,
    gpu_of,
    hourly_usd,
    most_devices,
    sure_pods,
    takes_another_node,
)
from .machine import exceeding, too_thin

__all__ = ["Attempts", "Choice", "Differs", "Refusal", "fit_pool"]


class Choice(NamedTuple):
    """A node pool that holds a Model, and on how many of its GPUs."""

    cluster: Cluster
    pool: PoolStatus
    fit: Fit

    @property
    def hourly_usd(self) -> float | None:
        """Listed price of what a replica takes, in US dollars an hour: its share of its nodes' price."""
        return hourly_usd(self.pool, self.devices)

    @property
    def devices(self) -> int:
        """GPUs or slices that a replica takes on all its nodes."""
        return self.fit.gpus * self.fit.nodes

    @property
    def order(self) -> tuple[bool, bool, float, int, int, bool, bool, str, str]:
        """Key to sort choices by, best first: see `docs/sizing.md`."""
        hourly, several, pool = self.hourly_usd, self.fit.nodes > 1, self.pool
        return (
            several,
            hourly is None,
            hourly or 0,
            self.devices,
            device_memory_mib(pool),
            several and pool.fabric is None,
            takes_another_node(pool, self.fit.gpus),
            self.cluster.name,
            pool.name,
        )

    @property
    def takes(self) -> str:
        """What a replica takes, in words."""
        fit, pool = self.fit, self.pool
        return describe(fit.gpus, fit.nodes, pool.gpu_model, shared=pool.sharing is not None)

    def behind(self, best: Choice) -> str:
        """Say why another choice is preferred."""
        if self.fit.nodes > 1 and best.fit.nodes == 1:
            return f"needs {self.fit.nodes} nodes, and the chosen pool one"
        mine, cheapest = self.hourly_usd, best.hourly_usd
        if mine != cheapest and cheapest is not None:
            return (
                "fits, but has no listed price"
                if mine is None
                else (f"fits, for {mine:.2f} USD/h instead of {cheapest:.2f}")
            )
        fits = "fits" if mine is None else "fits at the same price"
        if self.devices > best.devices:
            return f"{fits}, on {self.devices} GPUs instead of {best.devices}"
        if device_memory_mib(self.pool) > device_memory_mib(best.pool):
            return f"{fits}, on a larger GPU"
        if self.order[:6] > best.order[:6]:
            return f"{fits}, without RDMA between its nodes"
        if self.order[:7] > best.order[:7]:
            return f"{fits}, on a node that no other Model is on"
        return "fits as well, and its name comes later in the alphabet"


class Differs(NamedTuple):
    """What a pool has of something, and what the spec wants of it instead."""

    what: str
    """Subject and verb, such as 'GPUs are'."""
    has: str
    wants: str
    """As a sentence."""

    @property
    def why(self) -> str:
        """Why the pool does not hold the Model."""
        return f"its {self.what} {self.has}, and {self.wants}"


class Refusal(NamedTuple):
    """A node pool that does not hold a Model."""

    cluster: str
    """Name of the InferenceCluster."""
    pool: str
    why: str
    closest: Fit | None = None
    """Where only memory is short: the Model on the most GPUs of a node that were tried."""
    full: bool = False
    """Whether the pool holds the Model and other Models have too many of its GPUs."""
    differs: Differs | None = None
    """Where `why` is that the pool is not what the spec wants: both, to be told of several pools at once."""


class _Node(NamedTuple):
    """A kind of node; many pools have few kinds."""

    gpu_model: str
    devices: int
    memory_mib: int
    """Of one device, as the driver reports it."""
    sharing: tuple[str, int] | None
    """Mode and slices of a GPU, where GPUs are shared."""
    compute_capability: str | None
    """As the cluster's spec declares it; None: the catalog's."""

    @property
    def shared(self) -> bool:
        """Whether its devices are slices of GPUs."""
        return self.sharing is not None


class _Attempt(NamedTuple):
    """The result of fitting a Model on a kind of node."""

    fit: Fit | None
    """The fewest GPUs of one node that hold it; else the most that were tried, if any."""
    why: str
    """Why it does not fit one node; empty when it does."""
    several_nodes: Fit | None = None
    """The fewest nodes that hold it, where one does not."""
    differs: Differs | None = None
    """Where such nodes are not what the spec wants."""


Attempts = dict[_Node, _Attempt]
"""Results by kind of node, kept while the pools of many clusters are tried."""


def fit_pool(
    spec: ModelSpec, need: Need, cluster: Cluster, pool: PoolStatus, attempts: Attempts | None = None
) -> Choice | Refusal:
    """Fit a Model on the fewest GPUs of a pool, or say why the pool does not hold it.

    Args:
        spec: the Model's.
        need: of one replica.
        cluster: of the pool.
        pool: tried.
        attempts: results for other pools; the result for this pool's kind of node is added.
    """
    attempts = {} if attempts is None else attempts
    node = _Node(
        pool.gpu_model,
        devices_per_node(pool),
        device_memory_mib(pool),
        (pool.sharing.mode, pool.sharing.per_gpu) if pool.sharing else None,
        pool.compute_capability,
    )
    attempt = attempts.get(node)
    if attempt is None:
        attempt = attempts[node] = _fit_node(spec, need, node, device_of(pool, need.engine))
    found, why, closest, full = attempt.fit, "", None, False
    if found is None:
        why = attempt.why
    elif spec.cluster or spec.gpu.requires or spec.replicas.min > 1:
        why = _lacking(spec, cluster, pool)
    asked = spec.engine.resources
    if not why and (asked.cpu or asked.memory):
        why = exceeding(pool, asked)
    if not why and attempt.why:
        found, closest = attempt.several_nodes, attempt.fit
        lacks = _lacking_for_nodes(cluster, pool, found)
        why = attempt.why + _several_nodes(attempt, lacks) if found is None or lacks else ""
    if not why and found is not None:
        why = too_thin(pool, found.gpus)
        if not why:
            why, full = _crowded(spec, pool, found)
        if not why:
            return Choice(cluster, pool, found)
    differs = attempt.differs if why == attempt.why else None
    return Refusal(cluster.claim.name, pool.name, why, closest, full, differs)


def _fit_node(spec: ModelSpec, need: Need, node: _Node, device: Device) -> _Attempt:
    """Fit a Model on the fewest GPUs of a kind of node."""
    gpu = gpu_of(node.gpu_model, node.memory_mib, node.compute_capability)
    if gpu is None:
        return _Attempt(None, f"its GPU {node.gpu_model} is not in the catalog of this version")
    choice = spec.gpu
    differs = _differs(choice, node)
    if differs is not None:
        return _Attempt(None, differs.why, differs=differs)
    cannot_run = need.engine.cannot_run(need.facts, gpu)
    if cannot_run:
        return _Attempt(None, cannot_run)
    # Slices of one node may be parts of one GPU, and MIG slices cannot exchange data.
    most = 1 if node.shared and node.devices else node.devices
    if choice.count is not None and choice.count > most:
        wants = f"spec.gpu.count is {choice.count}"
        if node.shared:
            return _Attempt(None, f"a Model gets one slice of its shared GPUs, and {wants}")
        differs = Differs("nodes have", _devices(most, shared=False), wants)
        return _Attempt(None, differs.why, differs=differs)
    sizes = tensor_parallel_sizes(need.facts, most) if choice.count is None else [choice.count]
    tried = [fit(need, device, n) for n in sizes]
    if not tried:
        return _Attempt(None, "its nodes have no GPUs")
    found = next((attempt for attempt in tried if attempt.fits), None)
    found = found or fewest_data_parallel(need, device, sizes)
    if found:
        return _Attempt(found, "")
    # Several nodes only where all GPUs of one are too few.
    whole_node = not node.shared and sizes[-1] == tensor_parallel_sizes(need.facts, most)[-1]
    several = fewest_nodes(need, device, sizes) if whole_node else None
    return _Attempt(tried[-1], _arithmetic(tried[-1], node), several)


def _differs(choice: GpuChoice, node: _Node) -> Differs | None:
    """Return what spec.gpu wants of the GPUs of a kind of node that they are not."""
    if choice.model is not None and not _is_called(node.gpu_model, choice.model):
        return Differs("GPUs are", node.gpu_model, f"spec.gpu.model is {choice.model}")
    if choice.min_memory_gib is not None and node.memory_mib < choice.min_memory_gib * 1024:
        what, wants = "slices" if node.shared else "GPUs", f"spec.gpu.minMemoryGiB is {choice.min_memory_gib}"
        return Differs(f"{what} have", f"{node.memory_mib / 1024:.1f} GiB", wants)
    return None


def _is_called(gpu_model: str, name: str) -> bool:
    """Tell whether a name means a pool's GPU; a short one, such as H100, means every GPU of that name."""
    return gpu_model == name or gpu_model in gpus_named(name) or same_name(gpu_model, name)


def _lacking_for_nodes(cluster: Cluster, pool: PoolStatus, needed: Fit | None) -> str:
    """Say what a pool lacks for a replica on several nodes; empty where it lacks nothing."""
    if needed is None:
        return ""
    if needed.nodes > pool.nodes.max:
        return f"the pool has at most {pool.nodes.max}"
    if not cluster.shares_storage:
        return "its cluster has no shared storage for the weights"
    if contract.LEADER_WORKER_SET not in (cluster.status.components or []):
        return "its cluster does not run LeaderWorkerSet"
    return ""


def _several_nodes(attempt: _Attempt, lacks: str) -> str:
    """Say how many nodes would hold weights that one node does not; empty where one node does."""
    one, needed = attempt.fit, attempt.several_nodes
    if one is None or needed is None or one.least_gib < one.usable_gib:
        return ""
    return (
        f"; {needed.nodes} nodes with {_devices(needed.gpus, shared=False)} each would hold it, but {lacks}"
    )


def _arithmetic(attempt: Fit, node: _Node) -> str:
    """Say how much memory is needed and how much there is."""
    devices = _devices(attempt.gpus, shared=node.shared)
    where = f"each of {devices}" if attempt.gpus > 1 else devices
    loading = attempt.loading_gib > attempt.needed_gib
    quantising = f"; {attempt.loading_gib:.1f} GiB while the weights are quantised" if loading else ""
    return (
        f"the Model needs {attempt.needed_gib:.1f} GiB on {where} (weights {attempt.weights_gib:.1f}, KV "
        f"cache {attempt.cache_gib:.1f}{quantising}), and {max(attempt.usable_gib, 0.0):.1f} GiB are usable"
    )


def _lacking(spec: ModelSpec, cluster: Cluster, pool: PoolStatus) -> str:
    """Say what the spec asks of a pool beside memory that the pool lacks; empty when it lacks nothing."""
    named = spec.cluster.node_pool if spec.cluster else None
    if named not in (None, pool.name):
        return f"spec.cluster.nodePool is {named}"
    replicas = spec.replicas.min
    if replicas > 1 and not cluster.shares_storage:
        return f"{replicas} replicas mount one volume, and its cluster has no shared storage"
    for requirement in spec.gpu.requires:
        met, otherwise = _REQUIREMENTS[requirement]
        if not met(cluster, pool):
            return f"{otherwise}, and spec.gpu.requires has {requirement.value}"
    return ""


_REQUIREMENTS: Mapping[Requirement, tuple[Callable[[Cluster, PoolStatus], bool], str]] = {
    Requirement.WHOLE_GPU: (lambda _, pool: pool.sharing is None, "its GPUs are shared"),
    Requirement.NO_SPOT: (
        lambda _, pool: pool.capacity is not Capacity.SPOT,
        "the cloud may take its machines back (Spot)",
    ),
    Requirement.RDMA: (lambda _, pool: pool.fabric is not None, "its nodes have no RDMA"),
    Requirement.SHARED_STORAGE: (lambda c, _: c.shares_storage, "its cluster has no shared storage"),
}


def _crowded(spec: ModelSpec, pool: PoolStatus, found: Fit) -> tuple[str, bool]:
    """Say that a pool is too small for all replicas, or that it is full, and then the second is True."""
    # A Model scaled to zero is placed where one replica can run.
    replicas, each = max(1, spec.replicas.min), found.gpus * found.nodes
    nodes, pods, shared = pool.nodes.max, replicas * found.nodes, pool.sharing is not None
    if pods > nodes * (devices_per_node(pool) // found.gpus):
        takes = _devices(each, shared=shared)
        asked = (
            f"a replica with {takes} does" if replicas == 1 else f"{replicas} replicas with {takes} each do"
        )
        return f"{asked} not fit its {'one node' if nodes == 1 else f'{nodes} nodes'}", False
    sure = sure_pods(pool, found.gpus)
    if pods <= sure:
        return "", False
    used, most = pool.gpus_in_use or 0, most_devices(pool)
    why = f"{used} of its {_devices(most, shared=shared)} are in use"
    if pods * found.gpus <= free_devices(pool):
        free = _devices(found.gpus, shared=shared)
        of = "none of its nodes is" if not sure else f"only {sure} of its nodes are"
        why += f", by pods that may be on different nodes, so that {of} sure to have {free} free"
    return why, True


def _devices(count: int, *, shared: bool) -> str:
    """Name a number of devices: `1 GPU`, `4 slices`."""
    return f"{count} {'slice' if shared else 'GPU'}{'' if count == 1 else 's'}"
