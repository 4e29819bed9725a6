"""Which pool of which cluster a Model goes to, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from heapq import nsmallest
from typing import NamedTuple

from functions.api import Capacity, ClusterStatus, ModelSpec, PoolStatus, Requirement, contract
from functions.base import Claim
from functions.catalog import gpus

from ..size.data_parallel import over_ranks
from ..size.memory import Fit, Need, fit, fits_precision, gpu_counts
from ..size.pipeline_parallel import over_nodes
from .units import hourly_usd, in_words, unit_memory_mib, units_per_node

__all__ = ["Candidate", "Choice", "Choices", "Refusal", "choose", "judge"]

_RUNNERS_UP = 5


@dataclass(frozen=True)
class Candidate:
    """A cluster that a Model may know of."""

    name: str
    """The XInferenceCluster's name."""
    claim: Claim
    allowed_namespaces: tuple[str, ...] | None
    """Patterns; None is the claim's own namespace."""
    status: ClusterStatus
    waiting_for: str
    """Why it cannot take a Model now; empty when it can."""

    def admits(self, namespace: str) -> bool:
        """Tell whether the cluster's owner lets Models of a namespace in."""
        allowed = self.allowed_namespaces
        patterns = (self.claim.namespace,) if allowed is None else allowed
        return any(fnmatchcase(namespace, pattern) for pattern in patterns)

    @property
    def shares_storage(self) -> bool:
        """Whether it has volumes that several nodes read."""
        return self.status.shared_storage or self.status.shared_storage_class_name is not None


class Choice(NamedTuple):
    """A pool, and how the model sits on it."""

    candidate: Candidate
    pool: PoolStatus
    fit: Fit

    @property
    def hourly_usd(self) -> float | None:
        """Listed price of what a replica takes, in US dollars an hour; a part of the nodes'."""
        return hourly_usd(self.pool, self.units)

    @property
    def units(self) -> int:
        """GPUs or slices that a replica takes."""
        return self.fit.gpus * self.fit.nodes

    @property
    def order(self) -> tuple[bool, bool, float, int, int, bool, str, str]:
        """What goes first: see `docs/sizing.md`."""
        hourly, several, pool = self.hourly_usd, self.fit.nodes > 1, self.pool
        return (
            several,
            hourly is None,
            hourly or 0,
            self.units,
            unit_memory_mib(pool),
            several and pool.fabric is None,
            self.candidate.name,
            pool.name,
        )

    @property
    def takes(self) -> str:
        """What a replica takes, in words."""
        fit, pool = self.fit, self.pool
        return in_words(fit.gpus, fit.nodes, pool.gpu_model, shared=pool.sharing is not None)

    def behind(self, best: Choice) -> str:
        """Say why another choice goes first."""
        if self.fit.nodes > 1 and best.fit.nodes == 1:
            return f"fits on {self.fit.nodes} nodes, and one will do"
        mine, cheapest = self.hourly_usd, best.hourly_usd
        if mine != cheapest and cheapest is not None:
            dear = "has no listed price" if mine is None else f"costs {mine:.2f} USD/h"
            return f"fits, and {dear} against {cheapest:.2f}"
        fits = "fits" if mine is None else "fits at the same price"
        if self.units > best.units:
            return f"{fits}, on {self.units} GPUs instead of {best.units}"
        if unit_memory_mib(self.pool) > unit_memory_mib(best.pool):
            return f"{fits}, on a larger GPU"
        if self.order[:6] > best.order[:6]:
            return f"{fits}, without RDMA between its nodes"
        return "fits as well, and comes later by name"


class Refusal(NamedTuple):
    """Why a pool cannot take the Model."""

    cluster: str
    pool: str
    why: str
    closest: Fit | None = None
    """The largest number of GPUs tried, where only memory is short."""
    memory_mib: int = 0
    """Of one GPU or slice."""
    full: bool = False
    """Whether other Models take what it would need."""


@dataclass(frozen=True)
class Choices:
    """What became of every pool."""

    best: Choice | None
    runners_up: Sequence[Choice] = ()
    """The next best, in order, at most five."""
    refusals: Sequence[Refusal] = ()


