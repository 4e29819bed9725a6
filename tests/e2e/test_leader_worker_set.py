"""Pods on several nodes as one: the real controller of LeaderWorkerSet on nodes that kwok plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import refreshed
from tools.control_plane import leader_worker_set
from tools.control_plane.api import Api
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NODES = [gpu_node(f"h100-{i}", "H100-80GB", 8, zone="a") for i in range(1, 5)]
NAMESPACE = "team-a"
GROUP = "leaderworkerset.sigs.k8s.io/group-index"


@pytest.fixture(scope="module")
def api(control_plane: Plane) -> Iterator[Api]:
    with joined(control_plane.api, NODES), leader_worker_set.running(control_plane.layout):
        yield control_plane.api


def test_two_groups_of_two_nodes(api: Api) -> None:
    """As a Model of two replicas on two nodes each: all scheduled, and each group in its place."""
    asked = api.create(two_by_two())
    wait_for("both groups", lambda: refreshed(api, asked).get("status", {}).get("readyReplicas") == 2, 90)
    pods = api.items("v1", "Pod", NAMESPACE, "leaderworkerset.sigs.k8s.io/name=large")
    assert sorted(pod["metadata"]["labels"][GROUP] for pod in pods) == ["0", "0", "1", "1"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == [node["metadata"]["name"] for node in NODES]
    api.delete(asked)
    wait_for("its pods to be gone", lambda: not api.items("v1", "Pod", NAMESPACE), 90)


def two_by_two() -> Manifest:
    eight = {"nvidia.com/gpu": "8"}
    pod = {
        "metadata": {},
        "spec": {
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [
                {"name": "vllm", "image": "vllm", "resources": {"requests": eight, "limits": eight}}
            ],
        },
    }
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "large", "namespace": NAMESPACE},
        "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": pod}},
    }
