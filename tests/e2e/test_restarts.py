"""Every process of the control plane dies in the middle of a cluster's creation; nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Plane, examples
from tests.e2e.observing import composed, reconcile, settled, wait_ready
from tests.e2e.workload import delete
from tools.control_plane.api import Api
from tools.control_plane.kubernetes import ready
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

SOME = 12
"""So many of the cluster's resources, and the first process is killed."""


@pytest.fixture(scope="module")
def claim(control_plane: Plane, cloud: Cloud) -> Iterator[Manifest]:
    del cloud
    small = examples()["aws/small"]
    claim = {**small, "metadata": {**small["metadata"], "name": "restarted"}}
    yield control_plane.api.create(claim)
    delete(control_plane.api, claim)


def uids(api: Api, claim: Manifest) -> dict[str, str]:
    return {r["kind"] + "/" + r["metadata"]["name"]: r["metadata"]["uid"] for r in composed(api, claim)}


def kept(before: dict[str, str], after: dict[str, str]) -> bool:
    return {name: after.get(name) for name in before} == before


def test_processes_killed_half_way_lose_nothing(control_plane: Plane, api: Api, claim: Manifest) -> None:
    before: dict[str, str] = {}
    for number, name in enumerate(
        ("function-node-pools", "kube-apiserver", "crossplane", "function-cluster-stack")
    ):
        wait_for("some resources", lambda: len(uids(api, claim)) >= SOME + 4 * number)  # noqa: B023
        before |= uids(api, claim)
        control_plane.processes.restart(name, signal.SIGKILL)
        control_plane.processes.wait("kube-apiserver", lambda: ready(api))
    after = uids(api, wait_ready(api, claim, seconds=120))
    assert kept(before, after)


def test_a_restart_changes_nothing_that_is_ready(control_plane: Plane, api: Api, claim: Manifest) -> None:
    settled(api, claim)
    before = {r["metadata"]["uid"]: r["metadata"]["resourceVersion"] for r in composed(api, claim)}
    for name in ("kube-apiserver", "crossplane", "function-node-pools", "provider-kubernetes"):
        control_plane.processes.restart(name)
        control_plane.processes.wait("kube-apiserver", lambda: ready(api))
    wait_ready(api, claim, seconds=60)
    reconcile(control_plane, claim, seconds=90)
    assert {r["metadata"]["uid"]: r["metadata"]["resourceVersion"] for r in composed(api, claim)} == before