class _Node(NamedTuple):
    """A kind of node; among many pools there are few."""

    gpu_model: str
    units: int
    memory_mib: int
    shared: bool


class _Attempt(NamedTuple):
    """What came of a model on a kind of node."""

    fit: Fit | None
    """The fewest GPUs that hold it; else the most of one node that were tried, if any."""
    why: str
    """Why it does not fit one node; empty when it does."""
    over_nodes: Fit | None = None
    """The fewest nodes that hold it, where one does not."""


def choose(spec: ModelSpec, what: Need, candidates: Iterable[Candidate]) -> Choices:
    """Return the best pool of these clusters, the next ones, and a refusal for each that cannot."""
    choices: list[Choice] = []
    refusals: list[Refusal] = []
    known: dict[_Node, _Attempt] = {}
    for candidate in candidates:
        for pool in candidate.status.node_pools or []:
            judged = _judge(spec, what, candidate, pool, known)
            if isinstance(judged, Choice):
                choices.append(judged)
            else:
                refusals.append(judged)
    first = nsmallest(_RUNNERS_UP + 1, choices, key=lambda choice: choice.order)
    return Choices(first[0] if first else None, first[1:], refusals)


def judge(spec: ModelSpec, what: Need, candidate: Candidate, pool: PoolStatus) -> Choice | Refusal:
    """Fit the model on the fewest GPUs of a pool, or say why not."""
    return _judge(spec, what, candidate, pool, {})


def _judge(
    spec: ModelSpec, what: Need, candidate: Candidate, pool: PoolStatus, known: dict[_Node, _Attempt]
) -> Choice | Refusal:
    """Judge one of many pools: `known` has what came of other nodes, and keeps what comes of these."""
    node = _Node(pool.gpu_model, units_per_node(pool), unit_memory_mib(pool), pool.sharing is not None)
    attempt = known.get(node)
    if attempt is None:
        attempt = known[node] = _on_nodes(spec, what, node)
    found, why, closest, full = attempt.fit, "", None, False
    if found is None:
        why = attempt.why
    elif spec.cluster or spec.gpu.requires or spec.replicas.min > 1:
        why = _lacking(spec, candidate, pool)
    if not why and attempt.why:
        found, closest = attempt.over_nodes, attempt.fit
        needs = _needs_for_nodes(candidate, pool, found)
        why = attempt.why + _on_several(attempt, needs) if found is None or needs else ""
    if not why and found is not None:
        why, full = _crowded(spec, pool, found, node.units)
        if not why:
            return Choice(candidate, pool, found)
    return Refusal(candidate.claim.name, pool.name, why, closest, node.memory_mib, full)


def _on_nodes(spec: ModelSpec, what: Need, node: _Node) -> _Attempt:
    """Fit the model on the fewest GPUs of a kind of node."""
    gpu = gpus().get(node.gpu_model)
    if gpu is None:
        return _Attempt(None, f"its GPU {node.gpu_model} is not in this version's catalog")
    asked = spec.gpu
    if asked.model is not None and asked.model != node.gpu_model:
        return _Attempt(None, f"it has {node.gpu_model}, and spec.gpu.model asks for {asked.model}")
    if asked.min_memory_gib is not None and node.memory_mib < asked.min_memory_gib * 1024:
        has = f"{node.memory_mib / 1024:.1f} GiB a {'slice' if node.shared else 'GPU'}"
        return _Attempt(None, f"it has {has}, and spec.gpu.minMemoryGiB asks for {asked.min_memory_gib}")
    unfit = fits_precision(what.facts, gpu)
    if unfit:
        return _Attempt(None, unfit)
    # Slices of one node may be parts of one GPU, and those of MIG cannot talk to one another.
    most = 1 if node.shared and node.units else node.units
    if asked.count is not None and asked.count > most:
        has = "a Model takes one slice of its GPUs" if node.shared else f"its nodes have {most} GPUs"
        return _Attempt(None, f"{has}, and spec.gpu.count asks for {asked.count}")
    counts = gpu_counts(what.facts, most) if asked.count is None else [asked.count]
    tried = [fit(what, node.memory_mib, n) for n in counts]
    if not tried:
        return _Attempt(None, "its nodes have no GPUs")
    found = next((attempt for attempt in tried if attempt.fits), None)
    if found:
        return _Attempt(found, "")
    ranked = over_ranks(what, node.memory_mib, counts)
    if ranked:
        return _Attempt(ranked, "")
    # Not before a whole node is too small.
    whole = not node.shared and counts[-1] == gpu_counts(what.facts, most)[-1]
    several = over_nodes(what, node.memory_mib, counts) if whole else None
    return _Attempt(tried[-1], _arithmetic(tried[-1], node), several)


