"""Nodes of an existing cluster, counted by the labels of their node pools.

provider-kubernetes copies every node that it finds into an Object, heartbeats included, so a pool
is looked at only until its nodes are there: after that they would wake the cluster for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.api import Allocatable, PoolStatus, contract, quantity
from functions.base import (
    Condition,
    Progress,
    Request,
    Resource,
    Selector,
    Status,
    Unanswered,
    View,
    Whose,
    condition_true,
    remote,
    unique_name,
)

from .. import reach
from ..pools.pool import Pool, recorded

__all__ = ["Found", "find"]

_MEMBER = "kubernetes.crossplane.io/owned-by-collection"
"""Label of the Objects that provider-kubernetes 1.2.1 makes for a collection (membershipLabelKey)."""
_COLLECTIONS = "node-pools/nodes-"
"""Beginning of the collections' names in the composition; the pool's name follows."""
_NODE = ("status", "atProvider", "manifest")
"""Where such an Object has the node."""
_NAME = 55
"""Characters in a collection's name: an Object's is that, a dash and seven digits."""
_MOST = 100
"""Nodes of a pool that are looked at one by one; a larger pool is taken as declared."""
_AGAIN = "freehold.dev/ready-before"
"""Annotation that has the provider look again at once, not ten minutes later: what else is ready by now."""


@dataclass(frozen=True)
class Found:
    """What is known of the nodes."""

    resources: tuple[Resource, ...]
    gone: tuple[str, ...]
    """Collections of pools that have had their nodes, or are not there any more."""
    pools: tuple[PoolStatus, ...]
    condition: Condition | Progress
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    status: PoolStatus
    collection: Resource | None = None
    problem: str = ""


def find(request: Request, access: reach.ClusterAccess, pools: Sequence[Pool]) -> Found:
    """Look for the nodes of every pool that has not had them before."""
    before = recorded(request).pools
    looks = [_look(request, access, pool, before.get(pool.name), pools) for pool in pools]
    resources = tuple(look.collection for look in looks if look.collection is not None)
    statuses = tuple(look.status for look in looks)
    return Found(
        resources=resources,
        gone=request.others(_COLLECTIONS, [look.status.name for look in looks if look.collection]),
        pools=statuses,
        condition=_condition([look.problem for look in looks if look.problem], resources, statuses),
        notes=tuple(
            f"node pool {s.name} has {s.nodes_found} nodes, and Models use no more than its nodes.max of "
            f"{s.nodes.max}"
            for s in statuses
            if s.nodes_found is not None and s.nodes_found > s.nodes.max
        ),
    )


def _look(
    request: Request,
    access: reach.ClusterAccess,
    pool: Pool,
    record: PoolStatus | None,
    pools: Sequence[Pool],
) -> _Look:
    if pool.nodes.max > _MOST:
        return _Look(pool.status(ready=reach.is_reachable(request)))
    if record is not None and _had(pool, record):
        return _Look(_status(pool, record.nodes_found, record.allocatable, ready=True))
    nodes = _nodes(request, access, pool)
    collection = Resource(
        _resource(pool),
        _collection(request, access, pool),
        (reach.REACHABLE,),
        lambda _: nodes is not None,
        label=f"the search for the nodes of node pool {pool.name}",
    )
    if nodes is None:
        found = (record.nodes_found, record.allocatable) if record else (None, None)
        return _Look(_status(pool, *found, ready=False), collection)
    problem = _problem(pool, nodes) or _shared(pool, nodes, pools)
    status = _status(pool, len(nodes), _least(nodes), ready=not problem)
    # A pool of no nodes costs nothing to look for until its autoscaler brings some.
    return _Look(status) if nodes and not problem else _Look(status, collection, problem)


def _status(pool: Pool, found: int | None, allocatable: Allocatable | None, *, ready: bool) -> PoolStatus:
    return pool.status(ready=ready).model_copy(update={"nodes_found": found, "allocatable": allocatable})


def _least(nodes: Sequence[View]) -> Allocatable | None:
    """Return the CPU and the memory that pods can request of each of these nodes; None where none tells."""
    told = (
        [node.text(*_NODE, "status", "allocatable", resource) or "" for node in nodes]
        for resource in ("cpu", "memory")
    )
    cpu, memory = told
    millicores = [amount for amount in map(quantity.millicores, cpu) if amount is not None]
    mebibytes = [amount for amount in map(quantity.mebibytes, memory) if amount is not None]
    if not millicores or not mebibytes:
        return None
    return Allocatable(cpu_millicores=min(millicores), memory_mib=min(mebibytes))


def _had(pool: Pool, record: PoolStatus) -> bool:
    """Tell whether the pool has had its nodes, by the labels and with the GPUs that it has now."""
    known = (record.node_selector, record.gpus_per_node, record.sharing)
    same = known == (dict(pool.node_selector), pool.gpus_per_node, pool.sharing)
    return record.ready and same and (record.nodes_found or 0) >= max(pool.nodes.min, 1)


def _resource(pool: Pool) -> str:
    return f"{_COLLECTIONS}{pool.name}"


def _name(request: Request, pool: Pool) -> str:
    return unique_name(request.name, "nodes", pool.name, limit=_NAME)


def _nodes(request: Request, access: reach.ClusterAccess, pool: Pool) -> tuple[View, ...] | None:
    """Return the pool's nodes once the provider has looked at all of them."""
    collection = request.resource(_resource(pool))
    if collection is None or not condition_true()(collection):
        return None
    labels = ((_MEMBER, _name(request, pool)),)
    try:
        wanted = Selector(remote.KUBERNETES_API, "Object", labels=labels, namespace=access.namespace)
        found = request.require(f"nodes-{pool.name}", wanted)
    except Unanswered:
        return None
    if not all(node.has(*_NODE) for node in found):
        return None
    # Until the provider has looked again, those of other labels are there still.
    return tuple(node for node in found if _has_labels(node, pool.node_selector))


