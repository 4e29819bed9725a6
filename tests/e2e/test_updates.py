"""Changes of a live cluster as its claim tells them: under way, refused by the cloud, done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.conftest import examples
from tests.e2e.observing import composed, refreshed, told, uids, wait_ready
from tests.e2e.workload import delete
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest

REFUSAL = "InvalidParameterException: the cluster has an add-on that 1.36 does not support"
CLUSTER = "node-pools/cluster"


@pytest.fixture(scope="module")
def claim(api: Api, cloud: Cloud) -> Iterator[Manifest]:
    """A cluster of Kubernetes 1.34, Ready. Tests here go on from one another."""
    del cloud
    asked = examples()["aws/small"]
    asked["metadata"]["name"] = "updated"
    asked["spec"]["kubernetesVersion"] = "1.34"
    yield wait_ready(api, api.create(asked), seconds=90)
    delete(api, asked)


def wait_control_plane(api: Api, claim: Manifest, reason: str, *words: str) -> Manifest:
    """Return the condition of the cluster's control plane once it has this reason and these words."""

    def said() -> Manifest:
        return condition(refreshed(api, claim), "ControlPlaneReady")

    try:
        wait_for(reason, lambda: said()["reason"] == reason and all(w in said()["message"] for w in words))
    except Exception as error:
        raise AssertionError("\n".join(told(refreshed(api, claim)))) from error
    return said()


def observed_version(api: Api, claim: Manifest) -> str:
    [cluster] = [r for r in composed(api, claim) if r["metadata"]["annotations"][RESOURCE_NAME] == CLUSTER]
    return str(cluster["status"]["atProvider"]["version"])


def test_an_upgrade_is_told_while_it_goes_on(api: Api, claim: Manifest, cloud: Cloud) -> None:
    """The cluster serves meanwhile, and the version told is the one that the cloud observes."""
    before = uids(api, claim)
    cloud.updating.add("Cluster")
    api.patch(claim, {"spec": {"kubernetesVersion": "1.35"}})
    told_now = wait_control_plane(api, claim, "Updating", "1.34")
    assert told_now["status"] == "True"
    assert observed_version(api, claim) == "1.34"
    cloud.updating.clear()
    wait_control_plane(api, claim, "Available", "1.35")
    assert uids(api, claim) == before


def test_a_refused_upgrade_is_told_in_the_clouds_words(api: Api, claim: Manifest, cloud: Cloud) -> None:
    before = uids(api, claim)
    [cluster] = [r for r in composed(api, claim) if r["metadata"]["annotations"][RESOURCE_NAME] == CLUSTER]
    cloud.refusing[cluster["metadata"]["name"]] = REFUSAL
    api.patch(claim, {"spec": {"kubernetesVersion": "1.36"}})
    told_now = wait_control_plane(api, claim, "UpdateFailing", REFUSAL, "1.35")
    assert told_now["status"] == "True", "Kubernetes 1.35 still answers"
    assert observed_version(api, claim) == "1.35"
    cloud.refusing.clear()
    wait_control_plane(api, claim, "Available", "1.36")
    assert uids(api, claim) == before
