"""Pods of a Model that fail for real: the claim says what is wrong, whose it is and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import wait_ready
from tests.e2e.people import member
from tests.e2e.workload import delete, wait_told
from tools.control_plane.api import Api
from tools.manifests import Manifest
from tools.node import served

TEAM = "team-b"
MOST_SECONDS = 180
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
    "unschedulable": (
        {"resources": {"cpu": "1900m", "memory": "1Gi"}},
        "Serving=False NoRoom",
    ),
}


@pytest.fixture(scope="module")
def claims(real: Plane) -> Iterator[dict[str, Manifest]]:
    """A Model with each fault, all at once: most of the time they wait."""
    served.offer_images(real.layout)
    for manifest in served.hub():
        real.api.apply(manifest)
    served.configure(real.layout, real.api)
    secret, cluster = served.cluster(real.layout, "faulty")
    real.api.apply(secret)
    real.api.apply(cluster)
    wait_ready(real.api, cluster, MOST_SECONDS)
    team = member(real.api, TEAM)
    small = served.model(TEAM, "any")["spec"]["engine"]
    made = {
        name: team.create(served.model(TEAM, name, engine={**small, **engine}))
        for name, (engine, _) in FAULTS.items()
    }
    yield made
    delete(real.api, *made.values())
    delete(real.api, cluster)


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.mark.parametrize("fault", FAULTS)
def test_the_claim_says_what_is_wrong(api: Api, claims: dict[str, Manifest], fault: str) -> None:
    wait_told(api, claims[fault], FAULTS[fault][1], MOST_SECONDS)
