"""The components of a cluster: what is installed where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.api import contract
from functions.base import HELM_RELEASE, Request, unique_name
from functions.base.assemble import assemble
from functions.cluster_stack.compose import FUNCTION
from tests.cluster_stack.stack import (
    ACCESS,
    AGENT_ALL,
    AGENT_GOES,
    ALWAYS,
    AWS,
    CRDS,
    EXISTING,
    NFD,
    NFD_ALL,
    OPERATOR,
    POLICY,
    REACHABLE,
    composed,
    live,
    pool,
    request,
    values,
)

NAMES = ALWAYS


def test_names_and_order() -> None:
    # Proves: all that is composed; a Release waits for its namespace, the GPU Operator for NFD too.
    found = FUNCTION.compose(request()).resources
    assert [(r.name, r.after) for r in found] == [
        (f"{NFD}-namespace", (REACHABLE,)),
        (NFD, (REACHABLE, f"{NFD}-namespace")),
        (f"{NFD}-daemonset", (NFD,)),
        (f"{NFD}-deployment", (NFD,)),
        (f"{OPERATOR}-namespace", (REACHABLE,)),
        (OPERATOR, (REACHABLE, NFD, f"{OPERATOR}-namespace")),
        (POLICY, (OPERATOR,)),
        (f"{OPERATOR}-deployment", (OPERATOR,)),
        *((name, (REACHABLE if name in AGENT_GOES else AGENT_ALL[0],)) for name in AGENT_ALL),
        *((name, (REACHABLE,)) for name in CRDS),
    ]


def test_nothing_is_installed_before_the_cluster_answers() -> None:
    # Proves: held back, with the reason in the condition; namespaces go once the cluster answers.
    waiting = request(unready=[REACHABLE])
    desired = assemble(waiting, FUNCTION, FUNCTION.compose(waiting))
    assert desired.manifests == {}
    message = desired.conditions["ComponentsReady"].message
    assert message.startswith("Namespace node-feature-discovery waits for the cluster's API")
    ready = request(ready=[REACHABLE])
    first = [f"{NFD}-namespace", f"{OPERATOR}-namespace", *AGENT_GOES, *CRDS]
    assert list(assemble(ready, FUNCTION, FUNCTION.compose(ready)).manifests) == first


@pytest.mark.parametrize("late", contract.ORDER_OF_DELETION)
def test_nothing_is_installed_before_the_order_of_deletion_stands(late: str) -> None:
    # Proves: of a claim that is deleted now, no ProviderConfig goes before what needs it; what is there stays.
    ready = [REACHABLE, *(name for name in contract.ORDER_OF_DELETION if name != late)]
    waiting = request(EXISTING, ready=ready)
    desired = assemble(waiting, FUNCTION, FUNCTION.compose(waiting))
    assert [n for n, m in desired.manifests.items() if m["kind"] in ("Release", "Usage")] == []
    assert f"{NFD}-namespace" not in desired.manifests
    message = desired.conditions["ComponentsReady"].message
    assert message.startswith("Namespace node-feature-discovery waits for the order in which it is deleted")
    before = request(EXISTING, ready=[*ready, *ALWAYS])
    assert set(ALWAYS) <= set(assemble(before, FUNCTION, FUNCTION.compose(before)).manifests)


@pytest.mark.parametrize(
    ("pools", "levels"),
    [
        pytest.param(
            [pool()], {"node-feature-discovery": "privileged", "gpu-operator": "privileged"}, id="any"
        ),
        pytest.param(
            [pool(gpusPerNode=8)],
            {
                "node-feature-discovery": "privileged",
                "gpu-operator": "privileged",
                "lws-system": "restricted",
            },
            id="of-several-nodes",
        ),
    ],
)
def test_namespaces_admit_what_runs_in_them(pools: list[Any], levels: Mapping[str, str]) -> None:
    # Proves: C2. Also where the cluster enforces a stricter level by default; those of charts stay.
    found = [m for n, m in composed(EXISTING, pools=pools).items() if n.endswith("-namespace")]
    namespaces = [m["spec"]["forProvider"]["manifest"] for m in found]
    labels = {n["metadata"]["name"]: n["metadata"]["labels"] for n in namespaces}
    # A gateway looks at the agent's Service in a namespace that is Freehold's alone.
    assert labels["freehold-agent"].pop("app.kubernetes.io/managed-by") == "freehold"
    assert labels == {
        name: {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
        for name, level in {**levels, "freehold-agent": "restricted"}.items()
    }
    assert [m["metadata"]["name"] for m in found if "managementPolicies" not in m["spec"]] == [
        unique_name("eu-prod-x7k2p", "agent-namespace")
    ]


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(request(access=None, ready=NAMES), id="no-access"),
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


ASKED = {"name": "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED", "value": "false"}
PLAIN = {"nfd": {"enabled": False}, "dcgmExporter": {"serviceMonitor": {"enabled": False}}}
UPGRADE = {"autoUpgrade": False, "gpuPodDeletion": {"deleteEmptyDir": True}}
SOCKET = {"name": "CONTAINERD_SOCKET", "value": "/run/k3s/containerd/containerd.sock"}
GKE_BINARIES = "/home/kubernetes/bin/nvidia"


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        pytest.param(
            AWS, {}, {"driver": {"enabled": False}, "toolkit": {"enabled": False}}, id="image-with-both"
        ),
        pytest.param(
            EXISTING,
            {},
            {
                "driver": {"enabled": True, "upgradePolicy": UPGRADE},
                "toolkit": {"enabled": True, "env": [ASKED]},
            },
            id="nothing-is-known-of-the-nodes",
        ),
        pytest.param(
            EXISTING,
            {"distribution": "RKE2"},
            {
                "driver": {"enabled": True, "upgradePolicy": UPGRADE},
                "toolkit": {"enabled": True, "env": [ASKED, SOCKET]},
            },
            id="containerd-of-the-distribution",
        ),
        pytest.param(
            EXISTING,
            {"distribution": "GKE", "nodeImage": {"driver": True, "containerToolkit": False}},
            {
                "driver": {"enabled": False},
                "toolkit": {
                    "enabled": True,
                    "env": [ASKED, {"name": "RUNTIME_CONFIG_SOURCE", "value": "file"}],
                    "installDir": GKE_BINARIES,
                },
                "hostPaths": {"driverInstallDir": GKE_BINARIES},
            },
            id="GKE",
        ),
    ],
)
def test_gpu_operator(spec: Mapping[str, Any], status: Mapping[str, Any], expected: dict[str, Any]) -> None:
    # Proves: whole. It installs what nodes lack; a new driver restarts nothing by itself (C3).
    assert values(composed(spec, status=status)[OPERATOR]) == PLAIN | expected


def test_gke_admits_the_systems_priorities_where_a_quota_says_so() -> None:
    # Proves: in the namespaces of ours, before anything is installed there.
    found = {r.name: r for r in FUNCTION.compose(request(EXISTING, status={"distribution": "GKE"})).resources}
    quota = found[f"{OPERATOR}-quota"].manifest["spec"]["forProvider"]["manifest"]  # type: ignore[index]
    assert (quota["kind"], quota["metadata"]["namespace"]) == ("ResourceQuota", "gpu-operator")
    assert f"{OPERATOR}-quota" in found[OPERATOR].after
    assert not any(name.endswith("-quota") for name in composed(EXISTING))


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
        pytest.param(NFD_ALL, (), (), ["node-feature-discovery"], id="the-first"),
        pytest.param(
            (*NFD_ALL, OPERATOR), (POLICY,), (), ["node-feature-discovery"], id="installed-is-not-working"
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
        pytest.param(NFD_ALL, (), ("unknown",), ["node-feature-discovery"], id="of-another-version"),
    ],
)
def test_components(ready: list[str], unready: list[str], recorded: list[str], expected: list[str]) -> None:
    # Proves: status says what Models can count on, and does not change with every restart.
    outcome = FUNCTION.compose(request(ready=ready, unready=unready, recorded=recorded))
    assert outcome.status["components"] == expected


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
            [*NFD_ALL, OPERATOR],
            [POLICY],
            "Look at the pods in namespace gpu-operator of the cluster",
            id="one",
        ),
        pytest.param(
            AWS,
            [name for name in ALWAYS if name != f"{NFD}-daemonset"],
            [f"{NFD}-daemonset"],
            "Look at the pods in namespace node-feature-discovery of the cluster",
            id="refused-workers",
        ),
        pytest.param(
            EXISTING,
            NFD_ALL,
            [OPERATOR],
            "Look at the pods in namespace gpu-operator of the cluster; where the GPU Operator was installed "
            "before, or by another claim, remove that first; a node that runs an older driver than the GPU "
            "Operator brings keeps it until you drain the node and delete its pod nvidia-driver-daemonset",
            id="existing",
        ),
        pytest.param(
            AWS, [], [], "Namespace node-feature-discovery is not ready yet (7 more to come)", id="none"
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
    asked = request(ready=[REACHABLE, *NAMES, *AGENT_ALL])
    outcome = FUNCTION.compose(asked)
    asked.observed = {r.name: {**(r.manifest or {}), **live(True)} for r in outcome.resources}
    condition = assemble(asked, FUNCTION, outcome).conditions["ComponentsReady"]
    assert condition.message == "Node Feature Discovery, the GPU Operator and the agent run"


def test_charts() -> None:
    # Proves: chart, address and version of both, from the catalog.
    assert {
        n: m["spec"]["forProvider"]["chart"] for n, m in composed().items() if m["kind"] == "Release"
    } == {
        NFD: {
            "name": "node-feature-discovery",
            "repository": "oci://registry.k8s.io/nfd/charts",
            "version": "0.19.0",
        },
        OPERATOR: {
            "name": "gpu-operator",
            "repository": "https://helm.ngc.nvidia.com/nvidia",
            "version": "v26.7.0",
        },
    }


def test_a_mirror_with_a_password() -> None:
    # Proves: the Secret is named beside the chart, and only where the platform names one.
    given = {"gpuOperator": {"repository": "oci://mirror/charts", "pullSecretRef": {"name": "mirror"}}}
    found = composed(given=given)
    charts = {n: m["spec"]["forProvider"]["chart"] for n, m in found.items() if m["kind"] == "Release"}
    assert charts[OPERATOR]["pullSecretRef"] == {"name": "mirror"}
    assert "pullSecretRef" not in charts[NFD]


def test_charts_from_a_mirror() -> None:
    # Proves: the function's input overrides address and version, each by itself.
    given = {
        "gpuOperator": {"repository": "oci://mirror/charts"},
        "nodeFeatureDiscovery": {"version": "0.18.0"},
    }
    found = composed(given=given)
    operator, nfd = (found[n]["spec"]["forProvider"]["chart"] for n in (OPERATOR, NFD))
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
    for name in (NFD, OPERATOR):
        assert found[name]["metadata"]["namespace"] == namespace
        assert found[name]["spec"]["providerConfigRef"] == {"kind": "ProviderConfig", "name": "eu-prod-helm"}
    assert found[POLICY]["metadata"]["namespace"] == "crossplane-system"


def test_an_installation_that_is_there_is_not_adopted() -> None:
    # Proves: Helm's names are this claim's own (G8) and within Helm's limit: two claims of one cluster
    # never share a release, so that the end of one would take it from the other.
    def names(composite: str) -> list[str]:
        asked = request(pools=[pool(gpusPerNode=8)])
        asked.composite = {**asked.composite, "metadata": {"name": composite}}
        manifests = [r.manifest for r in FUNCTION.compose(asked).resources if r.manifest]
        releases = [m for m in manifests if m["kind"] == "Release"]
        return [m["metadata"]["annotations"]["crossplane.io/external-name"] for m in releases]

    first, second = names("eu-prod-x7k2p"), names("eu-prod-again-a1b2c")
    assert len(set(first) | set(second)) == 2 * 3
    assert all(name.startswith("freehold-") and len(name) <= HELM_RELEASE for name in first)


def test_readiness_is_the_operators_own_verdict() -> None:
    # Proves: its ClusterPolicy is observed, never written, and ready when it says so.
    spec = composed()[POLICY]["spec"]
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
    spec = composed()[OPERATOR]["spec"]
    assert "wait" not in spec["forProvider"]
    assert spec["rollbackLimit"] >= 1000


def test_a_cluster_that_another_claim_has_taken_is_left_alone() -> None:
    # Proves: nothing is installed; what exists stays in the cluster whenever this claim is deleted.
    taken = {"heldBy": "team-a/other"}
    new = request(EXISTING, status=taken, ready=[REACHABLE])
    assert assemble(new, FUNCTION, FUNCTION.compose(new)).manifests == {}
    existing = request(EXISTING, status=taken, ready=[REACHABLE])
    release = {**live(True), "spec": {"forProvider": {"chart": {}}}}
    existing.observed = {**existing.observed, NFD: release}
    desired = assemble(existing, FUNCTION, FUNCTION.compose(existing))
    assert desired.manifests[NFD]["spec"]["managementPolicies"] == ["Observe", "Create", "Update"]
    said = desired.conditions["ComponentsReady"]
    assert (said.status.value, said.reason) == ("False", "ClusterTaken")
    assert "InferenceCluster team-a/other has taken this cluster" in said.message
