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

NAMESPACE = "releases"
ELSEWHERE = "platform"
HELM = "helm.m.crossplane.io/v1beta1"
POLICY = ("nvidia.com/v1", "ClusterPolicy", "cluster-policy")
SECRET = "kubeconfig-of-a-test"
VALUES = {"driver": {"enabled": False}, "tolerations": [{"key": "nvidia.com/gpu"}]}


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
                "values": VALUES,
            },
            "providerConfigRef": {"kind": "ProviderConfig", "name": config},
        },
    }


@pytest.fixture(scope="module")
def releases(control_plane: Plane, ways: None) -> list[Manifest]:
    """Every chart, installed. Tests here go on from one another."""
    del ways
    api = control_plane.api
    asked = [api.create(release(control_plane, name)) for name in CHARTS.values()]
    return [wait_ready(api, each, seconds=90) for each in asked]


def test_every_chart_is_installed_with_its_values(api: Api, releases: list[Manifest]) -> None:
    assert [r["status"]["atProvider"]["state"] for r in releases] == ["deployed"] * len(CHARTS)
    assert [chart_values(api, name(r), NAMESPACE) for r in releases] == [VALUES] * len(CHARTS)
    assert api.find(*POLICY)


def test_a_change_of_values_arrives(api: Api, releases: list[Manifest]) -> None:
    changed = VALUES | {"driver": {"enabled": True}}
    api.patch(releases[0], {"spec": {"forProvider": {"values": changed}}})
    wait_for("the change", lambda: chart_values(api, name(releases[0]), NAMESPACE) == changed)


def test_a_secret_elsewhere_is_not_found(control_plane: Plane, api: Api, ways: None) -> None:
    """What functions/node_pools/reach.py counts on: the Secret is looked for beside the Release."""
    del ways
    asked = api.create(release(control_plane, "node-feature-discovery", "elsewhere"))
    wait_for("a failure", lambda: condition(refreshed(api, asked), "Synced").get("status") == "False")
    assert f'Secret "{SECRET}-elsewhere" not found' in "\n".join(told(refreshed(api, asked)))
    api.delete(asked)


def test_a_release_that_is_deleted_takes_everything_along(api: Api, releases: list[Manifest]) -> None:
    for each in releases:
        api.delete(each)
    # Not before half a minute after its creation: crossplane-runtime's creation grace period.
    wait_for("the Releases to be gone", lambda: not api.items(HELM, "Release", NAMESPACE))
    for kind in (("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("apps/v1", "DaemonSet")):
        installed = api.items(*kind, NAMESPACE, "app.kubernetes.io/managed-by=Helm")
        assert [name(each) for each in installed] == [], kind
    assert api.find(*POLICY) is None


def name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])
