"""From a claim to an answer: a Model that is downloaded from a Hub and served by the real vLLM on a real node."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told, wait_ready
from tests.e2e.people import member
from tests.e2e.real import pods
from tests.e2e.real.policies import calling, policy
from tests.e2e.workload import delete, place, serving, wait_gone, wait_told
from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.machine import machine, made
from tools.manifests import Manifest
from tools.node import containerd, dns, kubelet, served

READY_SECONDS = 400
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
    """The API of the plane, whose Models come from a Hub on the node."""
    served.offer_images(real.layout)
    for manifest in served.hub():
        real.api.apply(manifest)
    served.configure(real.layout, real.api)
    return real.api


@pytest.fixture(scope="module")
def cluster(real: Plane, api: Api) -> Iterator[Manifest]:
    secret, claim = served.cluster(real.layout, "here")
    api.apply(secret)
    api.apply(claim)
    yield wait_ready(api, claim, READY_SECONDS)
    delete(api, claim)


@pytest.fixture(scope="module")
def answering(api: Api, cluster: Manifest) -> Iterator[tuple[Manifest, float]]:
    """A Model once it is Ready, and when it was claimed."""
    del cluster
    began = time.monotonic()
    claim = member(api, TEAM).create(served.model(TEAM, "tiny"))
    try:
        yield wait_ready(api, claim, READY_SECONDS), began
    except AssertionError:
        print(said(api, claim))
        raise
    delete(api, claim)


def said(api: Api, claim: Manifest) -> str:
    """What is known of a Model that does not become Ready."""
    found = refreshed(api, claim)
    lines = told(found)
    namespace = found.get("status", {}).get("placement", {}).get("namespace", "")
    for pod in api.items("v1", "Pod", namespace) if namespace else ():
        lines.append(json.dumps(pod["status"])[:2000])
        lines.append(pods.log(api, pod)[-2000:])
    return "\n".join(lines)


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


def test_only_the_claims_namespace_reaches_it(api: Api, answering: tuple[Manifest, float]) -> None:
    claim, _ = answering
    [pod] = serving(api, claim)
    address, port = pod["status"]["podIP"], pod["spec"]["containers"][0]["ports"][0]["containerPort"]
    with calling(api, TEAM, address, port) as reached:
        wait_for("the claim's namespace to be let in", reached, 30)
    for other in ("team-b", "default"):
        with calling(api, other, address, port) as reached:
            assert not any(reached() for _ in range(5)), other
    # What the check would say of a policy that lets everybody in.
    opened = policy(place(api, claim), "opened", ingress=[{}])
    with calling(api, "team-b", address, port) as reached:
        api.apply(opened)
        wait_for("an open policy to be seen", reached, 30)
        api.delete(opened)
        wait_for("the policy to be closed again", lambda: not reached(), 30)


def processes_of(real: Plane, pod: Manifest) -> list[int]:
    """Return the processes of a pod as this machine counts them, those of its sandbox too."""
    own = machine.name(real.layout.folder), f"pod{pod['metadata']['uid']}"
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and all(name in (entry / "cgroup").read_text() for name in own):
                found.append(int(entry.name))
    return found


def reaches_from(pid: int, address: str, port: int) -> bool:
    """Say whether a process reaches an address, from the network that it is in."""
    try:
        made.connected_from(pid, address, port, seconds=2).close()
    except OSError:
        return False
    return True


def test_there_is_no_way_out_of_the_serving_pod(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    """Tried from the pod's own network, and the same from another pod's, where all but the outside is reached."""
    [pod] = serving(api, answering[0])
    hub = api.get("v1", "Service", "hub", "hub")["spec"]["clusterIP"]
    [hubs_pod] = api.items("v1", "Pod", "hub")
    inside = {
        "the API server": ("10.96.0.1", 443),
        "the name server": (dns.ADDRESS, 53),
        "a Service": (hub, 8080),
        "a pod": (hubs_pod["status"]["podIP"], 8080),
    }
    outside = {"the metadata of a cloud": ("169.254.169.254", 80), "the internet": ("192.0.2.1", 443)}
    free, closed = (processes_of(real, each)[0] for each in (hubs_pod, pod))
    assert [name for name, target in inside.items() if not reaches_from(free, *target)] == []
    assert [name for name, target in (inside | outside).items() if reaches_from(closed, *target)] == []


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


def test_an_engine_that_is_killed_is_started_again(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    claim, _ = answering
    [before] = serving(api, claim)
    engine = [p for p in processes_of(real, before) if "vllm" in Path(f"/proc/{p}/cmdline").read_text()]
    # The container's first process, with which the others end.
    os.kill(min(engine), signal.SIGKILL)
    wait_for("the engine to start again", lambda: restarts(serving(api, claim)[0]) > restarts(before))
    wait_told(api, claim, "Serving=False")
    wait_ready(api, claim, READY_SECONDS)
    assert json.loads(pods.run(api, asking(claim), 180))["tokens"] >= 1


def restarts(pod: Manifest) -> int:
    """Return how often the engine's container was started again."""
    return sum(int(status["restartCount"]) for status in pod["status"]["containerStatuses"])


def test_it_goes_without_a_trace(real: Plane, api: Api, answering: tuple[Manifest, float]) -> None:
    claim, _ = answering
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place(api, claim)}}
    delete(api, claim)
    wait_gone(api, [namespace], seconds=120)
    wait_for("its volume to be gone", lambda: list((real.layout.folder / "volumes").iterdir()) == [])
    assert api.find(*identity(claim)) is None
