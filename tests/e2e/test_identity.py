"""Whose an existing cluster is, and how it is reached."""

from __future__ import annotations

import base64

from tests.e2e.agent import PARTS
from tests.e2e.conftest import Plane
from tests.e2e.observing import composed, composite, refreshed
from tests.e2e.workload import OWNER, claimed, delete, existing, wait_told
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

MARK = ("v1", "ConfigMap", "freehold-holder", "kube-system")


def holder(api: Api) -> str:
    """Return the claim that the mark in the cluster names; empty where there is none."""
    mark = api.find(*MARK)
    return str(mark["data"]["claim"]) if mark else ""


def test_a_second_claim_of_a_cluster_leaves_it_alone(control_plane: Plane, api: Api) -> None:
    """Neither when it comes nor when it goes; and once the first has gone, the cluster is free."""
    first = existing(control_plane, "first")
    wait_for("the agent", lambda: all(agent_of(api)), 60)
    agent = agent_of(api)
    second = claimed(control_plane, "second")
    wait_told(api, second, f"InferenceCluster {OWNER}/first has taken this cluster")
    assert not [r for r in composed(api, second) if r["kind"] == "Release"]
    delete(api, second)
    assert (holder(api), agent_of(api)) == (f"{OWNER}/first", agent)
    third = claimed(control_plane, "third")
    wait_told(api, third, f"InferenceCluster {OWNER}/first has taken this cluster")
    delete(api, first)
    wait_for("the waiting claim to take the cluster", lambda: holder(api) == f"{OWNER}/third", 90)
    wait_for("an agent of the waiting claim", lambda: all(agent_of(api)), 60)
    assert not set(agent_of(api)) & set(agent), "the first claim's agent was gone before"
    delete(api, third)
    assert (holder(api), any(agent_of(api))) == ("", False)


def agent_of(api: Api) -> list[str]:
    """Return the UIDs of what of the agent is in the cluster; empty for what is not, or is on its way out."""
    found = [api.find(*part) for part in PARTS]
    return [f["metadata"]["uid"] if f and "deletionTimestamp" not in f["metadata"] else "" for f in found]


def test_another_kubeconfig_of_the_same_cluster_is_taken(control_plane: Plane, api: Api) -> None:
    claim = existing(control_plane, "rotated")
    uid = composite(api, claim)["status"]["clusterUID"]
    assert uid == api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    new = kubeconfig(control_plane, OWNER, "rotated-kubeconfig-new")
    api.apply(new)
    ref = {"kubeconfigSecretRef": {"name": new["metadata"]["name"]}}
    api.patch(claim, {"spec": {"existing": ref}})
    name = new["metadata"]["name"]
    wait_for("every ProviderConfig to name the new Secret", lambda: secrets_of(api, claim) == {name}, 60)
    wait_for(
        "the claim to be planned", lambda: condition(refreshed(api, claim), "Planned")["status"] == "True"
    )
    delete(api, claim)


def kubeconfig(plane: Plane, namespace: str, name: str) -> Manifest:
    encoded = base64.b64encode(plane.layout.portable_kubeconfig().encode()).decode()
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"kubeconfig": encoded}}


def secrets_of(api: Api, claim: Manifest) -> set[str]:
    """Return the Secrets that the claim's ProviderConfigs name."""
    # The one by which the new kubeconfig was tried goes meanwhile.
    configs = [r for r in composed(api, claim) if r["kind"] == "ProviderConfig"]
    return {str(config["spec"]["credentials"]["secretRef"]["name"]) for config in configs}
