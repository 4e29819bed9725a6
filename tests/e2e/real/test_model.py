"""From a claim to an answer: a Model that is downloaded from a Hub and served by the real vLLM on a real node."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.vllm.engine import ENGINES
from functions.vllm.serve import metrics
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told, wait_ready
from tests.e2e.people import member
from tests.e2e.real import asking, hubs, pods, power, reading, upgrades
from tests.e2e.real.checks import (
    READY_SECONDS,
    becomes_ready,
    is_reached_from_its_own_namespace_alone,
    reaches_nobody,
    restarts,
    send,
)
from tests.e2e.real.inside import processes_of
from tests.e2e.real.policies import calling
from tests.e2e.workload import ask_to_go, delete, place, serving, wait_gone, wait_told
from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.machine import made
from tools.manifests import Manifest
from tools.node import containerd, kubelet, served
from tools.vllm_cpu import models

TEAM = "team-a"
MONITORING = "monitoring"
"""The namespace of which pods with a label may read metrics, as the platform says."""
READER = {"app": "prometheus"}


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def settings(real: Plane, cluster: Manifest) -> Iterator[dict[str, Any]]:
    """Those of function-vllm, by which weights come from a closed Hub."""
    del cluster
    with hubs.closed(real, metricsPods=[{"namespace": MONITORING, "labels": READER}]) as given:
        yield given


@pytest.fixture(scope="module")
def claimed(real: Plane, settings: dict[str, Any]) -> Iterator[hubs.Claimed]:
    """Two Models whose weights come from a closed Hub."""
    del settings
    with hubs.claimed(member(real.api, TEAM), TEAM) as two:
        yield two
        delete(real.api, two.chat, two.sentence)


@pytest.fixture(scope="module")
def answering(real: Plane, claimed: hubs.Claimed) -> tuple[Manifest, float]:
    """A Model once it is Ready, and when it was claimed."""
    return becomes_ready(real, claimed.chat), claimed.began


def test_a_gated_model_is_told_until_its_token_is_right(api: Api, claimed: hubs.Claimed) -> None:
    """While the other Model starts."""
    hubs.refuses_until_the_token_is_right(member(api, TEAM), claimed.sentence)


def test_a_claim_answers(api: Api, answering: tuple[Manifest, float]) -> None:
    claim, began = answering
    ready = time.monotonic() - began
    answer = asking.chat(api, claim)
    first = time.monotonic() - began
    print(f"Ready {ready:.1f} s after the claim, first token {answer['first']:.2f} s after the request")
    print(f"{first:.1f} s from claim to answer: {answer['text']!r}")
    assert answer["tokens"] >= 1


def test_a_hub_that_limits_requests_fails_nothing(
    api: Api, claimed: hubs.Claimed, answering: tuple[Manifest, float]
) -> None:
    del answering
    hubs.limits_and_is_waited_for(api, claimed)


def test_a_token_is_with_its_models_alone(
    api: Api, claimed: hubs.Claimed, answering: tuple[Manifest, float]
) -> None:
    del answering
    hubs.token_is_with_its_models_alone(api, claimed)


def test_embeddings(api: Api, claimed: hubs.Claimed) -> None:
    claim = wait_ready(api, claimed.sentence, READY_SECONDS)
    vectors = asking.embeddings(api, claim)
    assert [len(vector) for vector in vectors] == [models.hidden_size("sentence")] * 2
    assert [sum(x * x for x in vector) for vector in vectors] == pytest.approx([1, 1], abs=0.01)
    assert vectors[0] != vectors[1]
    # It would take CPU from what follows.
    ask_to_go(api, claim)


def test_metrics_are_read_by_the_pods_that_the_platform_lists(
    api: Api, answering: tuple[Manifest, float]
) -> None:
    """And nothing else by them, nor anything by others, whose namespaces do not reach the engine's port either."""
    pods.namespace(api, MONITORING)
    engine = answering[0]["status"]["endpoint"]["baseURL"].removesuffix("/v1")
    guard = engine.replace(f":{ENGINES[0].port}", f":{metrics.PORT}")
    assert guard != engine
    other = pods.pod(MONITORING, "other", reading.program(guard, engine, seconds=8))
    api.create(other)
    found = json.loads(
        pods.run(api, pods.pod(MONITORING, "reader", reading.program(guard, engine), labels=READER))
    )
    [generated] = [line for line in found["metrics"].splitlines() if "vllm:generation_tokens_total{" in line]
    assert f'model_name="{served.MODEL}"' in generated
    assert float(generated.split()[-1]) >= 1
    assert found["refused"] == dict.fromkeys(found["refused"], 404)
    assert len(found["refused"]) >= 8
    assert found["engine"] is None, "the engine's own port"
    wait_for("the other to end", lambda: pods.phase(api, other) == "Succeeded")
    assert json.loads(pods.log(api, other)) == {"metrics": None, "engine": None}
    pods.remove(api, other)


