"""The components of a cluster: what is installed where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.base import HELM_RELEASE, Request
from functions.base.assemble import assemble
from functions.cluster_stack.compose import FUNCTION
from tests.cluster_stack.stack import (
    ACCESS,
    AWS,
    EXISTING,
    NFD,
    OPERATOR,
    POLICY,
    REACHABLE,
    composed,
    pool,
    request,
    values,
)

NAMES = [NFD, OPERATOR, POLICY]


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
    waiting = request(unready=[REACHABLE])
    desired = assemble(waiting, FUNCTION, FUNCTION.compose(waiting))
    assert desired.manifests == {}
    assert desired.conditions["ComponentsReady"].message.startswith(f"{NAMES[0]} waits for {REACHABLE}")
    ready = request(ready=[REACHABLE])
    assert list(assemble(ready, FUNCTION, FUNCTION.compose(ready)).manifests) == NAMES[:1]


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(request(access=None, ready=NAMES), id="no-way-in"),
        pytest.param(request(status={"nodePools": None}, ready=NAMES), id="no-pools"),
        pytest.param(request(status={"deletedWithClaim": None}, ready=NAMES), id="no-lifetime"),
        pytest.param(request(pools=[{"name": "of-another-shape"}], ready=NAMES), id="unreadable"),
    ],
)
def test_what_is_not_known_takes_nothing_away(lost: Request) -> None:
    # Proves: as long as it is not known what the pools need, what exists stays as it is.
    outcome = FUNCTION.compose(lost)
    assert not outcome.gone
    assert list(assemble(lost, FUNCTION, outcome).manifests) == NAMES


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


def test_node_feature_discovery_labels_by_vendor() -> None:
    # Proves: it labels nodes as the GPU Operator expects.
    found = values(composed()[NFD])
    assert found["worker"]["config"]["sources"]["pci"]["deviceLabelFields"] == ["vendor"]
    assert found["master"]["config"] == {"extraLabelNs": ["nvidia.com"]}


GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
TEAM = {"key": "team", "value": "a", "effect": "NoExecute"}
QUIET = {"key": "quiet", "value": "", "effect": "NoSchedule"}


def test_tainted_nodes_are_found() -> None:
    # Proves: what has to run on GPU nodes tolerates the taints of all pools, each once and in one order.
    assert values(composed()[NFD])["worker"]["tolerations"] == [GPU_TAINT]
    assert "daemonsets" not in values(composed()[OPERATOR])
    tainted = composed(pools=[pool("a", taints=[TEAM, QUIET]), pool("b", taints=[QUIET])])
    tolerated = [GPU_TAINT, {**QUIET, "operator": "Equal"}, {**TEAM, "operator": "Equal"}]
    assert values(tainted[NFD])["worker"]["tolerations"] == tolerated
    assert values(tainted[OPERATOR])["daemonsets"] == {"tolerations": tolerated}


@pytest.mark.parametrize(
    ("ready", "unready", "recorded", "expected"),
    [
        pytest.param((), (), (), [], id="nothing"),
        pytest.param((NFD,), (), (), ["node-feature-discovery"], id="the-first"),
        pytest.param(
            (NFD, OPERATOR), (POLICY,), (), ["node-feature-discovery"], id="installed-is-not-working"
        ),
        pytest.param(NAMES, (), (), ["node-feature-discovery", "gpu-operator"], id="all"),
        pytest.param(
            (NFD, OPERATOR),
            (POLICY,),
            ("node-feature-discovery", "gpu-operator"),
            ["node-feature-discovery", "gpu-operator"],
            id="a-restart-is-no-news",
        ),
        pytest.param(
            (NFD,),
            (),
            ("node-feature-discovery", "gpu-operator"),
            ["node-feature-discovery"],
            id="gone-is-gone",
        ),
        pytest.param((NFD,), (), ("unknown",), ["node-feature-discovery"], id="of-another-version"),
    ],
)
def test_components(ready: list[str], unready: list[str], recorded: list[str], expected: list[str]) -> None:
    # Proves: status says what Models can count on, and does not change with every restart.
    outcome = FUNCTION.compose(request(ready=ready, unready=unready, recorded=recorded))
    assert outcome.status == {"components": expected}


@pytest.mark.parametrize(
    ("spec", "ready", "unready", "hint"),
    [
        pytest.param(
            AWS,
            [],
            [NFD, OPERATOR],
            "Look at the pods in namespaces gpu-operator and node-feature-discovery of the cluster",
            id="both",
        ),
        pytest.param(
            AWS,
            [NFD, OPERATOR],
            [POLICY],
            "Look at the pods in namespace gpu-operator of the cluster",
            id="one",
        ),
        pytest.param(
            EXISTING,
            [NFD],
            [OPERATOR],
            "Look at the pods in namespace gpu-operator of the cluster; where the GPU Operator was installed "
            "before, remove that first",
            id="existing",
        ),
        pytest.param(
            AWS, [], [], "cluster-stack/node-feature-discovery is not ready yet (2 more to come)", id="none"
        ),
    ],
)
def test_the_condition_says_where_to_look(
    spec: Mapping[str, Any], ready: list[str], unready: list[str], hint: str
) -> None:
    # Proves: the hint names the namespaces of what is installed and does not work, and no other.
    asked = request(spec, ready=[REACHABLE, *ready], unready=unready)
    condition = assemble(asked, FUNCTION, FUNCTION.compose(asked)).conditions["ComponentsReady"]
    assert condition.message.endswith(hint)
    assert ("Look at" in condition.message) == bool(unready)


def test_the_condition_names_what_runs() -> None:
    # Proves: True once everything works, with what that is.
    asked = request(ready=[REACHABLE, *NAMES])
    condition = assemble(asked, FUNCTION, FUNCTION.compose(asked)).conditions["ComponentsReady"]
    assert condition.message == "Node Feature Discovery and the GPU Operator run"


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