def _needs_for_nodes(candidate: Candidate, pool: PoolStatus, needed: Fit | None) -> str:
    """Say what is missing for a replica on several nodes; empty where nothing is, or one node will do."""
    if needed is None:
        return ""
    if needed.nodes > pool.nodes.max:
        return f"it has at most {pool.nodes.max}"
    if not candidate.shares_storage:
        return "its cluster has no shared storage for the weights"
    if contract.LEADER_WORKER_SET not in (candidate.status.components or []):
        return "its cluster does not run LeaderWorkerSet"
    return ""


def _on_several(attempt: _Attempt, needs: str) -> str:
    """Say that several nodes would do, where one does not even hold the weights."""
    one, needed = attempt.fit, attempt.over_nodes
    if one is None or needed is None or one.least_gib < one.usable_gib:
        return ""
    return f"; {needed.nodes} nodes of {needed.gpus} would do, and {needs}"


def _arithmetic(attempt: Fit, node: _Node) -> str:
    unit = "slice" if node.shared else "GPU"
    more = attempt.loading_gib > attempt.needed_gib
    loading = f", while it is quantised {attempt.loading_gib:.1f} GiB," if more else ""
    return (
        f"on {attempt.gpus} {unit}{'s' if attempt.gpus > 1 else ''} each needs {attempt.needed_gib:.1f} GiB "
        f"(weights {attempt.weights_gib:.1f} + cache {attempt.cache_gib:.1f}){loading} and has "
        f"{attempt.usable_gib:.1f} GiB usable"
    )


def _lacking(spec: ModelSpec, candidate: Candidate, pool: PoolStatus) -> str:
    """Say what a pool does not have that the spec asks for; empty when it has everything."""
    named = spec.cluster.node_pool if spec.cluster else None
    if named not in (None, pool.name):
        return f"spec.cluster.nodePool asks for {named}"
    replicas = spec.replicas.min
    if replicas > 1 and not candidate.shares_storage:
        return f"{replicas} replicas read one volume, and its cluster has no shared storage"
    for requirement in spec.gpu.requires:
        met, otherwise = _REQUIREMENTS[requirement]
        if not met(candidate, pool):
            return f"{otherwise}, and spec.gpu.requires asks for {requirement.value}"
    return ""


_REQUIREMENTS: Mapping[Requirement, tuple[Callable[[Candidate, PoolStatus], bool], str]] = {
    Requirement.WHOLE_GPU: (lambda _, pool: pool.sharing is None, "its GPUs are shared"),
    Requirement.NO_SPOT: (
        lambda _, pool: pool.capacity is not Capacity.SPOT,
        "its machines may be taken back (Spot)",
    ),
    Requirement.RDMA: (lambda _, pool: pool.fabric is not None, "its nodes have no RDMA"),
    Requirement.SHARED_STORAGE: (lambda c, _: c.shares_storage, "its cluster has no shared storage"),
}


def _crowded(spec: ModelSpec, pool: PoolStatus, found: Fit, units_per_node: int) -> tuple[str, bool]:
    """Say that the pool is too small, or that it is full (and the second is True)."""
    # One even where none is to run: it is placed so that it can.
    replicas, each = max(1, spec.replicas.min), found.gpus * found.nodes
    nodes, used = pool.nodes.max, pool.gpus_in_use or 0
    if replicas * found.nodes > nodes * (units_per_node // found.gpus):
        return f"{replicas} replicas of {each} {_unit(pool)} exceed its {nodes} nodes", False
    if replicas * each > nodes * units_per_node - used:
        return f"{used} of {nodes * units_per_node} {_unit(pool)} in use", True
    return "", False


def _unit(pool: PoolStatus) -> str:
    return "slices" if pool.sharing else "GPUs"
