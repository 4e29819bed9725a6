"""Downloads that fail: the claim says why within a minute, and goes on once its user has mended it.

The Job, its pod failure policy and its time to live are Kubernetes' own; of the pod only the container's end
is played. What the program of the container says is tested in tests/contract/test_downloader.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e import agent
from tests.e2e.agent import PLAYED
from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import refreshed
from tests.e2e.storage import SHARED, storage_class
from tests.e2e.workload import clear, delete, existing, model, place, wait_placed, wait_told
from tools.control_plane.api import Api, condition
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "downloads"
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 1, "max": 5}}
"""Room for the Model of each test, though one node is there: only downloads have to run."""
NODE = gpu_node("downloads-1", "g6.xlarge", zone="a")
TOLD_SECONDS = 60
AT_ONCE = "To try at once, set spec.source.restartedAt to the time"


@pytest.fixture(scope="module")
def models(control_plane: Plane) -> Iterator[list[Manifest]]:
    """The Models on a cluster with its agent, whose only node takes a pod when a test lets it.

    They go together at the end, since the deletion of each takes as long as that of all.
    """
    api = control_plane.api
    with joined(api, [NODE]):
        api.patch(storage_class("shared", SHARED), {"allowVolumeExpansion": True})
        claim = existing(control_plane, NAME, [POOL], allowed=["team-*"])
        _cordon(api, closed=True)
        with agent.running(control_plane):
            made: list[Manifest] = []
            yield made
            delete(api, *made)
        clear(api, claim)


@pytest.fixture
def claim(api: Api, team: Api, models: list[Manifest]) -> Manifest:
    """A Model whose first download waits for a node."""
    _cordon(api, closed=True)
    made = team.create(model("team-a", f"late-{len(models)}"))
    models.append(made)
    wait_placed(team, made)
    return made


def _cordon(api: Api, *, closed: bool) -> None:
    api.patch(NODE, {"spec": {"unschedulable": closed}})


def jobs(api: Api, claim: Manifest) -> list[Manifest]:
    return api.items("batch/v1", "Job", place(api, claim))


def waiting_pod(api: Api, claim: Manifest) -> Manifest:
    """Return the download's pod that waits for a node."""
    found: list[Manifest] = []

    def waits() -> bool:
        pods = api.items("v1", "Pod", place(api, claim), "freehold.dev/component=download")
        found[:] = [
            p
            for p in pods
            if p["status"].get("phase") == "Pending" and "deletionTimestamp" not in p["metadata"]
        ]
        return len(found) == 1

    wait_for("one download to wait for a node", waits, TOLD_SECONDS)
    return found[0]


def fail(api: Api, claim: Manifest, code: int, reason: str, message: str) -> Manifest:
    """Have the download's container end as the program does, as its kubelet would report; return the Job."""
    pod = waiting_pod(api, claim)
    api.patch(pod, PLAYED)
    _cordon(api, closed=False)
    wait_for("the pod to have a node", lambda: "nodeName" in refreshed(api, pod)["spec"])
    _cordon(api, closed=True)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = json.dumps({"reason": reason, "message": message})
    end = {"exitCode": code, "reason": "Error", "message": said, "startedAt": now, "finishedAt": now}
    status = {
        "name": "download",
        "image": pod["spec"]["containers"][0]["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": end},
    }
    api.patch(pod, {"status": {"phase": "Failed", "containerStatuses": [status]}}, "status")
    [job] = [j for j in jobs(api, claim) if j["metadata"]["uid"] == _owner(pod)]
    return job


def _owner(pod: Manifest) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["uid"])


def succeed(api: Api, team: Api, claim: Manifest) -> None:
    """Let the next download have the node, where kwok has it succeed."""
    _cordon(api, closed=False)
    wait_told(team, claim, "WeightsReady=True", seconds=90)


def weights_ready(team: Api, claim: Manifest) -> str:
    return str(condition(refreshed(team, claim), "WeightsReady")["message"])


def kept(api: Api, job: Manifest, seconds: int) -> None:
    """Return once a failed Job has so long to live; it failed by its policy, so no pod was tried again."""

    def stays() -> bool:
        found = refreshed(api, job)
        ended = condition(found, "Failed").get("status") == "True"
        return bool(ended and found["spec"].get("ttlSecondsAfterFinished") == seconds)

    wait_for(f"the Job to stay for {seconds} s", stays, TOLD_SECONDS)
    found = refreshed(api, job)
    assert condition(found, "Failed")["reason"] == "PodFailurePolicy"
    assert found["status"]["failed"] == 1


def elapse(api: Api, job: Manifest) -> None:
    """Let a failed Job's time to live be over, and return once Kubernetes has deleted it."""
    ended = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = refreshed(api, job)["status"]["conditions"]
    aged = [{**c, "lastTransitionTime": ended} for c in conditions]
    api.patch(job, {"status": {"conditions": aged}}, "status")
    namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]

    def gone() -> bool:
        return uid not in [j["metadata"]["uid"] for j in api.items("batch/v1", "Job", namespace)]

    wait_for("the Job to be deleted", gone, TOLD_SECONDS)


