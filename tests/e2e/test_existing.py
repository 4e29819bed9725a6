"""An existing cluster and a Model on it: Ready and left alone, kept while in use, and gone in order."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import agent
from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import (
    composed,
    composite,
    outlive_ttl,
    reconcile,
    refreshed,
    settled,
    uids,
    versions,
    wait_ready,
)
from tests.e2e.pull_request import PullRequest
from tests.e2e.workload import OWNER, ask_to_go, delete, existing, model, wait_gone
from tools.control_plane.api import Api, ApiError, condition, identity
from tools.control_plane.nodes import gpu_node
from tools.control_plane.plane import ports_of
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest

MARK = ("v1", "ConfigMap", "freehold-holder", "kube-system")
USAGES = "protection.crossplane.io/v1beta1"
NODE = gpu_node("stable-1", "g6.xlarge", zone="a")
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 1, "max": 2}}
KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "Service"),
)


@pytest.fixture(scope="module")
def cluster(control_plane: Plane, cloud: Cloud) -> Iterator[Manifest]:
    del cloud
    with joined(control_plane.api, [NODE]):
        claim = existing(control_plane, "stable", [POOL])
        yield wait_ready(control_plane.api, claim, seconds=90)
        delete(control_plane.api, claim)


@pytest.fixture(scope="module")
def small(api: Api, cluster: Manifest) -> Iterator[Manifest]:
    claim = model(
        "team-a",
        "small",
        model="Qwen/Qwen2.5-0.5B-Instruct",
        cluster={"namespace": OWNER, "name": cluster["metadata"]["name"]},
    )
    api.apply(claim)
    yield wait_ready(api, claim, seconds=90)
    delete(api, claim)


def test_the_agent_is_let_out_to_the_api_server_wherever_that_is(
    control_plane: Plane, api: Api, cluster: Manifest
) -> None:
    """Its port here is any, as Service kubernetes says."""
    del cluster
    policy = ("networking.k8s.io/v1", "NetworkPolicy", "agent", "freehold-agent")
    expected = [443, ports_of(control_plane.layout).api_server]

    def ports() -> list[int]:
        [rule] = api.get(*policy)["spec"]["egress"]
        return [each["port"] for each in rule["ports"]]

    wait_for(f"the policy to allow {expected}", lambda: ports() == expected, 30)


def test_nothing_changes_once_both_are_ready(
    control_plane: Plane, api: Api, cluster: Manifest, small: Manifest
) -> None:
    """Three forced reconciles of each and one after the TTL; no provider refreshes anything meanwhile."""
    claims = (cluster, small)
    for claim in claims:
        reconcile(control_plane, claim)
    before, place = [settled(api, claim) for claim in claims], inside(api, small)
    for _ in range(3):
        for claim in claims:
            reconcile(control_plane, claim)
    outlive_ttl(control_plane)
    after = [versions(api, claim) for claim in claims]
    # Each forced reconcile leaves an annotation on the XR.
    assert [without_composites(v) for v in after] == [without_composites(v) for v in before]
    assert inside(api, small) == place


def test_a_pull_request_checks_claims_by_the_packages_alone(
    api: Api, cluster: Manifest, small: Manifest, tmp_path: Path
) -> None:
    """Crossplane's own CLI on the steps of docs/ci.md: it finds the cluster that the control plane has."""
    asked = PullRequest(tmp_path)
    asked.know(api)
    again = {key: small[key] for key in ("apiVersion", "kind", "spec")}
    again["spec"] = {k: v for k, v in again["spec"].items() if k in ("model", "cluster")}
    new = {**again, "metadata": {"name": "new", "namespace": "team-a"}}
    other = {key: cluster[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": "other", "namespace": OWNER},
        "spec": {"existing": {"kubeconfigSecretRef": {"name": "other"}}, "nodePools": [POOL]},
    }
    asked.claim("models", new)
    asked.claim("clusters", other)
    assert asked.run("extract", but=["crossplane xpkg extract"]).returncode == 0
    done = asked.run("validate")
    assert done.returncode == 0, done.stdout + done.stderr
    with asked.functions():
        done = asked.run("render")
        assert done.returncode == 0, done.stdout + done.stderr
        said = {c["type"]: c["status"] for c in asked.rendered(new)[0]["status"]["conditions"]}
        assert said["Placed"] == "True"
        first = {
            m["metadata"]["annotations"][RESOURCE_NAME]
            for m in asked.rendered(new)[1:]
            if m["kind"] != "Result"
        }
        assert first
        assert first <= set(uids(api, small))
        of_cluster = {m["kind"] for m in asked.rendered(other)[1:]}
        assert {"ConfigMap", "ProviderConfig"} <= of_cluster
        asked.claim("models", {**new, "spec": {**new["spec"], "model": "Qwen/Qwen3-32B"}})
        asked.run("extract", but=["crossplane xpkg extract"])
    with asked.functions():
        done = asked.run("render")
        assert done.returncode == 1
        assert "team-a.model.new.rendered.yaml: Placed NothingFits: " in done.stdout
    asked.claim("models", {**new, "spec": {**new["spec"], "replica": 2}})
    done = asked.run("validate")
    assert done.returncode == 1
    assert 'spec.replica: Invalid value: "replica": unknown field: "replica"' in done.stdout


def without_composites(found: dict[str, Any]) -> dict[str, Any]:
    return {name: version for name, version in found.items() if not name.startswith(("XInf", "XMod"))}


def inside(api: Api, claim: Manifest) -> dict[str, str]:
    """What lives in the cluster, by its version."""
    namespace = refreshed(api, claim)["status"]["placement"]["namespace"]
    return {
        f"{kind} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for version, kind in KINDS
        for item in api.items(version, kind, namespace)
    }


def wait_guarded(api: Api, words: str) -> None:
    def guarded() -> bool:
        usages = [*api.items(USAGES, "Usage", OWNER), *api.items(USAGES, "ClusterUsage")]
        found = [u for u in usages if u["spec"].get("reason") == words]
        return len(found) == 2 and all(condition(u, "Ready").get("status") == "True" for u in found)

    wait_for(f"both guards to say {words!r}", guarded, seconds=30)


def refused(api: Api, manifest: Manifest) -> str:
    with pytest.raises(ApiError) as error:
        api.delete(manifest)
    assert error.value.code == http.client.CONFLICT
    assert "deletionTimestamp" not in refreshed(api, manifest)["metadata"]
    return str(error.value)


def test_claim_and_composite_are_kept_while_in_use(api: Api, cluster: Manifest, small: Manifest) -> None:
    other = model("team-b", "second", model=small["spec"]["model"], cluster=small["spec"]["cluster"])
    api.apply(other)
    words = "Models team-a/small, team-b/second run on it: delete those first"
    wait_guarded(api, words)
    assert words in refused(api, cluster)
    assert words in refused(api, composite(api, cluster))
    ask_to_go(api, other)


def test_deletion_goes_in_order(api: Api, cluster: Manifest, small: Manifest) -> None:
    """The cluster as soon as its Models are gone; what was installed in it, before its ProviderConfig.

    By itself, in the time that it takes. Of the agent nothing is left, nor of the kind of its reports.
    """
    xr, resources = composite(api, cluster), [*composed(api, cluster), *composed(api, small)]
    assert all(api.find(*part) for part in (*agent.PARTS, MARK))
    ask_to_go(api, small)
    delete(api, cluster, unaided=True)
    assert api.find(*identity(small)) is None
    wait_for("the composite to be gone", lambda: api.find(*identity(xr)) is None)
    wait_gone(api, resources)
    releases = [s for s in api.items("v1", "Secret") if s.get("type") == "helm.sh/release.v1"]
    assert [s["metadata"]["name"] for s in releases if "freehold" in s["metadata"]["name"]] == []
    assert [part for part in (*agent.PARTS, MARK) if api.find(*part)] == []
