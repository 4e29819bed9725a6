"""Pods on several nodes as one: the real controller of LeaderWorkerSet on nodes that kwok plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import agent
from tests.e2e.agent import heal, play
from tests.e2e.conftest import Plane
from tests.e2e.gpu_operator import GPUOperator, bury
from tests.e2e.nodes import joined
from tests.e2e.observing import refreshed, wait_ready
from tests.e2e.workload import OWNER, clear, delete, existing, model, nodes_of, place, serving, wait_told
from tools.control_plane import leader_worker_set
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NODES = [gpu_node(f"h100-{i}", "p5.48xlarge", zone="a") for i in range(1, 5)]
NAMESPACE = "team-a"
KWOK = "kwok"
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


@pytest.fixture(scope="module")
def large(control_plane: Plane, api: Api) -> Iterator[Manifest]:
    """Llama-3.1-405B: 756 GiB of weights, of 2 x 8 H100."""
    pool = {"name": "h100", "gpu": {"model": "H100-80GB", "count": 8}, "nodes": {"min": 2, "max": 4}}
    with GPUOperator(api):
        cluster = wait_ready(api, existing(control_plane, "several-nodes", [pool]), seconds=120)
        here = {"namespace": OWNER, "name": cluster["metadata"]["name"]}
        token = {"metadata": {"name": "hub", "namespace": NAMESPACE}, "data": {"token": "aGZfeA=="}}
        api.apply({"apiVersion": "v1", "kind": "Secret", **token})
        source = {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}
        claim = api.create(
            model(NAMESPACE, "large", model="meta-llama/Llama-3.1-405B-Instruct", cluster=here, source=source)
        )
        with agent.kubelet(api, NODES, {}), agent.running(control_plane):
            yield wait_ready(api, claim, seconds=120)
        clear(api, claim, cluster)
        bury(api)


def test_a_model_of_two_nodes_is_served_by_its_leader(api: Api, large: Manifest) -> None:
    assert large["status"]["placement"]["nodes"] == 2
    pods = {pod["metadata"]["name"]: pod for pod in serving(api, large)}
    assert sorted(pods) == ["group-0", "group-0-1"]
    assert len(set(nodes_of(api, large)) & {node["metadata"]["name"] for node in NODES}) == 2
    assert all(
        pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "8" for pod in pods.values()
    )
    [service] = api.items("v1", "Service", place(api, large), "freehold.dev/model")
    answering = api.items("v1", "Pod", place(api, large), selector(service))
    assert [pod["metadata"]["name"] for pod in answering] == ["group-0"]


def test_a_lost_worker_takes_its_group_along(api: Api, large: Manifest) -> None:
    """A stage alone cannot join engines that wait for the one that was lost."""
    before = {pod["metadata"]["uid"] for pod in serving(api, large)}
    api.delete(next(pod for pod in serving(api, large) if pod["metadata"]["name"] == "group-0-1"))

    def anew() -> bool:
        pods = serving(api, large)
        found = {pod["metadata"]["uid"] for pod in pods}
        return len(found) == 2 and before.isdisjoint(found)

    wait_for("a new group", anew, seconds=90)
    wait_ready(api, large, seconds=60)


def worker(api: Api, large: Manifest) -> Manifest:
    """Return the pod of the group that answers nobody, and which has no probe."""
    return next(pod for pod in serving(api, large) if pod["metadata"]["name"] == "group-0-1")


def test_an_image_that_a_worker_cannot_pull(api: Api, large: Manifest) -> None:
    pod, why = worker(api, large), 'Back-off pulling image "x": ErrImagePull: 401 Unauthorized'
    play(api, pod, state={"waiting": {"reason": "ImagePullBackOff", "message": why}})
    wait_told(api, large, "Serving=False ImagePull: [platform]")
    message = condition(refreshed(api, large), "Serving")["message"]
    assert f"(pod group-0-1, node {pod['spec']['nodeName']}, since" in message
    assert why in message
    heal(api, pod)
    wait_ready(api, large, seconds=60)


CRASHES = [
    pytest.param(
        {"exitCode": 137, "reason": "OOMKilled"}, ("OutOfMemory: [model]", "memory limit of"), id="memory"
    ),
    pytest.param(
        {"exitCode": 1, "reason": "Error", "message": "RuntimeError: NCCL error: unhandled system error"},
        ("CrashLoop: [model]", "RuntimeError: NCCL error: unhandled system error"),
        id="crash",
    ),
]


@pytest.mark.parametrize(("end", "words"), CRASHES)
def test_a_worker_that_ends_explains_why_its_group_is_new(
    control_plane: Plane, api: Api, large: Manifest, end: dict[str, Any], words: tuple[str, str]
) -> None:
    """The controller deletes the group with the pod that says why; the claim says it while the next one loads."""
    before, pod = {p["metadata"]["uid"] for p in serving(api, large)}, worker(api, large)
    with unplayed(control_plane):
        last = {"terminated": {**end, **span()}}
        play(api, pod, restartCount=1, state={"running": {"startedAt": span()["startedAt"]}}, lastState=last)

        def anew() -> bool:
            pods = serving(api, large)
            for old in pods:
                if "deletionTimestamp" in old["metadata"]:
                    # As a kubelet ends a pod: the containers are stopped, then the pod is gone.
                    if old["metadata"]["name"] == "group-0-1":
                        stopped = {"terminated": {"exitCode": 143, "reason": "Error", **span()}}
                        play(api, old, restartCount=1, state=stopped, lastState=last)
                    api.call("DELETE", api.path(*identity(old)), {"gracePeriodSeconds": 0})
            return before.isdisjoint(p["metadata"]["uid"] for p in pods) and len(pods) == 2

        wait_for("a group that loads", anew, seconds=30)
        reason, why = words
        wait_told(api, large, f"Serving=False {reason}")
        message = condition(refreshed(api, large), "Serving")["message"]
        assert f"(pod group-0-1, node {pod['spec']['nodeName']}, since" in message
        assert why in message
    wait_ready(api, large, seconds=60)


def span() -> dict[str, str]:
    """When a container began and ended: now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"startedAt": now, "finishedAt": now}


@contextmanager
def unplayed(plane: Plane) -> Iterator[None]:
    """Have nobody play the nodes: pods get a node and stay as they are."""
    process = plane.processes.all()[KWOK]
    plane.processes.stop(KWOK)
    try:
        yield
    finally:
        plane.processes.start(KWOK, process.command, process.environment)


def test_its_group_goes_with_it(api: Api, large: Manifest) -> None:
    namespace = place(api, large)
    delete(api, large)
    assert api.find("v1", "Namespace", namespace) is None


def selector(service: Manifest) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(service["spec"]["selector"].items()))


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