def test_a_gated_model_and_then_a_token(api: Api, team: Api, claim: Manifest) -> None:
    job = fail(api, claim, 41, "GatedModel", "401: access is restricted")
    wait_told(team, claim, "WeightsReady=False GatedModel: [model] Qwen/Qwen3-8B is gated: accept its terms")
    wait_told(team, claim, "(401: access is restricted)")
    assert weights_ready(team, claim).endswith(f"It is tried again 60 minutes after it failed. {AT_ONCE}")
    kept(api, job, 3600)
    team.apply(_token("hf_right"))
    team.patch(claim, {"spec": {"source": _TOKEN}})
    pod = waiting_pod(api, claim)
    assert _owner(pod) != job["metadata"]["uid"]
    assert "HF_TOKEN" in [e["name"] for e in pod["spec"]["containers"][0]["env"]]
    succeed(api, team, claim)
    wait_for("the failed Job to be gone", lambda: len(jobs(api, claim)) == 1)


_TOKEN = {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}


def _token(value: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hub", "namespace": "team-a"},
        "data": {"token": base64.b64encode(value.encode()).decode()},
    }


def test_a_token_that_is_corrected_in_its_secret(api: Api, team: Api, claim: Manifest) -> None:
    team.apply(_token("hf_wrong"))
    team.patch(claim, {"spec": {"source": _TOKEN}})
    wait_for("the download with the token", lambda: len(jobs(api, claim)) == 1 and _with_token(api, claim))
    job = fail(api, claim, 42, "TokenRefused", "401: invalid token")
    wait_told(team, claim, "WeightsReady=False TokenRefused: [model]")
    assert "put a token into the Secret that is valid" in weights_ready(team, claim)
    kept(api, job, 3600)
    team.apply(_token("hf_right"))
    team.patch(claim, {"spec": {"source": {"restartedAt": "12:30"}}})
    pod = waiting_pod(api, claim)
    copy = ("v1", "Secret", "hub-token", pod["metadata"]["namespace"])
    wait_for(
        "the corrected token in the cluster",
        lambda: base64.b64decode(api.get(*copy)["data"]["token"]) == b"hf_right",
        TOLD_SECONDS,
    )
    succeed(api, team, claim)


def _with_token(api: Api, claim: Manifest) -> bool:
    names = [
        e["name"] for job in jobs(api, claim) for e in job["spec"]["template"]["spec"]["containers"][0]["env"]
    ]
    return "HF_TOKEN" in names


def test_a_revision_that_is_not_there(api: Api, team: Api, claim: Manifest) -> None:
    fail(api, claim, 44, "RevisionNotFound", "404: revision main")
    wait_told(team, claim, "WeightsReady=False RevisionNotFound: [model] Qwen/Qwen3-8B has no revision main")
    assert "set spec.revision to a branch, a tag or a full commit" in weights_ready(team, claim)
    team.patch(claim, {"spec": {"revision": "v1"}})
    assert waiting_pod(api, claim)["spec"]["containers"][0]["command"][4] == "v1"
    succeed(api, team, claim)


def test_a_volume_that_is_too_small(api: Api, team: Api, claim: Manifest) -> None:
    job = fail(api, claim, 46, "VolumeFull", "the files are 30.0 GiB; 12.0 GiB are missing")
    wait_told(team, claim, "WeightsReady=False VolumeFull: [model]")
    wait_told(team, claim, "(the files are 30.0 GiB; 12.0 GiB are missing)")
    assert "set spec.source.volumeGiB to more than their size" in weights_ready(team, claim)
    kept(api, job, 300)
    team.patch(claim, {"spec": {"source": {"volumeGiB": 40}}})
    pod = waiting_pod(api, claim)
    [volume] = api.items("v1", "PersistentVolumeClaim", pod["metadata"]["namespace"])
    wait_for("the volume to grow", lambda: _asks(api, volume) == "40Gi")
    succeed(api, team, claim)


def _asks(api: Api, volume: Manifest) -> str:
    return str(refreshed(api, volume)["spec"]["resources"]["requests"]["storage"])


def test_a_hub_that_is_not_reached_is_tried_again_later_and_later(
    api: Api, team: Api, claim: Manifest
) -> None:
    job = fail(api, claim, 52, "HubUnreachable", "connection refused")
    wait_told(team, claim, "WeightsReady=False HubUnreachable: [platform] pods of platform/downloads do not")
    assert weights_ready(team, claim).endswith(f"It is tried again 5 minutes after it failed. {AT_ONCE}")
    kept(api, job, 300)
    elapse(api, job)
    second = fail(api, claim, 52, "HubUnreachable", "connection refused")
    assert second["metadata"]["name"] == job["metadata"]["name"]
    wait_told(team, claim, "It failed 2 times, and is tried again 10 minutes after the last")
    kept(api, second, 600)
    elapse(api, second)
    waiting_pod(api, claim)
    succeed(api, team, claim)
    [done] = jobs(api, claim)
    wait_for(
        "the Job to stay for good",
        lambda: "ttlSecondsAfterFinished" not in refreshed(api, done)["spec"],
        TOLD_SECONDS,
    )
