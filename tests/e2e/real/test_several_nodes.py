"""A Model over two nodes: a LeaderWorkerSet of two pods, of its real controller, answers as one.

Both pods are on the one real node, which has GPUs for both; so their traffic passes network policies, and no wire.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import wait_ready
from tests.e2e.people import member
from tests.e2e.real import asking
from tests.e2e.real.checks import becomes_ready
from tests.e2e.workload import delete, place, serving, wait_told
from tools.control_plane import leader_worker_set
from tools.control_plane.api import Api
from tools.manifests import Manifest
from tools.node import served

TEAM = "team-a"
SPEC = {
    # Of 27 GiB: more than an L4 has, and less than two have.
    "baseModel": "microsoft/phi-4",
    "cluster": {"namespace": served.OWNER, "name": "here", "nodePool": served.SINGLES},
    "engine": {"resources": {"cpu": "100m", "memory": "5Gi"}},
}


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def several(real: Plane, cluster: Manifest) -> Iterator[None]:
    """The cluster with a pool of small nodes, and LeaderWorkerSet."""
    with leader_worker_set.running(real.layout):
        real.api.patch(cluster, {"spec": {"nodePools": served.for_several_nodes()}})
        wait_told(real.api, cluster, "LeaderWorkerSet", 120)
        wait_ready(real.api, cluster, 120)
        try:
            yield
        finally:
            real.api.patch(cluster, {"spec": {"nodePools": served.node_pools()}})


@pytest.fixture(scope="module")
def claim(real: Plane, several: None) -> Iterator[Manifest]:
    """The Model, once it is Ready."""
    del several
    made = member(real.api, TEAM).create(served.model(TEAM, "wide", **SPEC))
    try:
        yield becomes_ready(real, made)
    finally:
        # Before its controller goes.
        delete(real.api, made)


def test_a_model_is_served_by_two_pods(api: Api, claim: Manifest) -> None:
    assert claim["status"]["placement"]["nodes"] == 2
    pods = serving(api, claim)
    assert sorted(pod["metadata"]["name"] for pod in pods) == ["group-0", "group-0-1"]
    [group] = api.items("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", place(api, claim))
    assert group["status"]["readyReplicas"] == 1


def test_it_answers(api: Api, claim: Manifest) -> None:
    answer = asking.chat(api, claim)
    print(f"first token after {answer['first']:.2f} s: {answer['text']!r}")
    assert answer["tokens"] >= 1