def test_a_killed_guard_of_metrics_leaves_the_pod_ready(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    [pod] = serving(api, answering[0])
    [before] = pod["status"]["initContainerStatuses"][1:]
    [guard] = [
        p
        for p in processes_of(real, pod)
        if Path(f"/proc/{p}/comm").read_text() == "python3\n"
        and "/metrics\0" in Path(f"/proc/{p}/cmdline").read_text()
    ]
    os.kill(guard, signal.SIGKILL)
    assert asking.chat(api, answering[0])["tokens"] >= 1
    [after] = serving(api, answering[0])[0]["status"]["initContainerStatuses"][1:]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], before["restartCount"])
    assert guard not in processes_of(real, pod)


def test_only_the_claims_namespace_reaches_it(real: Plane, answering: tuple[Manifest, float]) -> None:
    is_reached_from_its_own_namespace_alone(real, answering[0])


def test_there_is_no_way_out_of_the_serving_pod(real: Plane, answering: tuple[Manifest, float]) -> None:
    reaches_nobody(real, answering[0])


def test_an_upgrade_and_a_rollback_change_nothing_of_it(
    real: Plane, api: Api, settings: dict[str, Any], answering: tuple[Manifest, float]
) -> None:
    """By way of a mirror with a password, which lacks a package at first. Requests go on meanwhile."""
    claim, _ = answering
    before, live = upgrades.State.of(api, claim), upgrades.configuration(api)
    with upgrades.asking(api, claim) as answers:
        with upgrades.from_a_mirror(real, settings) as mirror:
            upgrades.half_way(real, mirror, settings)
            assert upgrades.State.of(api, claim) == before
            assert upgrades.latest(real, claim) is None, "function-vllm is the first version's"
            upgrades.goes_on(real, mirror)
            upgrades.names_latest(real, claim, upgrades.ENGINE)
            wait_for("the agents to be the next", lambda: upgrades.agents(api) == {upgrades.NEXT})
            assert upgrades.State.of(api, claim) == before
            upgrades.back(real, mirror, live)
            upgrades.names_latest(real, claim, None)
            wait_for("the agents to be the first", lambda: upgrades.agents(api) == {upgrades.FIRST})
        print(f"{len(answers())} requests meanwhile")
        assert set(answers()) == {"200"}
    wait_ready(api, claim, 60)
    assert upgrades.State.of(api, claim) == before


def test_a_restart_of_the_nodes_own_processes_leaves_it_alone(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    claim, _ = answering
    [before] = serving(api, claim)
    real.processes.restart(containerd.NAME)
    # The kubelet ends where it does not find the other, and a machine's own supervisor would start it again.
    folder = real.layout.folder
    real.processes.wait(containerd.NAME, lambda: made.listens_at(folder, containerd.SOCKET))
    real.processes.restart(kubelet.NAME)
    wait_for("the kubelet", lambda: real.processes.listens(kubelet.HEALTH))
    assert asking.chat(api, claim)["tokens"] >= 1
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
    assert asking.chat(api, claim)["tokens"] >= 1


def test_a_node_that_loses_its_power_serves_again(
    real: Plane, api: Api, answering: tuple[Manifest, float]
) -> None:
    """By another pod, from the weights that the volume has, behind the same network policies."""
    claim, _ = answering
    [before] = serving(api, claim)
    power.on(real, power.cut(real))
    wait_told(api, claim, "Serving=False")
    wait_ready(api, claim, READY_SECONDS)
    refused = refreshed(api, before)["status"]
    assert (refused["phase"], refused["reason"]) == ("Failed", "UnexpectedAdmissionError")
    [after] = [pod for pod in serving(api, claim) if pods.phase(api, pod) == "Running"]
    assert asking.chat(api, claim)["tokens"] >= 1
    assert [line for line in hubs.answers(api) if served.MODEL in line] == []
    address, port = after["status"]["podIP"], after["spec"]["containers"][0]["ports"][0]["containerPort"]
    with calling(api, "team-b", address, port) as reached:
        assert not any(reached() for _ in range(5))


def test_it_goes_without_a_trace(real: Plane, api: Api, answering: tuple[Manifest, float]) -> None:
    claim, _ = answering
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place(api, claim)}}
    delete(api, claim)
    wait_gone(api, [namespace], seconds=120)
    wait_for("its volume to be gone", lambda: list((real.layout.folder / "volumes").iterdir()) == [])
    assert api.find(*identity(claim)) is None
