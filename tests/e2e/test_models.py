"""Models on nodes with GPUs, from the claim to Ready and away: what an app team sees, and what lives."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, reconcile, refreshed, told, uids, wait_ready
from tests.e2e.workload import (
    clear,
    delete,
    existing,
    force_away,
    model,
    nodes_of,
    place,
    serving,
    wait_gone,
    wait_told,
)
from tools.control_plane.api import Api, condition
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "gpus"
POOLS = [
    {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}},
    {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}, "nodes": {"min": 1, "max": 1}},
]
NODES = [
    gpu_node("l4-1", "g6.xlarge", zone="a"),
    gpu_node("l4-2", "g6.xlarge", zone="b"),
    gpu_node("a100-1", "p4de.24xlarge", zone="a"),
]
ORPHANS: list[Manifest] = []
"""What a cluster leaves behind that is taken away by force."""


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with joined(control_plane.api, NODES):
        claim = existing(control_plane, NAME, POOLS, allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim, *ORPHANS)


@pytest.fixture(scope="module")
def chat(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model, Ready. Tests here go on from one another."""
    del cluster
    claim = team.create(model("team-a", "chat"))
    yield wait_ready(team, claim, seconds=90)
    delete(api, claim)


def test_its_team_sees_it_ready(team: Api, chat: Manifest) -> None:
    assert [line for line in told(chat) if "=True" not in line] == []
    endpoint = chat["status"]["endpoint"]
    secret = team.get("v1", "Secret", endpoint["secretName"], "team-a")
    values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert values == {"OPENAI_BASE_URL": endpoint["baseURL"], "OPENAI_MODEL": "Qwen/Qwen3-8B"}


def test_it_runs_where_it_was_placed(api: Api, chat: Manifest) -> None:
    assert chat["status"]["placement"]["nodePool"] == "l4"
    [node] = nodes_of(api, chat)
    assert node in {"l4-1", "l4-2"}
    [pod] = serving(api, chat)
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_it_scales_up_and_keeps_what_runs(api: Api, team: Api, chat: Manifest) -> None:
    before, first = uids(api, chat), {pod["metadata"]["uid"] for pod in serving(api, chat)}
    team.patch(chat, {"spec": {"replicas": {"min": 2}}})
    wait_for("two nodes", lambda: nodes_of(api, chat) == ["l4-1", "l4-2"])
    wait_ready(team, chat, seconds=60)
    assert first < {pod["metadata"]["uid"] for pod in serving(api, chat)}
    after = uids(api, chat)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"vllm/pod-disruption-budget"}, "several replicas are guarded"


def test_more_replicas_than_the_pool_holds_change_nothing(api: Api, team: Api, chat: Manifest) -> None:
    before = {pod["metadata"]["uid"] for pod in serving(api, chat)}
    team.patch(chat, {"spec": {"replicas": {"min": 3}}})
    wait_told(team, chat, "PoolTooSmall")
    assert "Until then the Model runs as before" in "\n".join(told(refreshed(team, chat)))
    assert {pod["metadata"]["uid"] for pod in serving(api, chat)} == before
    team.patch(chat, {"spec": {"replicas": {"min": 2}}})
    wait_ready(team, chat, seconds=60)
    assert {pod["metadata"]["uid"] for pod in serving(api, chat)} == before


def test_a_changed_spec_is_rolled_out_pod_by_pod(api: Api, team: Api, chat: Manifest) -> None:
    before, old = uids(api, chat), {pod["metadata"]["uid"] for pod in serving(api, chat)}
    team.patch(chat, {"spec": {"engine": {"args": ["--enable-prefix-caching"]}}})
    wait_for("new pods", lambda: len(serving(api, chat)) == 2 and _args_everywhere(api, chat), seconds=90)
    wait_ready(team, chat, seconds=60)
    assert old.isdisjoint({pod["metadata"]["uid"] for pod in serving(api, chat)})
    assert uids(api, chat) == before


def _args_everywhere(api: Api, chat: Manifest) -> bool:
    args = [pod["spec"]["containers"][0]["args"] for pod in serving(api, chat)]
    return all("--enable-prefix-caching" in some for some in args)


def test_new_weights_are_downloaded_before_they_are_served(api: Api, team: Api, chat: Manifest) -> None:
    """The volume served before stays until the new one is filled; the Objects around it stay themselves."""
    before = uids(api, chat)
    team.patch(chat, {"spec": {"revision": "v2"}})
    wait_for("the new volume", lambda: len(_volumes(api, chat)) == 2)
    wait_for("the old volume to go", lambda: len(_volumes(api, chat)) == 1, seconds=120)
    wait_ready(team, chat, seconds=60)
    lasting = {
        name: uid for name, uid in before.items() if "weights-" not in name and "download-" not in name
    }
    after = uids(api, chat)
    assert {name: after.get(name) for name in lasting} == lasting


def _volumes(api: Api, chat: Manifest) -> set[str]:
    return {name for name in uids(api, chat) if name.startswith("vllm/weights-")}


def test_an_unready_pod_is_told(api: Api, team: Api, chat: Manifest) -> None:
    pod = serving(api, chat)[0]
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": "unready"}}})
    wait_for("Serving to be False", lambda: condition(refreshed(team, chat), "Serving")["status"] == "False")
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": None}}})
    wait_ready(team, chat, seconds=60)


def test_refused_pods_are_told(api: Api, team: Api, chat: Manifest) -> None:
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": place(api, chat)},
        "spec": {"hard": {"pods": "0"}},
    }
    api.apply(quota)
    wait_for("the quota to hold", lambda: "hard" in refreshed(api, quota).get("status", {}))
    api.delete(serving(api, chat)[0])
    wait_told(team, chat, "PodsRefused: [platform] the cluster refuses the Model's pods")
    assert "exceeded quota: few" in condition(refreshed(team, chat), "Serving")["message"]
    api.delete(quota)
    wait_ready(team, chat, seconds=120)


def test_a_cluster_that_disappears_takes_nothing_along(
    control_plane: Plane, api: Api, team: Api, chat: Manifest, cluster: Manifest
) -> None:
    """By force, since it is guarded: the Model goes on from its record, and says what is missing."""
    before = uids(api, chat)
    pods = {pod["metadata"]["uid"] for pod in serving(api, chat)}
    ORPHANS.extend(force_away(api, cluster))
    # What the Model reads of its cluster; what it runs by stays, as an administrator would want.
    api.delete(next(r for r in ORPHANS if r["kind"] == "ConfigMap"))
    wait_told(team, chat, "ClusterMissing")
    reconcile(control_plane, chat)
    assert uids(api, chat) == before
    assert {pod["metadata"]["uid"] for pod in serving(api, chat)} == pods
    assert condition(refreshed(team, chat), "Serving")["status"] == "True"


def test_deletion_leaves_nothing(api: Api, team: Api, chat: Manifest) -> None:
    """The claim goes when everything in the cluster is gone, the Secret too."""
    namespace, resources = place(api, chat), composed(api, chat)
    delete(team, chat)
    assert api.find("v1", "Namespace", namespace) is None
    wait_gone(api, resources)