def _has_labels(node: View, labels: Mapping[str, str]) -> bool:
    return all(node.text(*_NODE, "metadata", "labels", key) == value for key, value in labels.items())


def _collection(request: Request, access: reach.ClusterAccess, pool: Pool) -> dict[str, Any]:
    return remote.collection(
        _name(request, pool),
        access.namespace,
        access.kubernetes,
        kind=("v1", "Node"),
        labels=pool.node_selector,
        annotations={_AGAIN: str(request.once(_ready_of_others))},
    )


def _ready_of_others(request: Request) -> int:
    """Count what is ready of the composed resources of other functions."""
    ready = condition_true()
    others = (live for name, live in request.observed.items() if not name.startswith("node-pools/"))
    return sum(ready(View(live)) for live in others)


def _problem(pool: Pool, nodes: Sequence[View]) -> str:
    """Say what keeps these nodes from being the pool; nothing when they are."""
    if len(nodes) < pool.nodes.min:
        many = f"{len(nodes)} of {pool.nodes.min} nodes (nodes.min) have" if nodes else "no node has"
        return f"node pool {pool.name}: {many} labels {_in_words(pool.node_selector)}"
    resource = pool.sharing.resource if pool.sharing else contract.GPU
    count = pool.gpus_per_node * (pool.sharing.per_gpu if pool.sharing else 1)
    for node in sorted(nodes, key=_node_name):
        offers = node.text(*_NODE, "status", "allocatable", resource) or "0"
        if offers != str(count):
            which = f"node pool {pool.name}: node {_node_name(node)}"
            return f"{which} has {offers} {resource}, declared are {count}"
    return ""


def _shared(pool: Pool, nodes: Sequence[View], pools: Sequence[Pool]) -> str:
    """Return which node is one of another pool as well, by its labels; empty where none is.

    The spec does not say whether a node has the labels of two pools; the nodes do. Each pool would
    promise such a node to Models.
    """
    for node in sorted(nodes, key=_node_name):
        for other in pools:
            if other.name != pool.name and _has_labels(node, other.node_selector):
                both = f"node {_node_name(node)} is a node of pool {other.name} as well"
                return (
                    f"node pool {pool.name}: {both}, by labels {_in_words(other.node_selector)}, and each "
                    "pool promises it to Models. Give each pool labels that no node of the other has"
                )
    return ""


def _in_words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _node_name(node: View) -> str:
    return node.text(*_NODE, "metadata", "name") or ""


def _condition(
    problems: Sequence[str], looked_for: Sequence[Resource], pools: Sequence[PoolStatus]
) -> Condition | Progress:
    if problems:
        message = (
            f"{'; '.join(problems)}. While {contract.COMPONENTS_READY} is False, wait: labels "
            "nvidia.com/gpu.* and what nodes have to give come from the GPU Operator. Then "
            "correct spec.nodePools, or label the nodes"
        )
        return Condition("NodePoolsReady", Status.FALSE, "NodesDiffer", message, Whose.PLATFORM)
    counts = ", ".join(f"{pool.name} {_counted(pool)}" for pool in pools)
    return Progress(
        "NodePoolsReady",
        (reach.REACHABLE, *(resource.name for resource in looked_for)),
        f"every pool has its nodes: {counts}",
        Whose.PLATFORM,
    )


def _counted(pool: PoolStatus) -> str:
    if pool.nodes_found is None:
        return "as declared"
    return str(pool.nodes_found or "none yet")
