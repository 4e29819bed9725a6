"""From a claim to an answer: a Model that is downloaded from a Hub and served by the real vLLM on a real node."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told, wait_ready
from tests.e2e.people import member
from tests.e2e.real import pods
from tests.e2e.real.checks import (
    READY_SECONDS,
    becomes_ready,
    is_reached_from_its_own_namespace_alone,
    reaches_nobody,
    restarts,
    send,
)
from tests.e2e.workload import delete, place, serving, wait_gone, wait_told
from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import containerd, kubelet, served

TEAM = "team-a"
_ASK = """
import json, os, time, urllib.error, urllib.request
body = {"model": os.environ["OPENAI_MODEL"], "max_tokens": 16, "stream": True,
        "messages": [{"role": "user", "content": "Where does the sun rise?"}]}
request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
                                 {"Content-Type": "application/json"})
words, first, tries = [], None, 0
while True:
    began = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=120)
        break
    except urllib.error.URLError as error:
        # The agent of network policies hears of a new pod a moment after the pod has started.
        tries += 1
        if tries > 60:
            raise
        time.sleep(0.5)
with answer:
    for line in answer:
        text = line.decode().strip().removeprefix("data: ")
        if not text or text == "[DONE]":
            continue
        if first is None:
            first = time.monotonic() - began
        words.append(json.loads(text)["choices"][0]["delta"].get("content") or "")
print(json.dumps({"first": first, "tokens": len(words), "text": "".join(words)}))
"""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def answering(real: Plane, cluster: Manifest) -> Iterator[tuple[Manifest, float]]:
    """A Model once it is Ready, and when it was claimed."""
    del cluster
    began = time.monotonic()
    claim = member(real.api, TEAM).create(served.model(TEAM, "tiny"))
    yield becomes_ready(real, claim), began
    delete(real.api, claim)


def asking(claim: Manifest, namespace: str = TEAM, name: str = "asking") -> Manifest:
    """A pod where a user's app would be, with the values of the Secret beside the claim."""
    secret = {"secretRef": {"name": claim["status"]["endpoint"]["secretName"]}}
    return pods.pod(namespace, name, _ASK, envFrom=[secret])


def test_a_claim_answers(api: Api, answering: tuple[Manifest, float]) -> None:
    claim, began = answering
    ready = time.monotonic() - began
    answer = json.loads(pods.run(api, asking(claim), 180))
    first = time.monotonic() - began
    print(f"Ready {ready:.1f} s after the claim, first token {answer['first']:.2f} s after the request")
    print(f"{first:.1f} s from claim to answer: {answer['text']!r}")
    assert answer["tokens"] >= 1


def test_only_the_claims_namespace_reaches_it(real: Plane, answering: tuple[Manifest, float]) -> None:
    is_reached_from_its_own_namespace_alone(real, answering[0])


def test_there_is_no_way_out_of_the_serving_pod(real: Plane, answering: tuple[Manifest, float]) -> None:
    reaches_nobody(real, answering[0])


def test_a_restart_of_the_nodes_own_processes_leaves_it_alone(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    claim, _ = answering
    [before] = serving(api, claim)
    for name in (containerd.NAME, kubelet.NAME):
        real.processes.restart(name)
    wait_for("the kubelet", lambda: real.processes.listens(kubelet.HEALTH))
    assert json.loads(pods.run(api, asking(claim), 180))["tokens"] >= 1
    [after] = serving(api, claim)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert restarts(after) == restarts(before)


def test_an_engine_that_hangs_does_not_serve(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    claim, _ = answering
    [pod] = serving(api, claim)
    send(real, pod, signal.SIGSTOP)
    try:
        wait_told(api, claim, "Serving=False ProbeFailing: [model] a pod runs and does not answer")
        assert re.search(
            r'(Readiness|Liveness) probe failed: Get "http://.*/health"',
            "\n".join(told(refreshed(api, claim))),
        )
    finally:
        send(real, pod, signal.SIGCONT)
    wait_ready(api, claim, READY_SECONDS)


def test_an_engine_that_is_killed_is_started_again(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    claim, _ = answering
    [before] = serving(api, claim)
    send(real, before, signal.SIGKILL)
    wait_for("the engine to start again", lambda: restarts(serving(api, claim)[0]) > restarts(before))
    wait_told(api, claim, "Serving=False")
    wait_ready(api, claim, READY_SECONDS)
    assert json.loads(pods.run(api, asking(claim), 180))["tokens"] >= 1


def test_it_goes_without_a_trace(real: Plane, api: Api, answering: tuple[Manifest, float]) -> None:
    claim, _ = answering
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place(api, claim)}}
    delete(api, claim)
    wait_gone(api, [namespace], seconds=120)
    wait_for("its volume to be gone", lambda: list((real.layout.folder / "volumes").iterdir()) == [])
    assert api.find(*identity(claim)) is None
