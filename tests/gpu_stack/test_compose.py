"""The GPU stack: what is installed where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.base import HELM_RELEASE, Request
from functions.base.assemble import assemble
from functions.gpu_stack.compose import FUNCTION

NAMES = ["gpu-stack/node-feature-discovery", "gpu-stack/gpu-operator", "gpu-stack/cluster-policy"]
AWS = {"aws": {"region": "eu-central-1"}, "nodePools": [{"name": "l4", "gpu": {"model": "L4"}}]}
EXISTING = {
    "existing": {"kubeconfigSecretRef": {"name": "kubeconfig-eu"}},
    "nodePools": [{"name": "l4", "gpu": {"model": "L4"}}],
}
ACCESS = {
    "namespace": "crossplane-system",
    "kubernetesProviderConfig": "eu-prod-kubernetes",
    "helmProviderConfig": "eu-prod-helm",
}
REACHABLE = "node-pools/reachable"


def request(
    spec: Mapping[str, Any] = AWS,
    *,
    access: Mapping[str, Any] | None = ACCESS,
    before: Mapping[str, bool] | None = None,
    observed: Mapping[str, Mapping[str, Any]] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Request:
    return Request(
        composite={"metadata": {"name": "eu-prod-x7k2p"}, "spec": spec},
        observed=observed or {},
        composed_before=before or {},
        status_before={"access": access} if access else {},
        answers={},
        input=given or {},
    )


def composed(spec: Mapping[str, Any] = AWS, **more: Any) -> dict[str, Any]:
    return {r.name: r.manifest for r in FUNCTION.compose(request(spec, **more)).resources}


def values(manifest: Any) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["forProvider"]["values"]
    return found


def test_names_and_order() -> None:
    # Proves: all that is composed, and that each waits for the one before and for the cluster.
    found = FUNCTION.compose(request()).resources
    assert [(r.name, r.after) for r in found] == [
        (NAMES[0], (REACHABLE,)),
        (NAMES[1], (REACHABLE, NAMES[0])),
        (NAMES[2], (NAMES[1],)),
    ]


def test_nothing_is_installed_before_the_cluster_answers() -> None:
    # Proves: held back, with the reason in the condition; the first goes once the cluster answers.
    waiting = request(before={REACHABLE: False}, observed={REACHABLE: {}})
    desired = assemble(waiting, FUNCTION, FUNCTION.compose(waiting))
    assert desired.manifests == {}
    assert desired.conditions["GPUStackReady"].message.startswith(f"{NAMES[0]} waits for {REACHABLE}")
    ready = request(before={REACHABLE: True})
    assert list(assemble(ready, FUNCTION, FUNCTION.compose(ready)).manifests) == NAMES[:1]


def test_without_a_way_in_what_exists_stays() -> None:
    # Proves: status that is missing takes nothing away.
    live = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"a": 1}}
    lost = request(access=None, observed={NAMES[1]: live})
    outcome = FUNCTION.compose(lost)
    assert not outcome.complete
    assert list(assemble(lost, FUNCTION, outcome).manifests) == [NAMES[1]]


@pytest.mark.parametrize(
    ("spec", "installs"),
    [pytest.param(AWS, False, id="aws"), pytest.param(EXISTING, True, id="existing")],
)
def test_gpu_operator(spec: Mapping[str, Any], installs: bool) -> None:
    # Proves: driver and toolkit are left to the EKS NVIDIA image, and installed elsewhere.
    assert values(composed(spec)[NAMES[1]]) == {
        "nfd": {"enabled": False},
        "driver": {"enabled": installs},
        "toolkit": {"enabled": installs},
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},
        "psa": {"enabled": True},
    }


def test_node_feature_discovery_finds_tainted_nodes() -> None:
    # Proves: the worker runs on GPU nodes and labels them by vendor, as the operator expects.
    found = values(composed()[NAMES[0]])
    assert found["worker"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert found["worker"]["config"]["sources"]["pci"]["deviceLabelFields"] == ["vendor"]
    assert found["master"]["config"] == {"extraLabelNs": ["nvidia.com"]}


def test_charts() -> None:
    # Proves: chart, address and version of both, from the catalog.
    assert {
        n: m["spec"]["forProvider"]["chart"] for n, m in composed().items() if m["kind"] == "Release"
    } == {
        NAMES[0]: {
            "name": "node-feature-discovery",
            "repository": "oci://registry.k8s.io/nfd/charts",
            "version": "0.19.0",
        },
        NAMES[1]: {
            "name": "gpu-operator",
            "repository": "https://helm.ngc.nvidia.com/nvidia",
            "version": "v26.7.0",
        },
    }


def test_charts_from_a_mirror() -> None:
    # Proves: the function's input overrides address and version, each by itself.
    given = {
        "gpuOperator": {"repository": "oci://mirror/charts"},
        "nodeFeatureDiscovery": {"version": "0.18.0"},
    }
    found = composed(given=given)
    operator, nfd = (found[n]["spec"]["forProvider"]["chart"] for n in (NAMES[1], NAMES[0]))
    assert (operator["repository"], operator["version"]) == ("oci://mirror/charts", "v26.7.0")
    assert (nfd["repository"], nfd["version"]) == ("oci://registry.k8s.io/nfd/charts", "0.18.0")


@pytest.mark.parametrize(
    ("spec", "policies"),
    [
        pytest.param(AWS, ["Observe", "Create", "Update"], id="aws-dies-with-the-cluster"),
        pytest.param(EXISTING, None, id="existing-is-cleaned-up"),
    ],
)
def test_deletion(spec: Mapping[str, Any], policies: list[str] | None) -> None:
    # Proves: a cluster of our own takes its stack along; somebody else's is left as it was.
    for manifest in composed(spec).values():
        if manifest["kind"] == "Release":
            assert manifest["spec"].get("managementPolicies") == policies


@pytest.mark.parametrize(
    ("access", "namespace"),
    [
        pytest.param(ACCESS, "crossplane-system", id="with-the-others"),
        pytest.param({**ACCESS, "helmNamespace": "platform"}, "platform", id="next-to-the-kubeconfig"),
    ],
)
def test_releases_stand_with_their_provider_config(access: Mapping[str, Any], namespace: str) -> None:
    # Proves: a namespaced ProviderConfig is only found from its own namespace.
    found = composed(EXISTING, access=access)
    for name in NAMES[:2]:
        assert found[name]["metadata"]["namespace"] == namespace
        assert found[name]["spec"]["providerConfigRef"] == {"kind": "ProviderConfig", "name": "eu-prod-helm"}
    assert found[NAMES[2]]["metadata"]["namespace"] == "crossplane-system"


def test_an_installation_that_is_there_is_not_adopted() -> None:
    # Proves: Helm's names are ours and within its limit, so a Release never takes over another.
    names = [
        m["metadata"]["annotations"]["crossplane.io/external-name"]
        for m in composed().values()
        if m["kind"] == "Release"
    ]
    assert names == ["freehold-node-feature-discovery", "freehold-gpu-operator"]
    assert all(len(name) <= HELM_RELEASE for name in names)


def test_readiness_is_the_operators_own_verdict() -> None:
    # Proves: its ClusterPolicy is observed, never written, and ready when it says so.
    spec = composed()[NAMES[2]]["spec"]
    assert spec["managementPolicies"] == ["Observe"]
    assert spec["forProvider"]["manifest"] == {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "cluster-policy"},
    }
    ready = spec["readiness"]["celQuery"]
    assert "object.status.state == 'ready'" in ready
    assert "NFDLabelsMissing" in ready


def test_a_failed_installation_is_tried_again() -> None:
    # Proves: slow pods fail nothing, and what fails is not given up on.
    spec = composed()[NAMES[1]]["spec"]
    assert "wait" not in spec["forProvider"]
    assert spec["rollbackLimit"] >= 1000
