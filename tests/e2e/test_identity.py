"""Whose an existing cluster is, and what its way in is kept for."""

from __future__ import annotations

import base64

from tests.e2e.compositions import changed
from tests.e2e.conftest import Plane
from tests.e2e.observing import composed, composite, refreshed
from tests.e2e.workload import OWNER, claimed, delete, existing, wait_told
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

STEP = ("inferencecluster", "node-pools")
MARK = ("v1", "ConfigMap", "freehold-holder", "kube-system")
SHORT = "short-lived"


def holder(api: Api) -> str:
    """Return the claim that the mark in the cluster names; empty where there is none."""
    mark = api.find(*MARK)
    return str(mark["data"]["claim"]) if mark else ""


def test_a_second_claim_of_a_cluster_leaves_it_alone(control_plane: Plane, api: Api) -> None:
    """Neither when it comes nor when it goes; and once the first has gone, the cluster is free."""
    first = existing(control_plane, "first")
    second = claimed(control_plane, "second")
    wait_told(api, second, f"InferenceCluster {OWNER}/first has taken this cluster")
    assert not [r for r in composed(api, second) if r["kind"] == "Release"]
    delete(api, second)
    assert holder(api) == f"{OWNER}/first"
    delete(api, first)
    assert holder(api) == ""


def test_another_kubeconfig_of_the_same_cluster_is_taken(control_plane: Plane, api: Api) -> None:
    claim = existing(control_plane, "rotated")
    uid = composite(api, claim)["status"]["clusterUID"]
    assert uid == api.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    new = kubeconfig(control_plane, OWNER, "rotated-kubeconfig-new")
    api.apply(new)
    ref = {"kubeconfigSecretRef": {"name": new["metadata"]["name"]}}
    api.patch(claim, {"spec": {"existing": ref}})
    name = new["metadata"]["name"]
    wait_for("every ProviderConfig to name the new Secret", lambda: ways(api, claim) == {name}, 60)
    wait_for(
        "the claim to be planned", lambda: condition(refreshed(api, claim), "Planned")["status"] == "True"
    )
    delete(api, claim)


def test_a_namespace_that_is_deleted_takes_its_cluster_along(control_plane: Plane, api: Api) -> None:
    """Its Releases are uninstalled before the kubeconfig goes with which that is done."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHORT}}
    api.apply(namespace)
    api.apply(kubeconfig(control_plane, SHORT, "kubeconfig"))
    claim = {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "InferenceCluster",
        "metadata": {"name": "brief", "namespace": SHORT},
        "spec": {
            "existing": {"kubeconfigSecretRef": {"name": "kubeconfig"}},
            "nodePools": [{"name": "l4", "gpu": {"model": "L4"}}],
        },
    }
    with changed(control_plane, *STEP, {"kubeconfigNamespaces": [OWNER, SHORT]}):
        api.apply(claim)
        wait_for("its Releases to be installed", lambda: installed(api, claim), 120)
        api.delete(namespace)
        wait_for("the namespace to be gone", lambda: api.find("v1", "Namespace", SHORT) is None, 180)
    assert holder(api) == ""
    assert not [s for s in api.items("v1", "Secret") if s.get("type") == "helm.sh/release.v1"]


def kubeconfig(plane: Plane, namespace: str, name: str) -> Manifest:
    encoded = base64.b64encode(plane.layout.portable_kubeconfig().encode()).decode()
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"kubeconfig": encoded}}


def ways(api: Api, claim: Manifest) -> set[str]:
    """Return the Secrets that the claim's ProviderConfigs name."""
    configs = [r for r in composed(api, claim) if r["kind"] == "ProviderConfig"]
    return {str(refreshed(api, r)["spec"]["credentials"]["secretRef"]["name"]) for r in configs}


def installed(api: Api, claim: Manifest) -> bool:
    releases = [refreshed(api, r) for r in composed(api, claim) if r["kind"] == "Release"]
    return len(releases) > 1 and all(condition(r, "Ready").get("status") == "True" for r in releases)
