"""A namespace that is deleted before the claims in it: refused for clusters, and no trouble for Models."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.compositions import changed
from tests.e2e.conftest import Plane
from tests.e2e.observing import composed, composite
from tests.e2e.workload import OWNER, ask_to_go, delete, existing, model, wait_gone, wait_placed, wait_told
from tools.control_plane.api import Api, ApiError
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.install import NAMESPACE_GUARD
from tools.manifests import Manifest

LEAVING = "leaving"


@pytest.fixture
def namespace(api: Api) -> Manifest:
    """Return a namespace that the test deletes."""
    made: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEAVING}}
    api.apply(made)
    return made


def wait_refused(api: Api, name: str, *words: str) -> None:
    """Return once the API server refuses to delete a namespace in one of these words; nothing is deleted.

    The API server learns of a new kind within half a minute, and of a composite or its status a moment later.
    """
    told = ["admitted"]

    def refused() -> bool:
        told[0] = refusal(api, name)
        return any(told[0] == f"{_BY_POLICY}{each}" for each in words)

    try:
        wait_for(words[0], refused)
    except ToolError as error:
        raise AssertionError(f"told instead: {told[0]}") from error


_BY_POLICY = (
    f"ValidatingAdmissionPolicy '{NAMESPACE_GUARD}' with binding '{NAMESPACE_GUARD}' denied request: "
)


def refusal(api: Api, name: str) -> str:
    """Return how the API server refuses to delete a namespace; empty where it would delete the namespace."""
    try:
        api.call("DELETE", api.path("v1", "Namespace", name), query={"dryRun": "All"})
    except ApiError as error:
        return str(error).partition(" is forbidden: ")[2]
    return ""


def cluster(plane: Plane, name: str, kubeconfig: str) -> Manifest:
    encoded = base64.b64encode(kubeconfig.encode()).decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": LEAVING}}
    plane.api.apply({**secret, "data": {"kubeconfig": encoded}})
    claim: Manifest = {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "InferenceCluster",
        "metadata": {"name": name, "namespace": LEAVING},
        "spec": {
            "existing": {"kubeconfigSecretRef": {"name": name}},
            "nodePools": [{"name": "l4", "gpu": {"model": "L4"}, "nodes": {"min": 0, "max": 1}}],
        },
    }
    plane.api.apply(claim)
    return claim


def test_a_clusters_namespace_goes_after_its_claim(
    control_plane: Plane, api: Api, namespace: Manifest
) -> None:
    """Deleted first, it would stay Terminating: provider-helm could uninstall nothing any more.

    Of two claims the second reaches no cluster, and holds the namespace back all the same.
    """
    input_ = {"kubeconfigNamespaces": [OWNER, LEAVING]}
    with changed(control_plane, "inferencecluster", "node-pools", input_):
        portable = control_plane.layout.portable_kubeconfig()
        first = cluster(control_plane, "first", portable)
        # Before the second comes, which would take the cluster otherwise.
        wait_told(api, first, "ControlPlaneReady=True", seconds=120)
        wait_for("a Release", lambda: any(r["kind"] == "Release" for r in composed(api, first)))
        second = cluster(control_plane, "second", portable)
        stands = [
            f"InferenceCluster {LEAVING}/{name} stands in this namespace: delete it first"
            for name in ("first", "second")
        ]
        wait_refused(api, LEAVING, *stands)
        delete(api, second)
        wait_refused(api, LEAVING, stands[0])
        with pytest.raises(ApiError, match="delete it first"):
            api.delete(namespace)
        ask_to_go(api, first)
        # The guard outlasts the request: there are Releases to uninstall.
        going = "it is being deleted, and the namespace can be deleted once it is gone"
        wait_refused(api, LEAVING, stands[0].replace("delete it first", going))
        delete(api, first)
        wait_for("the namespace to be free", lambda: not refusal(api, LEAVING))
        api.delete(namespace)
        wait_gone(api, [namespace], seconds=60)


def test_the_namespace_of_what_is_composed_stays(control_plane: Plane, api: Api) -> None:
    claim = existing(control_plane, "guarded")
    named = f"InferenceCluster {OWNER}/guarded"
    wait_refused(api, OWNER, f"{named} stands in this namespace: delete it first")
    needs = f"{named} needs this namespace, where its composed resources stand: delete it first"
    wait_refused(api, NAMESPACE, needs)
    delete(api, claim)
    wait_for("both namespaces to be free", lambda: not refusal(api, OWNER) and not refusal(api, NAMESPACE))


def test_a_models_namespace_takes_the_model_along(
    control_plane: Plane, api: Api, namespace: Manifest
) -> None:
    """What is composed for a Model stands beside the cluster, where nothing hinders the deletion."""
    on = existing(control_plane, "host", allowed=["*"])
    token = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub", "namespace": LEAVING}}
    api.apply({**token, "data": {"token": base64.b64encode(b"hf_x").decode()}})
    claim = model(
        LEAVING,
        "small",
        cluster={"namespace": OWNER, "name": on["metadata"]["name"]},
        source={"huggingFace": {"tokenSecretRef": {"name": "hub", "key": "token"}}},
    )
    api.apply(claim)
    wait_placed(api, claim)
    wait_for("the Model's objects", lambda: len(composed(api, claim)) > 5)
    left = [*composed(api, claim), composite(api, claim)]
    api.delete(namespace)
    wait_gone(api, [*left, claim, namespace], seconds=120)
    delete(api, on)
