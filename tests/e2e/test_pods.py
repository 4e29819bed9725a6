"""What is wrong with a Model's pods reaches its claim within a minute, by the real agent with its own rights.

What real kubelets tell of pods that fail is in tests/e2e/real/test_faults.py.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import agent
from tests.e2e.agent import heal, play
from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import refreshed, wait_ready
from tests.e2e.workload import clear, delete, existing, model, place, serving, wait_told
from tools.control_plane.api import Api, ApiError, condition
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "reported"
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}}
NODES = [gpu_node("l4-1", "g6.xlarge", zone="a"), gpu_node("l4-2", "g6.xlarge", zone="b")]
LOGS: dict[str, str] = {}
"""What the nodes' kubelet gives out, by the name of the pod."""
REFUSED = "ValueError: The checkpoint has model type `gemma9`, and Transformers does not know it"
LOG = f"""\
(EngineCore pid=271) ERROR 11-28 17:41:02 [core.py:1374] {REFUSED}
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}
"""
BEGAN, ENDED = "2026-11-28T10:00:00Z", "2026-11-28T10:05:00Z"


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Api]:
    """A cluster with its agent; gives the API as the agent sees it."""
    api = control_plane.api
    with joined(api, NODES):
        claim = existing(control_plane, NAME, [POOL], allowed=["team-*"])
        with agent.kubelet(api, NODES, LOGS), agent.running(control_plane) as seen:
            yield seen
        # It goes with the claim, and its rights.
        clear(api, claim)


@pytest.fixture(scope="module")
def chat(api: Api, team: Api, cluster: Api) -> Iterator[Manifest]:
    """A Model, Ready. Tests here go on from one another."""
    del cluster
    claim = team.create(model("team-a", "chat"))
    yield wait_ready(team, claim, seconds=120)
    delete(api, claim)


@pytest.fixture
def pod(api: Api, team: Api, chat: Manifest) -> Iterator[Manifest]:
    """The Model's only pod, which a test may have do badly; the Model is Ready again afterwards."""
    [found] = serving(api, chat)
    yield found
    if api.find("v1", "Pod", found["metadata"]["name"], found["metadata"]["namespace"]):
        heal(api, found)
    wait_ready(team, chat, seconds=90)
    wait_for("the report to be well", lambda: "trouble" not in _serving(team, chat))


def _serving(team: Api, chat: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = refreshed(team, chat)["status"].get("pods", {}).get("serving", {})
    return found


def said(team: Api, chat: Manifest, words: str, type_: str = "Serving") -> str:
    """Return a condition's message once the claim says some words, within a minute."""
    wait_told(team, chat, words)
    return str(condition(refreshed(team, chat), type_)["message"])


def end(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"exitCode": code, "reason": reason, "startedAt": BEGAN, "finishedAt": ENDED, **more}


def looping(times: int, last: dict[str, Any]) -> dict[str, Any]:
    back_off = {
        "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    }
    return {"restartCount": times, "state": back_off, "lastState": {"terminated": last}}


def test_a_model_that_serves_has_the_evidence_in_its_status(team: Api, chat: Manifest) -> None:
    wait_for("the report", lambda: _serving(team, chat).get("ready") == 1)
    found = refreshed(team, chat)["status"]["pods"]
    assert found["serving"]["total"] == 1
    assert set(found["serving"]["nodes"]) <= {"l4-1", "l4-2"}
    assert found["ending"]["exitCode"] == 0


def test_a_crash_loop_with_the_line_that_explains_it(
    api: Api, team: Api, chat: Manifest, pod: Manifest
) -> None:
    LOGS[pod["metadata"]["name"]] = LOG
    play(api, pod, **looping(3, end(1)))
    message = said(team, chat, "Serving=False CrashLoop: [model]")
    assert REFUSED in message
    assert "restarted 3 times" in message
    trouble = _serving(team, chat)["trouble"]
    assert (trouble["reason"], trouble["pod"]) == ("CrashLoop", pod["metadata"]["name"])
    assert REFUSED in trouble["message"]


def test_too_little_memory_on_the_gpu(api: Api, team: Api, chat: Manifest, pod: Manifest) -> None:
    LOGS[pod["metadata"]["name"]] = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
    )
    play(api, pod, **looping(2, end(1)))
    message = said(team, chat, "Serving=False OutOfGPUMemory: [model]")
    assert "Lower spec.contextLength or spec.concurrency" in message


def test_a_crash_whose_log_is_gone(api: Api, team: Api, chat: Manifest, pod: Manifest) -> None:
    LOGS.pop(pod["metadata"]["name"], None)
    play(api, pod, **looping(5, end(2, message="vllm: error: unrecognized arguments: --no-such\n")))
    assert "unrecognized arguments: --no-such" in said(team, chat, "restarted 5 times")


@pytest.fixture
def taken(api: Api, chat: Manifest) -> Iterator[None]:
    """Somebody else's pod holds the GPU that is left."""
    del chat
    limits = {"nvidia.com/gpu": "1"}
    container = {
        "name": "main",
        "image": "example.invalid/main",
        "resources": {"limits": limits, "requests": limits},
    }
    other: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "other", "namespace": "default"},
        "spec": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}], "containers": [container]},
    }
    api.create(other)
    wait_for("it to run", lambda: refreshed(api, other)["status"].get("phase") == "Running")
    yield
    if api.find("v1", "Pod", "other", "default"):
        api.delete(other)


