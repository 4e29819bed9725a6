"""Pods of a Model that fail for real: the claim says what is wrong, whose it is and what to do.

What is wrong is asked for by the claim, or is a fault of ours, which a check of test_model.py sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.people import member
from tests.e2e.real import mutants
from tests.e2e.real.checks import becomes_ready, is_reached_from_its_own_namespace_alone, reaches_nobody
from tests.e2e.workload import ask_to_go, delete, wait_told
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import kubelet, served

TEAM = "team-b"
MOST_SECONDS = 180
SMALL = {"cpu": "100m", "memory": "3Gi"}
"""For what a Model that does not serve needs; nine of them have 24 GiB to share."""
WAITS = "unschedulable"
"""The Model whose pod does nothing until the last test."""
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    # What the engine of the Model is given, and words that the claim must say.
    "image": (
        {"image": "docker.io/vllm/vllm-openai:v0.27.1-lost"},
        "Serving=False ImagePull: [model] a node cannot pull the image",
    ),
    "argument": (
        {"args": ["--load-format=nonsense"]},
        "Serving=False CrashLoop: [model] the engine ends when it should serve",
    ),
    "memory": (
        {"resources": {"cpu": "100m", "memory": "300Mi"}},
        "Serving=False OutOfMemory: [model] a pod needs more memory than it may have",
    ),
    WAITS: (
        {"resources": {"cpu": "1900m", "memory": "1Gi"}},
        "Serving=False NoRoom",
    ),
}
SEEN: dict[str, tuple[Callable[[Plane, Manifest], object], str]] = {
    # What of test_model.py sees a fault of ours, and words that it fails with. In this order: what has probes
    # that fail listens then.
    "an argument that the engine refuses": (
        becomes_ready,
        "Serving=False CrashLoop: .* error: unrecognized arguments: --max-model-length",
    ),
    "no volume of the weights": (
        becomes_ready,
        "Serving=False CrashLoop: .* /models/.freehold/complete is missing",
    ),
    "probes at a path that the engine does not have": (
        becomes_ready,
        "Serving=False ProbeFailing: .* Startup probe failed: HTTP probe failed with statuscode: 404",
    ),
    "no volume of the caches": (
        becomes_ready,
        "Serving=False CrashLoop: .*Permission denied: '/cache'",
    ),
    "probes at a port where nothing listens": (
        becomes_ready,
        "it answers at port 8000, and Startup probe failed: .*:8001: connect: connection refused",
    ),
    "a network policy that lets everybody in": (
        is_reached_from_its_own_namespace_alone,
        "namespace team-a reaches a Model of team-b",
    ),
    "a network policy that lets the pod out": (reaches_nobody, "what a serving pod reaches"),
}


@pytest.fixture(scope="module")
def claims(real: Plane, cluster: Manifest) -> Iterator[dict[str, Manifest]]:
    """A Model with each fault, all at once: most of the time they wait."""
    del cluster
    team = member(real.api, TEAM)
    asked = {name: engine for name, (engine, _) in FAULTS.items()}
    ours: dict[str, dict[str, Any]] = {fault.model: {} for fault in mutants.FAULTS.values()}
    with mutants.serve(real):
        made = {
            name: team.create(served.model(TEAM, name, engine={"resources": SMALL, **engine}))
            for name, engine in (asked | ours).items()
        }
        yield made
        delete(real.api, *made.values())


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.mark.parametrize("fault", FAULTS)
def test_the_claim_says_what_is_wrong(api: Api, claims: dict[str, Manifest], fault: str) -> None:
    wait_told(api, claims[fault], FAULTS[fault][1], MOST_SECONDS)
    if fault != WAITS:
        # Else its pod is started again and again.
        ask_to_go(api, claims[fault])


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_of_ours_is_seen(real: Plane, claims: dict[str, Manifest], fault: str) -> None:
    (check, words), name = SEEN[fault], mutants.FAULTS[fault].model
    said: list[str] = []

    def found() -> bool:
        with pytest.raises(AssertionError) as failed:
            check(real, claims[name])
        said.append(str(failed.value))
        return re.search(words, said[-1]) is not None

    # Of an engine that has just ended the agent may have no log yet: it knows that of the next end.
    try:
        wait_for("the fault's own words", found, MOST_SECONDS)
    finally:
        print(f"{fault} | {check.__name__} | {said[-1:]}")
    if name != mutants.EXPOSED:
        ask_to_go(real.api, claims[name])


def test_every_fault_of_ours_is_looked_for() -> None:
    assert set(SEEN) == set(mutants.FAULTS)


def test_the_claim_says_that_its_volume_is_in_another_zone(api: Api, claims: dict[str, Manifest]) -> None:
    """A pod that there was no room for comes again, smaller, when the node of its volume's zone is gone."""
    claim = claims[WAITS]
    node = api.get("v1", "Node", kubelet.NODE)
    try:
        api.patch(node, {"metadata": {"labels": {served.ZONE: "another"}}})
        api.patch(claim, {"spec": {"engine": {"resources": {"cpu": "100m"}}}})
        wait_told(
            api, claim, "Serving=False VolumeElsewhere: [infrastructure] the volume of the weights is", 60
        )
        wait_told(api, claim, "node(s) didn't match PersistentVolume's node affinity")
        # Else its engine starts now.
        ask_to_go(api, claim)
    finally:
        api.patch(node, {"metadata": {"labels": {served.ZONE: node["metadata"]["labels"][served.ZONE]}}})
