"""Models on nodes with GPUs, from the claim to Ready and away: what an app team sees, and what lives."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, reconcile, refreshed, told, uids, wait_ready
from tests.e2e.people import member
from tests.e2e.workload import OWNER, delete, existing, force_away, model, wait_told
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAME = "gpus"
POOLS = [
    {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}},
    {"name": "a100", "gpu": {"model": "A100-80GB", "count": 8}, "nodes": {"min": 1, "max": 1}},
]
NODES = [
    gpu_node("l4-1", "L4", 1, zone="a"),
    gpu_node("l4-2", "L4", 1, zone="b"),
    gpu_node("a100-1", "A100-80GB", 8, zone="a"),
]
ORPHANS: list[Manifest] = []
"""What a cluster leaves behind that is taken away by force."""
HERE = {"cluster": {"namespace": OWNER, "name": NAME}}


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with joined(control_plane.api, NODES):
        claim = existing(control_plane, NAME, POOLS, allowed=["team-*"])
        yield claim
        delete(control_plane.api, claim, *ORPHANS)


@pytest.fixture(scope="module")
def team(api: Api) -> Api:
    """The API as an app team's user sees it."""
    return member(api, "team-a")


@pytest.fixture(scope="module")
def chat(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model, Ready. Tests here go on from one another."""
    del cluster
    claim = team.create(model("team-a", "chat"))
    yield wait_ready(team, claim, seconds=90)
    delete(api, claim)


def place(api: Api, claim: Manifest) -> str:
    """Return the namespace where a Model lives."""
    return str(refreshed(api, claim)["status"]["placement"]["namespace"])


def serving(api: Api, claim: Manifest) -> list[Manifest]:
    """Return a Model's serving pods."""
    return api.items("v1", "Pod", place(api, claim), "freehold.dev/component=serving")


def nodes_of(api: Api, claim: Manifest) -> list[str]:
    return sorted(pod["spec"].get("nodeName", "") for pod in serving(api, claim))


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


def test_a_model_moves_when_told_to(api: Api, team: Api, cluster: Manifest) -> None:
    """It serves in the old place until it does in the new one; then that goes, its guards last."""
    del cluster
    claim = team.create(model("team-a", "mover", **HERE))
    wait_ready(team, claim, seconds=90)
    old, secret = place(api, claim), refreshed(team, claim)["status"]["endpoint"]["secretName"]
    before = team.get("v1", "Secret", secret, "team-a")["data"]
    assert nodes_of(api, claim)[0].startswith("l4-")
    team.patch(claim, {"spec": {"gpu": {"model": "A100-80GB"}}})
    wait_told(team, claim, "It would move to platform/gpus, node pool a100, 1 A100-80GB a replica")
    assert condition(refreshed(team, claim), "Serving")["status"] == "True"
    team.patch(claim, {"spec": {"cluster": {**HERE["cluster"], "nodePool": "a100"}}})
    wait_for("the old place to go", lambda: api.find("v1", "Namespace", old) is None, seconds=120)
    wait_ready(team, claim, seconds=60)
    assert nodes_of(api, claim) == ["a100-1"]
    assert team.get("v1", "Secret", secret, "team-a")["data"] != before
    records = [r for r in composed(api, claim) if r["kind"] == "ConfigMap"]
    assert [r["metadata"]["labels"]["freehold.dev/node-pool"] for r in records] == ["a100"]
    delete(api, claim)


def test_what_fits_nowhere_says_so_and_makes_nothing(api: Api, team: Api, cluster: Manifest) -> None:
    del cluster
    claim = team.create(model("team-a", "huge", gpu={"model": "L4"}, model="Qwen/Qwen3-32B", **HERE))
    wait_told(team, claim, "NothingFits")
    [placed] = [line for line in told(refreshed(team, claim)) if line.startswith("Placed=")]
    assert "Nearest fit" in placed or "do not fit any node" in placed
    assert condition(refreshed(team, claim), "Ready")["status"] == "False"
    assert composed(api, claim) == []
    delete(api, claim)


def test_it_scales_up_and_keeps_what_runs(api: Api, team: Api, chat: Manifest) -> None:
    before, first = uids(api, chat), {pod["metadata"]["uid"] for pod in serving(api, chat)}
    team.patch(chat, {"spec": {"replicas": {"min": 2, "max": 2}}})
    wait_for("two nodes", lambda: nodes_of(api, chat) == ["l4-1", "l4-2"])
    wait_ready(team, chat, seconds=60)
    assert first < {pod["metadata"]["uid"] for pod in serving(api, chat)}
    assert uids(api, chat) == before


def test_more_replicas_than_the_pool_holds_change_nothing(api: Api, team: Api, chat: Manifest) -> None:
    before = {pod["metadata"]["uid"] for pod in serving(api, chat)}
    team.patch(chat, {"spec": {"replicas": {"min": 3, "max": 3}}})
    wait_told(team, chat, "PoolTooSmall")
    assert "The Model goes on as it was" in "\n".join(told(refreshed(team, chat)))
    assert {pod["metadata"]["uid"] for pod in serving(api, chat)} == before
    team.patch(chat, {"spec": {"replicas": {"min": 2, "max": 2}}})
    wait_ready(team, chat, seconds=60)
    assert {pod["metadata"]["uid"] for pod in serving(api, chat)} == before


def in_use(api: Api, cluster: Manifest) -> dict[str, int]:
    """Return the GPUs that a cluster counts as taken, by pool."""
    pools = refreshed(api, cluster).get("status", {}).get("nodePools", [])
    return {pool["name"]: pool.get("gpusInUse", 0) for pool in pools}


def test_a_full_pool_sends_the_next_model_elsewhere(
    api: Api, team: Api, cluster: Manifest, chat: Manifest
) -> None:
    del chat
    wait_for("both L4 to be counted", lambda: in_use(api, cluster)["l4"] == 2)
    claim = team.create(model("team-a", "next", **HERE))
    wait_ready(team, claim, seconds=90)
    placement = refreshed(team, claim)["status"]["placement"]
    assert (placement["nodePool"], placement["gpus"]) == ("a100", 1)
    assert nodes_of(api, claim) == ["a100-1"]
    wait_for("it to be counted", lambda: in_use(api, cluster)["a100"] == 1)
    delete(api, claim)
    wait_for("its GPU to be free again", lambda: in_use(api, cluster)["a100"] == 0)


def test_a_full_pool_lets_the_next_model_wait(api: Api, team: Api, cluster: Manifest, chat: Manifest) -> None:
    """Nothing that runs is moved for it; it is placed as soon as there is room."""
    wait_for("both L4 to be counted", lambda: in_use(api, cluster)["l4"] == 2)
    claim = team.create(model("team-a", "late", gpu={"model": "L4"}, **HERE))
    wait_told(team, claim, "gpus/l4: 2 of 2 GPUs in use")
    assert "NoFreeGPUs" in "\n".join(told(refreshed(team, claim)))
    assert composed(api, claim) == []
    team.patch(chat, {"spec": {"replicas": {"min": 1, "max": 1}}})
    wait_ready(team, claim, seconds=120)
    delete(api, claim)
    team.patch(chat, {"spec": {"replicas": {"min": 2, "max": 2}}})
    wait_for("two nodes again", lambda: nodes_of(api, chat) == ["l4-1", "l4-2"], seconds=90)
    wait_ready(team, chat, seconds=60)


def test_a_model_too_large_for_one_gpu_goes_to_the_other(api: Api, team: Api, cluster: Manifest) -> None:
    """Qwen3-32B: 62.2 + 4 GiB, of 71.1 on one A100."""
    del cluster
    claim = team.create(model("team-a", "large", model="Qwen/Qwen3-32B", **HERE))
    wait_ready(team, claim, seconds=90)
    assert nodes_of(api, claim) == ["a100-1"]
    assert [p["nodePool"] for p in refreshed(team, claim)["status"]["placement"].get("runnersUp", [])] == []
    delete(api, claim)


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
    assert [r["kind"] for r in resources if api.find(*identity(r))] == []