def test_a_pod_that_finds_no_gpu(api: Api, team: Api, taken: None) -> None:
    """Its cluster counts the GPUs of Models, and knows nothing of somebody else's pod. Its download needs none."""
    del taken
    claim = team.create(model("team-a", "waits"))
    message = said(team, claim, "Serving=False NoFreeGPUs: [infrastructure]")
    assert "Insufficient nvidia.com/gpu" in message
    assert "raise nodes.max" in message
    api.delete(api.get("v1", "Pod", "other", "default"))
    wait_ready(team, claim, seconds=120)
    delete(api, claim)


def test_one_models_pod_changes_no_other_report(api: Api, team: Api, chat: Manifest, pod: Manifest) -> None:
    other = team.create(model("team-a", "other"))
    wait_ready(team, other, seconds=120)
    wait_for("its report", lambda: _serving(team, other).get("ready") == 1)
    report = ("agent.freehold.dev/v1alpha1", "ModelReport", "pods")
    before = api.get(*report, place(api, other))["metadata"]["resourceVersion"]
    play(api, pod, **looping(7, end(1)))
    said(team, chat, "restarted 7 times")
    assert api.get(*report, place(api, other))["metadata"]["resourceVersion"] == before
    delete(api, other)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/{here}/secrets/hub-token"),
        ("GET", "/api/v1/configmaps"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/apis/batch/v1/jobs"),
        ("POST", "/api/v1/namespaces/{here}/pods/{pod}/exec?command=id&stdout=true"),
        ("POST", "/api/v1/namespaces/{here}/pods"),
        ("POST", "/api/v1/namespaces/{here}/pods/{pod}/eviction"),
        ("DELETE", "/api/v1/namespaces/{here}/pods/{pod}"),
        ("POST", "/api/v1/namespaces/{here}/events"),
        ("POST", "/api/v1/namespaces/freehold-agent/serviceaccounts/agent/token"),
        ("POST", "/apis/agent.freehold.dev/v1alpha1/namespaces/{here}/modelreports"),
        ("DELETE", "/apis/agent.freehold.dev/v1alpha1/namespaces/{here}/modelreports/pods"),
        ("GET", "/apis/freehold.dev/v1alpha1/models"),
        ("GET", "/apis/kubernetes.m.crossplane.io/v1alpha1/objects"),
    ],
)
def test_what_the_agent_is_refused(api: Api, cluster: Api, pod: Manifest, method: str, path: str) -> None:
    del api
    metadata = pod["metadata"]
    body: Manifest | None = {"metadata": {"name": "x"}} if method == "POST" else None
    where = path.format(here=metadata["namespace"], pod=metadata["name"])
    with pytest.raises(ApiError) as refused:
        cluster.call(method, where, body)
    assert refused.value.code == http.client.FORBIDDEN


def test_an_agent_that_is_lost_loses_nothing(
    control_plane: Plane, api: Api, team: Api, chat: Manifest
) -> None:
    """The claim says what the workload says, as without an agent; another agent goes on."""
    process = control_plane.processes.all()[agent.NAME]
    control_plane.processes.stop(agent.NAME)
    [pod] = serving(api, chat)
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": "unready"}}})
    wait_told(team, chat, "Serving=False Creating")
    heal(api, pod)
    wait_ready(team, chat, seconds=60)
    play(api, pod, **looping(9, end(1)))
    control_plane.processes.start(agent.NAME, process.command, process.environment)
    wait_told(team, chat, "restarted 9 times")
    heal(api, pod)
    wait_ready(team, chat, seconds=60)


def test_a_node_that_does_not_answer(control_plane: Plane, team: Api, chat: Manifest) -> None:
    """Kubernetes waits for 50 seconds before it takes a node for lost."""
    kwok = control_plane.processes.all()["kwok"]
    control_plane.processes.stop("kwok")
    try:
        wait_told(team, chat, "Serving=False NodeLost: [infrastructure]", seconds=180)
    finally:
        control_plane.processes.start("kwok", kwok.command, kwok.environment)
    wait_ready(team, chat, seconds=120)
