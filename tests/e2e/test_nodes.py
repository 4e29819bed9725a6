"""Played nodes: what the real scheduler and controllers do with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.nodes import ready
from tests.e2e.observing import refreshed
from tests.e2e.storage import SHARED, ZONAL, storage_class
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.nodes import cpu_node, gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAMESPACE = "nodes"
POOL = {"freehold.dev/node-pool": "l4"}
NODES = [
    cpu_node("system-1", zone="eu-central-1a"),
    gpu_node("l4-1", "g6.xlarge", zone="eu-central-1a", labels=POOL),
    gpu_node("h100-1", "p5.48xlarge", zone="eu-central-1b"),
]
TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.fixture(scope="module", autouse=True)
def nodes(api: Api) -> Iterator[None]:
    """The nodes, ready; and a namespace that is emptied at the end."""
    namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    classes = [storage_class("zonal", ZONAL), storage_class("shared", SHARED)]
    for manifest in (namespace, *classes, *NODES):
        api.create(manifest)
    for node in NODES:
        wait_for(f"{node['metadata']['name']} to be ready", lambda node=node: ready(api, node))  # type: ignore[misc]
    yield
    for manifest in (namespace, *classes):
        api.delete(manifest)
    wait_for("the namespace to be gone", lambda: api.find(*identity(namespace)) is None, seconds=90)
    wait_for("the volumes to be gone", lambda: volumes(api) == [])
    for node in NODES:
        api.delete(node)


def volumes(api: Api) -> list[Manifest]:
    """Return the volumes that were made here."""
    found = api.items("v1", "PersistentVolume")
    return [v for v in found if v["spec"].get("claimRef", {}).get("namespace") == NAMESPACE]


def test_nodes_keep_what_they_have(api: Api) -> None:
    for node in NODES:
        assert refreshed(api, node)["status"]["allocatable"] == node["status"]["allocatable"]


def test_a_deployment_with_a_gpu_goes_to_its_pool(api: Api) -> None:
    one = api.create(deployment("one", gpus=1, selector=POOL))
    wait_for("it to be available", lambda: available(api, one) == 1)
    [pod] = pods(api, "one")
    assert pod["spec"]["nodeName"] == "l4-1"
    assert condition(pod, "Ready")["status"] == "True"
    assert pod["status"]["podIP"]
    api.delete(one)
    wait_for("its pod to be gone", lambda: pods(api, "one") == [])


def test_what_does_not_fit_waits_for_what_holds_the_gpu(api: Api) -> None:
    first = api.create(deployment("first", gpus=1, selector=POOL))
    wait_for("the first to be available", lambda: available(api, first) == 1)
    second = api.create(deployment("second", gpus=1, selector=POOL))
    wait_for(
        "the scheduler to refuse the second",
        lambda: "Insufficient nvidia.com/gpu" in unscheduled(api, "second"),
    )
    assert available(api, second) == 0
    api.delete(first)
    wait_for("the second to be available", lambda: available(api, second) == 1)
    api.delete(second)


@pytest.mark.parametrize(("resource", "fits", "too_much"), [("cpu", "3", "4"), ("memory", "13Gi", "14Gi")])
def test_what_its_machine_does_not_have_is_not_given(
    api: Api, resource: str, fits: str, too_much: str
) -> None:
    """A g6.xlarge has 4 vCPUs and 16 GiB, of which kernel and kubelet keep some."""
    small = api.create(deployment(f"small-{resource}", gpus=1, selector=POOL, requests={resource: fits}))
    wait_for("the small one to be available", lambda: available(api, small) == 1)
    api.delete(small)
    large = api.create(deployment("large", gpus=1, selector=POOL, requests={resource: too_much}))
    wait_for("the scheduler to refuse it", lambda: f"Insufficient {resource}" in unscheduled(api, "large"))
    api.delete(large)
    wait_for("its pods to be gone", lambda: pods(api, "large") == [])


def unscheduled(api: Api, name: str) -> str:
    return "".join(condition(p, "PodScheduled").get("message", "") for p in pods(api, name))


def test_pods_without_the_toleration_stay_off_gpus(api: Api) -> None:
    plain = deployment("plain", gpus=0)
    plain["spec"]["template"]["spec"]["tolerations"] = []
    api.create(plain)
    wait_for("it to be available", lambda: available(api, plain) == 1)
    assert [pod["spec"]["nodeName"] for pod in pods(api, "plain")] == ["system-1"]
    api.delete(plain)


@pytest.mark.parametrize("what", ["unready", "failed"])
def test_a_pod_does_badly_when_a_test_says_so(api: Api, what: str) -> None:
    workload = api.create(deployment(what, gpus=0))
    wait_for("it to be available", lambda: available(api, workload) == 1)
    [pod] = pods(api, what)
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": what}}})
    if what == "unready":
        wait_for("it to be unavailable", lambda: available(api, workload) == 0)
        api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": None}}})
        wait_for("it to be available again", lambda: available(api, workload) == 1)
    else:
        wait_for("it to have failed", lambda: refreshed(api, pod)["status"]["phase"] == "Failed")
        wait_for("another in its place", lambda: len(pods(api, what)) == 2)
        wait_for("it to be available again", lambda: available(api, workload) == 1)
    api.delete(workload)


@pytest.mark.parametrize(("class_", "mode"), [("zonal", "ReadWriteOnce"), ("shared", "ReadWriteMany")])
def test_a_job_completes_on_a_volume_that_is_bound_for_it(api: Api, class_: str, mode: str) -> None:
    name = f"download-{class_}"
    claim = api.create(volume(name, class_, mode))
    job = api.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"template": {"spec": {**pod_spec(8, volume=name), "restartPolicy": "OnFailure"}}},
        }
    )
    wait_for("the job to complete", lambda: condition(refreshed(api, job), "Complete") != {})
    bound = refreshed(api, claim)
    assert (bound["status"]["phase"], bound["status"]["accessModes"]) == ("Bound", [mode])
    if class_ == "zonal":
        assert bound["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == "h100-1"
    api.delete(job)


def test_a_volume_that_nobody_uses_waits(api: Api) -> None:
    claim = api.create(volume("unused", "zonal", "ReadWriteOnce"))
    wait_for("its controller to say so", lambda: "WaitForFirstConsumer" in reasons(api, "unused"))
    assert refreshed(api, claim)["status"]["phase"] == "Pending"


def reasons(api: Api, name: str) -> set[str]:
    events = api.items("v1", "Event", NAMESPACE)
    return {event["reason"] for event in events if event["involvedObject"]["name"] == name}


def available(api: Api, workload: Manifest) -> int:
    return int(refreshed(api, workload)["status"].get("availableReplicas", 0))


def pods(api: Api, name: str) -> list[Manifest]:
    return api.items("v1", "Pod", NAMESPACE, f"app={name}")


def volume(name: str, class_: str, mode: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": [mode],
            "storageClassName": class_,
            "resources": {"requests": {"storage": "20Gi"}},
        },
    }


def deployment(
    name: str,
    gpus: int,
    selector: dict[str, str] | None = None,
    requests: dict[str, str] | None = None,
) -> Manifest:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**pod_spec(gpus, requests=requests), "nodeSelector": selector or {}},
            },
        },
    }


def pod_spec(gpus: int, volume: str = "", requests: dict[str, str] | None = None) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    volumes = [{"name": "models", "persistentVolumeClaim": {"claimName": volume}}] if volume else []
    return {
        "tolerations": TOLERATIONS,
        "containers": [
            {
                "name": "main",
                "image": "example.invalid/main",
                "resources": {"limits": limits, "requests": {**limits, **(requests or {})}},
            }
        ],
        "volumes": volumes,
    }
