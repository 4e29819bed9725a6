"""A Model that no catalog has: a pod reads the model's own files, and the Model is placed by what it says.

kwok plays the pod's node; what the pod says is the test's. The program itself is run against a Hub in
tests/checkpoint/test_hub.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, refreshed, uids, wait_ready
from tests.e2e.workload import clear, delete, existing, model, wait_gone, wait_placed, wait_told
from tools.control_plane.api import Api
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest

POOLS = [{"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}}]
NODES = [gpu_node("any-1", "g6.xlarge", zone="a"), gpu_node("any-2", "g6.xlarge", zone="a")]
# The dimensions of Qwen/Qwen3-0.6B.
REPORT = {
    "commit": "c0ffee",
    "architectures": "Qwen3ForCausalLM",
    "config": {
        "model_type": "qwen3",
        "num_hidden_layers": 28,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "torch_dtype": "bfloat16",
    },
    "weights": {"bytes": 1_192_099_840},
}
MOST_SECONDS = 60
GONE_SECONDS = 180
"""A namespace ends its pods first, and the provider looks again later and later."""


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with joined(control_plane.api, NODES):
        claim = existing(control_plane, "any", POOLS, allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim)


def reading(api: Api, claim: Manifest) -> list[Manifest]:
    """Return the composed resources that read the files of a Model."""
    found = composed(api, claim)
    return [r for r in found if r["metadata"]["annotations"][RESOURCE_NAME].startswith("vllm/files-")]


def pod_of(api: Api, claim: Manifest) -> Manifest:
    """Return the pod that reads, once it runs."""
    found: list[Manifest] = []

    def runs() -> bool:
        manifests = [r["spec"]["forProvider"]["manifest"] for r in reading(api, claim)]
        pods = [m["metadata"] for m in manifests if m["kind"] == "Pod"]
        found[:] = [p for m in pods if (p := api.find("v1", "Pod", m["name"], m["namespace"])) is not None]
        return bool(found) and found[0].get("status", {}).get("phase") == "Running"

    wait_for("the pod that reads to run", runs)
    return found[0]


def say(api: Api, pod: Manifest, message: Manifest, code: int = 0) -> None:
    """Let the pod's container end with a message, as the kubelet would report it."""
    # Any value keeps kwok from making the pod ready again.
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": "ended"}}})
    terminated = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "message": json.dumps(message),
    }
    state = {"terminated": terminated} if code == 0 else {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {} if code == 0 else {"lastState": {"terminated": terminated}}
    status = {
        "name": "read",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": code,
        "state": state,
        **last,
    }
    phase = "Succeeded" if code == 0 else "Running"
    api.patch(pod, {"status": {"phase": phase, "containerStatuses": [status]}}, subresource="status")


@pytest.mark.usefixtures("cluster")
def test_from_a_claim_to_a_model_that_serves(api: Api, team: Api) -> None:
    claim = team.create(model("team-a", "house", model="acme/house"))
    wait_told(team, claim, "so a pod in InferenceCluster platform/any reads the model's files")
    pod = pod_of(api, claim)
    assert pod["spec"]["containers"][0]["command"][3:] == ["acme/house", "main"]
    namespace = api.get("v1", "Namespace", pod["metadata"]["namespace"])
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    read = reading(api, claim)
    begin = time.monotonic()
    say(api, pod, REPORT)
    placed = wait_placed(team, claim)
    assert time.monotonic() - begin < MOST_SECONDS
    assert placed["status"]["model"]["commit"] == "c0ffee"
    assert placed["status"]["sizing"]["weightsGiB"] == 1.11
    wait_gone(api, [*read, pod, namespace], seconds=GONE_SECONDS)
    wait_ready(team, claim, seconds=90)
    before = uids(api, claim)
    team.patch(claim, {"spec": {"contextLength": 8192}})
    wait_for("the new sizing", lambda: _context(team, claim) == 8192)
    assert not reading(api, claim), "what is recorded is not read again"
    assert {name: uids(api, claim)[name] for name in before} == before
    delete(api, claim)


def _context(team: Api, claim: Manifest) -> int:
    return int(refreshed(team, claim)["status"]["sizing"]["contextLength"])


@pytest.mark.usefixtures("cluster")
def test_a_gated_model_is_told_and_tried_again(api: Api, team: Api) -> None:
    claim = team.create(model("team-a", "gated", model="acme/gated"))
    pod = pod_of(api, claim)
    begin = time.monotonic()
    say(api, pod, {"error": "GatedRepo"}, code=1)
    wait_told(team, claim, "GatedModel: [model] acme/gated is gated: accept its terms at")
    assert time.monotonic() - begin < MOST_SECONDS
    # The terms are accepted, and the kubelet starts the container again.
    say(api, pod, REPORT)
    wait_placed(team, claim)
    delete(api, claim)


@pytest.mark.usefixtures("cluster")
def test_a_model_that_goes_while_it_is_read(api: Api, team: Api) -> None:
    claim = team.create(model("team-a", "brief", model="acme/brief"))
    pod, read = pod_of(api, claim), reading(api, claim)
    namespace = api.get("v1", "Namespace", pod["metadata"]["namespace"])
    delete(api, claim)
    wait_gone(api, [*read, pod, namespace], seconds=GONE_SECONDS)
