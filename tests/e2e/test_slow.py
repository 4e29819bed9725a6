"""A cloud that takes its time: nothing is called ready before it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Plane, examples
from tests.e2e.observing import composed, reconcile, refreshed, wait_ready
from tests.e2e.workload import delete
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest


@pytest.fixture(scope="module")
def claim(api: Api, cloud: Cloud) -> Iterator[Manifest]:
    cloud.slow.add("NodeGroup")
    small = examples()["aws/small"]
    claim = {**small, "metadata": {**small["metadata"], "name": "slow"}}
    yield api.create(claim)
    delete(api, claim)


def test_a_cluster_waits_for_its_pools(control_plane: Plane, api: Api, claim: Manifest, cloud: Cloud) -> None:
    def pools() -> list[Manifest]:
        return [r for r in composed(api, claim) if r["kind"] == "NodeGroup"]

    wait_for("the pools to be asked for", lambda: len(pools()) == 2, seconds=90)
    count = 0
    while (made := len(composed(api, claim))) != count:
        count = made
        reconcile(control_plane, claim)
    now = refreshed(api, claim)
    assert condition(now, "NodePoolsReady")["status"] == "False"
    assert condition(now, "Ready")["status"] == "False"
    before = {pool["metadata"]["uid"] for pool in pools()}
    cloud.slow.clear()
    wait_ready(api, claim, seconds=60)
    assert {pool["metadata"]["uid"] for pool in pools()} == before
