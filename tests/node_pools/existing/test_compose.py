"""A cluster that is there already: reached, declared, and nothing created."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import contract
from functions.base import Condition, Invalid, Progress
from functions.base.assemble import assemble
from functions.node_pools import reach
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import cluster, existing, live, settled


def manifests(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {r.name: r.manifest for r in FUNCTION.compose(cluster(spec, **more)).resources}


def secret_ref(manifest: Any) -> dict[str, str]:
    ref: dict[str, str] = manifest["spec"]["credentials"]["secretRef"]
    return ref


def test_composes_what_reaches_the_cluster_and_nothing_else() -> None:
    # Proves: the whole outcome, its order, and that the proof waits for the ProviderConfigs.
    found = FUNCTION.compose(cluster(existing()))
    assert [(r.name, r.after) for r in found.resources] == [
        ("node-pools/offer", ()),
        (reach.KUBERNETES, ()),
        (reach.HELM, ()),
        (reach.REACHABLE, (reach.KUBERNETES, reach.HELM)),
        ("node-pools/holder", (reach.KUBERNETES,)),
        ("node-pools/holder-first", (reach.KUBERNETES,)),
        ("node-pools/helm-after-holder", (reach.KUBERNETES, reach.HELM)),
        ("node-pools/kubeconfig-after-holder", (reach.KUBERNETES,)),
        ("node-pools/kubeconfig-after-releases", (reach.HELM,)),
        ("node-pools/nodes-l4", (reach.REACHABLE,)),
    ]
    assert found.status == {
        "access": {
            "namespace": "crossplane-system",
            "kubernetesProviderConfig": "eu-prod-x7k2p-kubernetes-0cf016",
            "helmProviderConfig": "eu-prod-x7k2p-helm-a0a073",
            "helmNamespace": "platform",
        },
        "nodePools": [
            {
                "name": "l4",
                "gpuModel": "L4",
                "gpusPerNode": 1,
                "gpuMemoryMiB": 23034,
                "nodes": {"min": 0, "max": 8},
                "capacity": "OnDemand",
                "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.count": "1"},
                "ready": False,
            }
        ],
        "gateway": None,
        "sharedStorage": False,
        "storageClassName": None,
        "summary": {"nodePools": "l4", "gpus": "L4"},
        "deletedWithClaim": False,
        "clusterUID": None,
        "heldBy": None,
        "distribution": "Other",
        "nodeImage": None,
    }


def test_the_secret_is_the_claims_whatever_the_spec_says() -> None:
    # Proves: a namespace in the spec is not believed; the kubeconfig is looked for next to the claim.
    spec = existing(kubeconfigSecretRef={"name": "kc", "namespace": "crossplane-system", "key": "k"})
    found = manifests(spec)
    for name in (reach.KUBERNETES, reach.HELM):
        assert secret_ref(found[name]) == {"namespace": "platform", "name": "kc", "key": "k"}


def test_helm_stands_next_to_the_secret() -> None:
    # Proves: provider-helm, which ignores secretRef.namespace, can read no Secret but the claim's.
    found = manifests(existing())
    assert found[reach.HELM]["metadata"]["namespace"] == "platform"
    assert found[reach.KUBERNETES]["metadata"]["namespace"] == "crossplane-system"


def test_without_a_claim_everything_is_in_the_platform_namespace() -> None:
    # Proves: an XR of its own has no namespace, so its Secret is the platform's.
    request: dict[str, Any] = {"claim": {}, "given": {"platformNamespace": "infra"}}
    found = manifests(existing(), **request)
    assert {m["metadata"]["namespace"] for m in found.values()} == {"infra"}
    assert secret_ref(found[reach.HELM])["namespace"] == "infra"
    assert "helmNamespace" not in FUNCTION.compose(cluster(existing(), **request)).status["access"]


def test_the_proof_changes_nothing_in_the_cluster() -> None:
    # Proves: kube-system is observed, and not deleted with the claim.
    spec = manifests(existing())[reach.REACHABLE]["spec"]
    assert spec["managementPolicies"] == ["Observe"]
    assert spec["readiness"]["celQuery"] == "object.status.phase == 'Active'"


GUARDS = {
    *contract.ORDER_OF_DELETION,
    "node-pools/kubeconfig-after-holder",
    "node-pools/kubeconfig-after-releases",
}


def test_the_kubeconfig_stays_until_nothing_needs_it() -> None:
    # Proves: by the mark in the cluster, which the Releases keep, and by Helm's ProviderConfig; each beside its user.
    found = {n: m for n, m in manifests(existing()).items() if n in GUARDS}
    order = sorted(
        (
            m["spec"]["of"]["apiVersion"].partition(".")[0],
            m["spec"]["of"]["kind"],
            m["spec"]["by"]["kind"],
            m["metadata"]["namespace"],
        )
        for m in found.values()
    )
    assert order == [
        ("helm", "ProviderConfig", "Object", "crossplane-system"),
        ("kubernetes", "ProviderConfig", "Object", "crossplane-system"),
        ("v1", "Secret", "Object", "crossplane-system"),
        ("v1", "Secret", "ProviderConfig", "platform"),
    ]
    beside = found["node-pools/kubeconfig-after-releases"]["spec"]["of"]["resourceRef"]
    across = found["node-pools/kubeconfig-after-holder"]["spec"]["of"]["resourceRef"]
    assert (beside, across) == ({"name": "kubeconfig-eu"}, {"name": "kubeconfig-eu", "namespace": "platform"})


def test_it_settles() -> None:
    # Proves: three waves, the last one to look for the nodes, which waits until they are found.
    request, waves = settled(FUNCTION, existing())
    assert waves == [
        {"node-pools/offer", reach.KUBERNETES, reach.HELM},
        {reach.REACHABLE, "node-pools/holder", *GUARDS},
        {"node-pools/nodes-l4"},
    ]
    conditions = assemble(request, FUNCTION, FUNCTION.compose(request)).conditions
    holds = {c.type: c.status.value for c in conditions.values()}
    assert holds == {**dict.fromkeys(FUNCTION.conditions, "True"), "NodePoolsReady": "False"}


def test_an_api_that_does_not_answer_is_explained() -> None:
    # Proves: the condition names the Secret, the key and what to check.
    request = cluster(existing())
    message = assemble(request, FUNCTION, FUNCTION.compose(request)).conditions["ControlPlaneReady"].text
    assert message.endswith(
        "Check that Secret platform/kubeconfig-eu holds a kubeconfig under key kubeconfig, that its server "
        "can be reached from the control plane, and that its user may do everything"
    )
    assert message.startswith("[platform] ")


MINE: dict[str, Any] = {"kubeconfigSecretRef": None, "controlPlane": {}}


@pytest.mark.parametrize("listed", [["platform"], ["team-*", "plat*"]])
def test_the_control_planes_own_cluster(listed: list[str]) -> None:
    # Proves: the providers go by their own identity, and everything is in the platform namespace.
    request = cluster(existing(**MINE), given={"controlPlaneNamespaces": listed})
    outcome = FUNCTION.compose(request)
    found: dict[str, Any] = {r.name: r.manifest for r in outcome.resources}
    for name in (reach.KUBERNETES, reach.HELM):
        assert found[name]["kind"] == "ProviderConfig"
        assert found[name]["metadata"]["namespace"] == "crossplane-system"
        assert found[name]["spec"] == {"credentials": {"source": "InjectedIdentity"}}
    assert "helmNamespace" not in outcome.status["access"]
    assert (
        assemble(request, FUNCTION, outcome)
        .conditions["ControlPlaneReady"]
        .text.endswith(
            "Check that the service accounts of provider-kubernetes and provider-helm may do everything in the "
            "control plane's cluster"
        )
    )


def test_storage_is_what_the_claim_declares() -> None:
    # Proves: the class and its sharing reach the Models' planning.
    found = FUNCTION.compose(cluster(existing(storageClassName="nfs", sharedStorage=True))).status
    assert (found["storageClassName"], found["sharedStorage"]) == ("nfs", True)


def test_a_claim_with_a_cluster_of_its_own_does_not_move() -> None:
    # Proves: changing aws to existing does not delete the EKS cluster.
    observed = {"node-pools/cluster": live({"metadata": {"name": "x"}})}
    with pytest.raises(
        Invalid, match="this claim created a cluster in a cloud, and everything in that cluster would be lost"
    ):
        FUNCTION.compose(cluster(existing(), observed=observed))


def test_what_has_no_effect_is_said() -> None:
    # Proves: a field that changes nothing is not silently ignored.
    found = FUNCTION.compose(cluster({**existing(), "kubernetesVersion": "1.35", "owner": "ml"}))
    assert tuple(found.notes) == (
        "spec.kubernetesVersion has no effect: an existing cluster keeps its version",
        "spec.owner has no effect: nothing in any cloud is created for an existing cluster",
    )
    assert all(isinstance(c, Condition | Progress) for c in found.conditions)


def test_gke_brings_the_driver_with_its_nodes() -> None:
    # Proves: what the next step installs there is told by facts of the distribution.
    spec = existing()
    spec["existing"]["distribution"] = "GKE"
    found = FUNCTION.compose(cluster(spec)).status
    assert (found["distribution"], found["nodeImage"]) == ("GKE", {"driver": True, "containerToolkit": False})
