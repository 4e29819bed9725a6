"""provider-helm and the charts that stand in for the real ones, without anything of ours composed."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from functions.catalog import chart
from tests.e2e.conftest import Plane
from tests.e2e.observing import chart_values, refreshed, told, wait_ready
from tools.control_plane.api import Api, condition
from tools.control_plane.charts import CHARTS
from tools.control_plane.plane import mirror
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.pinned_versions.releases import releases

NAMESPACE = "releases"
ELSEWHERE = "platform"
HELM = "helm.m.crossplane.io/v1beta1"
POLICY = ("nvidia.com/v1", "ClusterPolicy", "cluster-policy")
SECRET = "kubeconfig-of-a-test"
VALUES = {asked.component: asked.values for asked in releases()}
"""By component: what an example gives its chart."""


@pytest.fixture(scope="module")
def ways(control_plane: Plane) -> Iterator[None]:
    """ProviderConfigs of one namespace: of a Secret beside them, and of one elsewhere."""
    api = control_plane.api
    kubeconfig = control_plane.layout.portable_kubeconfig()
    made = [
        namespace(NAMESPACE),
        secret(NAMESPACE, SECRET, kubeconfig),
        secret(ELSEWHERE, f"{SECRET}-elsewhere", kubeconfig),
        provider_config("beside", NAMESPACE, SECRET),
        provider_config("elsewhere", ELSEWHERE, f"{SECRET}-elsewhere"),
    ]
    for manifest in made:
        api.apply(manifest)
    yield
    for manifest in reversed(made):
        api.delete(manifest)


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(namespace: str, name: str, kubeconfig: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"kubeconfig": base64.b64encode(kubeconfig.encode()).decode()},
    }


def provider_config(name: str, secret_namespace: str, secret: str) -> Manifest:
    ref = {"namespace": secret_namespace, "name": secret, "key": "kubeconfig"}
    return {
        "apiVersion": HELM,
        "kind": "ProviderConfig",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"credentials": {"source": "Secret", "secretRef": ref}},
    }


def release(plane: Plane, component: str, config: str = "beside") -> Manifest:
    known = chart(component)
    return {
        "apiVersion": HELM,
        "kind": "Release",
        "metadata": {"name": f"{component}-{config}", "namespace": NAMESPACE},
        "spec": {
            "forProvider": {
                "chart": {
                    "name": known.name,
                    "version": known.version,
                    "repository": mirror(plane.layout),
                },
                "namespace": NAMESPACE,
                "values": VALUES[component],
            },
            "providerConfigRef": {"kind": "ProviderConfig", "name": config},
        },
    }


@pytest.fixture(scope="module")
def installed(control_plane: Plane, ways: None) -> list[Manifest]:
    """Every chart, installed. Tests here go on from one another."""
    del ways
    api = control_plane.api
    asked = [api.create(release(control_plane, name)) for name in CHARTS.values()]
    return [wait_ready(api, each, seconds=90) for each in asked]


def test_every_chart_is_installed_with_its_values(api: Api, installed: list[Manifest]) -> None:
    assert [r["status"]["atProvider"]["state"] for r in installed] == ["deployed"] * len(CHARTS)
    given = [chart_values(api, name(r), NAMESPACE) for r in installed]
    assert given == [VALUES[component] for component in CHARTS.values()]
    assert api.find(*POLICY)


def test_a_change_of_values_arrives(api: Api, installed: list[Manifest]) -> None:
    changed = {**VALUES[next(iter(CHARTS.values()))], "imagePullSecrets": [{"name": "mirror"}]}
    api.patch(installed[0], {"spec": {"forProvider": {"values": changed}}})
    wait_for("the change", lambda: chart_values(api, name(installed[0]), NAMESPACE) == changed)


def test_a_value_that_the_real_chart_does_not_know_is_refused(
    control_plane: Plane, api: Api, ways: None
) -> None:
    """So a mistake in a component's values fails where it is made, and not on a cluster with GPUs."""
    del ways
    asked = release(control_plane, "gpu-operator")
    asked["metadata"]["name"] = "gpu-operator-mistaken"
    asked["spec"]["forProvider"]["values"] = {"driver": {"enable": False}}
    made = api.create(asked)
    wait_for("a failure", lambda: condition(refreshed(api, made), "Synced").get("status") == "False")
    assert "additional properties 'enable' not allowed" in "\n".join(told(refreshed(api, made)))
    api.delete(made)


def test_a_secret_elsewhere_is_not_found(control_plane: Plane, api: Api, ways: None) -> None:
    """What functions/node_pools/reach.py counts on: the Secret is looked for beside the Release."""
    del ways
    asked = api.create(release(control_plane, "node-feature-discovery", "elsewhere"))
    wait_for("a failure", lambda: condition(refreshed(api, asked), "Synced").get("status") == "False")
    assert f'Secret "{SECRET}-elsewhere" not found' in "\n".join(told(refreshed(api, asked)))
    api.delete(asked)


def test_a_release_that_is_deleted_takes_everything_along(api: Api, installed: list[Manifest]) -> None:
    for each in installed:
        api.delete(each)
    # Not before half a minute after its creation: crossplane-runtime's creation grace period.
    wait_for("the Releases to be gone", lambda: not api.items(HELM, "Release", NAMESPACE))
    for kind in (("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("apps/v1", "DaemonSet")):
        installed = api.items(*kind, NAMESPACE, "app.kubernetes.io/managed-by=Helm")
        assert [name(each) for each in installed] == [], kind
    assert api.find(*POLICY) is None


def name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])
