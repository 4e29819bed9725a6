"""Pools of a cluster that is there already are matched to its nodes, and then left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from functions.base import Request, Selector
from functions.base.assemble import Desired, assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import COMPOSITE, cluster, existing, live, settled

NODES = "node-pools/nodes-a100"
A100 = {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}, "nodes": {"min": 2, "max": 3}}
LABELS = "nvidia.com/gpu.count=8, nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB"
HINT = (
    ". While ComponentsReady is False, wait: labels nvidia.com/gpu.* and what nodes have to give come from the "
    "GPU Operator. Then correct spec.nodePools, or label the nodes"
)


DISCOVERED = {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
MIG = {"nvidia.com/mig.config": "all-1g.10gb"}


def node(
    name: str,
    gpus: str | None = "8",
    resource: str = "nvidia.com/gpu",
    labels: Mapping[str, str] = DISCOVERED,
) -> dict[str, Any]:
    """What provider-kubernetes keeps of a node."""
    allocatable = {} if gpus is None else {resource: gpus}
    metadata = {"name": name, "labels": labels}
    manifest = {"kind": "Node", "metadata": metadata, "status": {"allocatable": allocatable}}
    return {"metadata": {"name": f"of-{name}"}, "status": {"atProvider": {"manifest": manifest}}}


def looking(nodes: Sequence[dict[str, Any]] | None, pool: dict[str, Any] = A100) -> Request:
    """A cluster whose nodes have been looked for; None: that requirement is not answered."""
    request, _ = settled(FUNCTION, existing(pool))
    answers = {} if nodes is None else {f"nodes-{pool['name']}": tuple(nodes)}
    return replace(request, answers=answers)


def decided(request: Request) -> Desired:
    return assemble(request, FUNCTION, FUNCTION.compose(request))


def pool_status(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = FUNCTION.compose(request).status["nodePools"][0]
    return found


def after(request: Request) -> Request:
    """The next request, with the status of this one."""
    composite = {**request.composite, "status": dict(FUNCTION.compose(request).status)}
    kept = {name: request.observed[name] for name in decided(request).manifests}
    return replace(request, composite=composite, observed=kept, answers={}, requirements={})


def test_what_is_looked_for() -> None:
    request = looking([])
    found = decided(request).manifests[NODES]
    name = found["metadata"]["name"]
    assert name.startswith(f"{COMPOSITE}-nodes-a100-")
    assert found["spec"] == {
        "observeObjects": {
            "apiVersion": "v1",
            "kind": "Node",
            "selector": {
                "matchLabels": {
                    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
                    "nvidia.com/gpu.count": "8",
                }
            },
        },
        "providerConfigRef": {"kind": "ProviderConfig", "name": f"{COMPOSITE}-kubernetes-0cf016"},
    }
    assert request.requirements["nodes-a100"] == Selector(
        "kubernetes.m.crossplane.io/v1alpha1",
        "Object",
        labels=(("kubernetes.crossplane.io/owned-by-collection", name),),
        namespace="crossplane-system",
    )


@pytest.mark.parametrize("pool", ["a" * 20, "a"])
def test_names_have_room_for_what_the_provider_adds(pool: str) -> None:
    # Proves: the Objects of a long-named cluster's nodes can be made.
    request = cluster(existing({**A100, "name": pool}))
    long = replace(request, composite={**request.composite, "metadata": {"name": "c" * 63}})
    found = next(r for r in FUNCTION.compose(long).resources if r.name == f"node-pools/nodes-{pool}")
    assert found.manifest is not None
    assert len(found.manifest["metadata"]["name"]) <= 55


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        pytest.param([], f"node pool a100: no node has labels {LABELS}", id="none"),
        pytest.param(
            [node("n1")], f"node pool a100: 1 of 2 nodes (nodes.min) have labels {LABELS}", id="too-few"
        ),
        pytest.param(
            [node("n2", "4"), node("n1")],
            "node pool a100: node n2 has 4 nvidia.com/gpu, declared are 8",
            id="fewer-gpus",
        ),
        pytest.param(
            [node("n2", None), node("n1", None)],
            "node pool a100: node n1 has 0 nvidia.com/gpu, declared are 8",
            id="no-device-plugin-yet",
        ),
    ],
)
def test_nodes_that_are_not_the_pool(nodes: list[dict[str, Any]], problem: str) -> None:
    request = looking(nodes)
    condition = decided(request).conditions["NodePoolsReady"]
    assert (condition.status.value, condition.reason) == ("False", "NodesDiffer")
    assert condition.text == f"[platform] {problem}{HINT}"
    assert (pool_status(request)["nodesFound"], pool_status(request)["ready"]) == (len(nodes), False)
    assert NODES in decided(request).manifests, "it goes on looking"


def test_a_node_of_two_pools_is_told() -> None:
    """The labels of both go together, so only a node that has both shows that the pools overlap."""
    labels = {"rack": "north"}
    other = {"name": "north", "gpu": {"model": "A100-80GB", "count": 8}, "labels": labels}
    request, _ = settled(FUNCTION, existing({**A100, "nodes": {"min": 1, "max": 3}}, other))
    both, one = node("n1", labels={**DISCOVERED, **labels}), node("n2")
    shared = replace(request, answers={"nodes-a100": (both, one), "nodes-north": (both,)})
    found = decided(shared).conditions["NodePoolsReady"]
    assert (found.status.value, found.reason) == ("False", "NodesDiffer")
    assert (
        "node pool a100: node n1 is a node of pool north as well, by labels rack=north, and each pool promises it "
        "to Models. Give each pool labels that no node of the other has; node pool north: node n1 is a node of "
        f"pool a100 as well, by labels {LABELS}, "
    ) in found.message
    apart = replace(request, answers={"nodes-a100": (one,), "nodes-north": (node("n1", labels=labels),)})
    assert decided(apart).conditions["NodePoolsReady"].status.value == "True"


def test_once_found_nobody_looks_any_more() -> None:
    # Proves: heartbeats of nodes wake the cluster until the pool is there, and never after.
    request = looking([node("n1"), node("n2")])
    desired = decided(request)
    assert desired.conditions["NodePoolsReady"].text == "every pool has its nodes: a100 2"
    assert (pool_status(request)["nodesFound"], pool_status(request)["ready"]) == (2, True)
    assert NODES not in desired.manifests
    later = after(request)
    assert decided(later).conditions["NodePoolsReady"].status.value == "True"
    assert (pool_status(later), list(later.requirements)) == (pool_status(request), ["models"])
    assert NODES not in decided(later).manifests


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"nodes": {"min": 3, "max": 3}}, id="more-nodes"),
        pytest.param({"gpu": {"model": "A100-80GB", "count": 4}}, id="other-nodes"),
        pytest.param({"labels": {"example.com/pool": "a"}}, id="other-labels"),
        pytest.param({"sharing": {"mode": "MIG", "profile": "1g.10gb"}}, id="shared"),
    ],
)
def test_another_declaration_is_looked_at_again(change: dict[str, Any]) -> None:
    found = after(looking([node("n1"), node("n2")]))
    spec = {**found.composite["spec"], "nodePools": [{**A100, **change}]}
    answers = {**found.answers, "models": ()}
    changed = replace(found, composite={**found.composite, "spec": spec}, answers=answers)
    assert NODES in decided(changed).manifests
    assert decided(changed).conditions["NodePoolsReady"].status.value == "False"


@pytest.mark.parametrize(
    "nodes", [None, [node("n1"), {"metadata": {"name": "of-n2"}}]], ids=["unanswered", "one-not-read-yet"]
)
def test_what_is_not_known_yet_decides_nothing(nodes: list[dict[str, Any]] | None) -> None:
    request = looking(nodes)
    assert decided(request).conditions["NodePoolsReady"].reason == "Creating"
    assert "nodesFound" not in pool_status(request)
    assert NODES in decided(request).manifests


def test_slices_are_counted() -> None:
    shared = {**A100, "sharing": {"mode": "MIG", "profile": "1g.10gb"}}
    resource, labels = "nvidia.com/mig-1g.10gb", {**DISCOVERED, **MIG}
    whole = looking([node(name, labels=labels) for name in ("n1", "n2")], shared)
    assert f"node n1 has 0 {resource}, declared are 56" in _said(whole)
    cut = looking([node(name, "56", resource, labels) for name in ("n1", "n2")], shared)
    assert _said(cut) == "every pool has its nodes: a100 2"


def test_nodes_of_the_labels_before_do_not_count() -> None:
    # Proves: what the provider found before the labels changed is not taken for the pool.
    request = looking([node("n1"), node("n2")], {**A100, "labels": {"example.com/pool": "b"}})
    assert _said(request).startswith("node pool a100: no node has labels example.com/pool=b. ")


def _said(request: Request) -> str:
    return decided(request).conditions["NodePoolsReady"].message


def test_a_pool_of_no_nodes_is_ready_without_any() -> None:
    # Proves: what an autoscaler brings need not be there, and is counted when it comes.
    scaled = {**A100, "nodes": {"min": 0, "max": 4}}
    request = looking([], scaled)
    assert _said(request) == "every pool has its nodes: a100 none yet"
    assert pool_status(request)["ready"] is True
    assert NODES in decided(after(request)).manifests
    assert _said(looking([node("n1")], scaled)) == "every pool has its nodes: a100 1"


def test_more_nodes_than_declared() -> None:
    request = looking([node(f"n{i}") for i in range(4)])
    told = "node pool a100 has 4 nodes, and Models use no more than its nodes.max of 3"
    assert list(FUNCTION.compose(request).notes) == [told]
    assert list(FUNCTION.compose(after(request)).notes) == [told]


def test_a_very_large_pool_is_taken_as_declared() -> None:
    # Proves: a thousand nodes are not copied into the control plane.
    request, _ = settled(FUNCTION, existing({**A100, "nodes": {"min": 2, "max": 101}}))
    assert NODES not in decided(request).manifests
    assert _said(request) == "every pool has its nodes: a100 as declared"


def test_the_provider_looks_again_when_something_else_gets_ready() -> None:
    # Proves: labels that come with the GPU Operator are seen at once.
    request = looking([])
    operator = {"cluster-stack/cluster-policy": live({"kind": "Object"})}
    before, later = request, replace(request, observed={**request.observed, **operator})
    key = "freehold.dev/ready-before"
    found = [decided(r).manifests[NODES]["metadata"]["annotations"][key] for r in (before, later)]
    assert found == ["0", "1"]


def test_what_pods_can_request_is_the_least_of_the_nodes_and_recorded() -> None:
    # Proves: Models request no more than any node of the pool has, after the nodes are no longer looked at.
    nodes = [node("one"), node("two")]
    for one, cpu, memory in zip(nodes, ("95690m", "96"), ("1102Gi", "1155000000Ki"), strict=True):
        allocatable = one["status"]["atProvider"]["manifest"]["status"]["allocatable"]
        allocatable |= {"cpu": cpu, "memory": memory}
    least = {"cpuMillicores": 95690, "memoryMiB": 1127929}
    assert pool_status(looking(nodes))["allocatable"] == least
    assert pool_status(after(looking(nodes)))["allocatable"] == least
    assert "allocatable" not in pool_status(looking([node("one"), node("two")]))
