"""Which cluster a kubeconfig reaches, and whose that cluster is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from functions.base import Request
from functions.base.assemble import Desired, assemble
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import cluster, existing, live

CONFIG, REACHABLE, HOLDER = (
    "node-pools/provider-config-kubernetes",
    "node-pools/reachable",
    "node-pools/holder",
)
HELM = "node-pools/provider-config-helm"
TRIED, ANSWERS = "node-pools/provider-config-tried", "node-pools/reachable-tried"
OURS = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
MINE = {"composite": "eu-prod-x7k2p", "claim": "platform/eu-prod"}
THEIRS = {"composite": "other-abcde", "claim": "team-a/other"}


def seen(manifest: Mapping[str, Any], uids: Mapping[str, str], mark: Mapping[str, str]) -> dict[str, Any]:
    """Return an Object as provider-kubernetes 1.3.1 reports it: with what it found in the cluster."""
    if manifest["kind"] != "Object":
        return live(manifest)
    config = manifest["spec"]["providerConfigRef"]["name"]
    found = {"metadata": {"uid": uids["tried" if "tried" in config else "present"]}, "data": dict(mark)}
    return live(manifest, manifest=found)


def play(
    spec: Mapping[str, Any],
    *,
    before: Request | None = None,
    present: str = OURS,
    tried: str = OTHER,
    mark: Mapping[str, str] = MINE,
    status: bool = True,
) -> tuple[Request, Desired]:
    """Play a claim to where nothing changes any more.

    Args:
        spec: of the claim.
        before: the settled claim with the spec of before.
        present: UID that is found through the present ProviderConfig.
        tried: UID that is found through the one that is tried.
        mark: data of the ConfigMap in the cluster.
        status: whether the status of before is there.
    """
    request = cluster(spec, answers={"models": ()})
    if before is not None:
        composite = {**request.composite, "status": before.composite["status"] if status else {}}
        request = replace(request, composite=composite, observed=before.observed)
    for _ in range(10):
        outcome = FUNCTION.compose(request)
        desired = assemble(request, FUNCTION, outcome)
        uids = {"present": present, "tried": tried}
        observed = {n: seen(m, uids, mark) for n, m in desired.manifests.items()}
        recorded = {k: v for k, v in outcome.status.items() if v is not None}
        after = replace(request, composite={**request.composite, "status": recorded}, observed=observed)
        if after == request:
            return request, desired
        request = after
    raise AssertionError("never settled")


FIRST = existing()
CHANGED = existing(kubeconfigSecretRef={"name": "kubeconfig-new"})


def secret(desired: Desired, name: str = CONFIG) -> str:
    return str(desired.manifests[name]["spec"]["credentials"]["secretRef"]["name"])


def test_a_cluster_is_recorded_and_marked() -> None:
    # Proves: the status says which cluster it is, and the mark goes with the claim that made it.
    request, desired = play(FIRST)
    assert request.composite["status"]["clusterUID"] == OURS
    assert "heldBy" not in request.composite["status"]
    mark = desired.manifests[HOLDER]["spec"]
    assert mark["managementPolicies"] == ["Observe", "Create", "Delete"]
    assert mark["forProvider"]["manifest"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": "freehold-holder"},
        "data": MINE,
    }
    assert desired.conditions["Planned"].status.value == "True"
    assert desired.conditions["ControlPlaneReady"].status.value == "True"


def test_the_mark_is_made_and_then_owned() -> None:
    # Proves: whoever has not seen its own mark deletes none; the components wait until it has.
    desired = assemble(request := cluster(FIRST), FUNCTION, FUNCTION.compose(request))
    observed = {n: seen(m, {"present": OURS}, {}) for n, m in desired.manifests.items()}
    second = assemble(request := replace(request, observed=observed), FUNCTION, FUNCTION.compose(request))
    assert second.manifests[HOLDER]["spec"]["managementPolicies"] == ["Observe", "Create"]
    assert not second.ready.get(REACHABLE, False)


@pytest.mark.parametrize("status", [True, False], ids=["recorded", "status lost"])
def test_another_kubeconfig_of_the_same_cluster(status: bool) -> None:
    # Proves: a rotated kubeconfig is taken once it is known to reach the same cluster; what tried it goes.
    before, _ = play(FIRST)
    request, desired = play(CHANGED, before=before, tried=OURS, status=status)
    assert secret(desired) == secret(desired, HELM) == "kubeconfig-new"
    assert not {TRIED, ANSWERS} & set(desired.manifests)
    assert desired.conditions["Planned"].status.value == "True"
    assert request.composite["status"]["clusterUID"] == OURS


@pytest.mark.parametrize("status", [True, False], ids=["recorded", "status lost"])
def test_a_kubeconfig_of_another_cluster(status: bool) -> None:
    # Proves: nothing is applied to the other cluster; what exists is desired as it was; the claim is told.
    before, was = play(FIRST)
    request, desired = play(CHANGED, before=before, status=status)
    for name in before.observed:
        assert desired.manifests[name] == was.manifests[name]
    assert desired.manifests[ANSWERS]["spec"]["managementPolicies"] == ["Observe"]
    planned = desired.conditions["Planned"]
    assert planned.reason == "OtherCluster"
    assert planned.text == (
        "[platform] the kubeconfig in Secret platform/kubeconfig-new reaches another cluster (UID of "
        f"kube-system {OTHER}) than this claim has taken ({OURS}): nothing is changed in either. Restore the "
        "kubeconfig, or claim the other cluster under another name"
    )
    restored, again = play(FIRST, before=request)
    assert again.manifests == was.manifests
    assert set(restored.observed) == set(before.observed)


def test_a_kubeconfig_that_does_not_answer_is_not_taken() -> None:
    # Proves: the kubeconfig of before serves until the new one is known to reach the same cluster.
    before, _ = play(FIRST)
    composite = {**cluster(CHANGED).composite, "status": before.composite["status"]}
    request = replace(before, composite=composite)
    desired = assemble(request, FUNCTION, FUNCTION.compose(request))
    assert secret(desired) == "kubeconfig-eu"
    assert secret(desired, TRIED) == "kubeconfig-new"
    planned = desired.conditions["Planned"]
    assert planned.status.value == "False"
    assert planned.text.endswith(
        "Until the kubeconfig in Secret platform/kubeconfig-new is known to reach this claim's cluster, the "
        "kubeconfig of before is used"
    )


def test_a_secret_that_now_reaches_another_cluster() -> None:
    # Proves: it is told, and nothing new is begun there.
    before, _ = play(FIRST)
    request, desired = play(FIRST, before=before, present=OTHER)
    planned, closed = (desired.conditions[t] for t in ("Planned", "ControlPlaneReady"))
    assert planned.reason == closed.reason == "OtherCluster"
    assert "the providers apply there what they have applied here" in planned.text
    assert "nothing is changed" not in planned.text
    assert closed.text.endswith("reaches another cluster: see the condition Planned")
    assert not desired.ready[REACHABLE]
    assert request.composite["status"]["clusterUID"] == OURS


def test_a_cluster_that_another_claim_has_taken() -> None:
    # Proves: the second claim installs nothing, deletes nobody's mark, takes no Models, and is told whose it is.
    request, desired = play(FIRST, mark=THEIRS)
    assert request.composite["status"]["heldBy"] == "team-a/other"
    assert desired.manifests[HOLDER]["spec"]["managementPolicies"] == ["Observe", "Create"]
    assert not desired.ready[REACHABLE]
    assert desired.conditions["ControlPlaneReady"].reason == "ClusterTaken"
    assert desired.conditions["Planned"].text == (
        "[platform] InferenceCluster team-a/other has taken this cluster, and two claims would own the same "
        "Helm releases: nothing is installed, changed or uninstalled for this claim. Place Models on that "
        "InferenceCluster and delete this claim. Where that one no longer exists, delete ConfigMap "
        "kube-system/freehold-holder in the cluster"
    )


def test_a_cluster_that_comes_free_is_taken() -> None:
    before, _ = play(FIRST, mark=THEIRS)
    request, desired = play(FIRST, before=before)
    assert "heldBy" not in request.composite["status"]
    assert desired.conditions["Planned"].status.value == "True"


def test_a_mark_of_which_nothing_is_observed_stays_as_it_is() -> None:
    # Proves: a lost status of the Object changes nothing.
    before, was = play(FIRST)
    blind = {k: v for k, v in before.observed[HOLDER].items() if k != "status"}
    request = replace(before, observed={**before.observed, HOLDER: blind})
    desired = assemble(request, FUNCTION, FUNCTION.compose(request))
    assert desired.manifests[HOLDER] == was.manifests[HOLDER]
