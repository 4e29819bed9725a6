"""How much a Model's replicas take at once, and which of them gets a request: the route's policy."""

from __future__ import annotations

from typing import Any

from functions.vllm.compose import compose
from tests.vllm.serve.test_route import GATED, TRAFFIC, inner
from tests.vllm.world import H100, SPEC, cluster, live, manifests, request

GATE = {"host": "models.example.org"}
LARGE = cluster("us", H100, allowed=["*"], gateway=GATE, sharedStorage=True, storageClassName="efs")


def traffic(at: dict[str, Any] = GATED, **spec: Any) -> dict[str, Any]:
    made = manifests(compose(request({**SPEC, **spec}, at)))
    found: dict[str, Any] = inner(made[TRAFFIC])["spec"]
    return found


def most(at: dict[str, Any] = GATED, **spec: Any) -> int:
    bounds = traffic(at, **spec)["circuitBreaker"]
    assert bounds["maxPendingRequests"] == bounds["maxParallelRetries"] == bounds["maxParallelRequests"]
    # Else what is above the bound would wait for a connection.
    assert bounds["maxConnections"] == 2 * bounds["maxParallelRequests"]
    found: int = bounds["maxParallelRequests"]
    return found


def test_the_bound_is_what_replicas_compute_at_once_and_as_many_again_that_wait() -> None:
    # vLLM computes 256 requests at once on an L4, and 1024 on an H100.
    assert most() == 512
    assert most(LARGE) == 2048
    assert most(LARGE, replicas={"min": 3}) == 3 * 2048
    assert most(replicas={"min": 0}) == 512


def test_the_queue_is_the_teams_to_set() -> None:
    assert most(routing={"queuePerReplica": 0}) == 256
    assert most(LARGE, routing={"queuePerReplica": 6}, replicas={"min": 2}) == 2060
    assert most(LARGE, concurrency=1024, contextLength=128, routing={"queuePerReplica": 1}) == 1025


def test_the_bound_follows_what_the_placement_has_recorded() -> None:
    status = compose(request(SPEC, GATED)).status
    placement = {**status["placement"], "engineFlags": ["--max-num-seqs=7"], "dataParallel": 2}
    made = manifests(compose(request(SPEC, GATED, status={"placement": placement})))
    assert inner(made[TRAFFIC])["spec"]["circuitBreaker"]["maxParallelRequests"] == 28
    # As a package of before that recorded nothing has placed it.
    made = manifests(compose(request(SPEC, GATED, status={"placement": {**placement, "engineFlags": []}})))
    assert inner(made[TRAFFIC])["spec"]["circuitBreaker"]["maxParallelRequests"] == 1024


def test_a_conversation_has_a_replica() -> None:
    assert traffic()["loadBalancer"] == {"type": "LeastRequest"}
    assert traffic(routing={"session": {"header": "x-session-id"}})["loadBalancer"] == {
        "type": "ConsistentHash",
        "consistentHash": {"type": "Headers", "headers": [{"name": "x-session-id"}]},
    }
    assert traffic(routing={"session": {"cookie": "Chat"}})["loadBalancer"] == {
        "type": "ConsistentHash",
        "consistentHash": {"type": "Cookie", "cookie": {"name": "Chat"}},
    }


def test_routing_leaves_the_pods_alone() -> None:
    before = compose(request(SPEC, GATED))
    asked = {**SPEC, "routing": {"session": {"header": "x-session-id"}, "queuePerReplica": 1}}
    after = compose(request(asked, GATED, status=dict(before.status), observed=live(before)))
    workload = "vllm/deployment"
    assert manifests(after)[workload] == manifests(before)[workload]
    assert manifests(after)[TRAFFIC] != manifests(before)[TRAFFIC]
