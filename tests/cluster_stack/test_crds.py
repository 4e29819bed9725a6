"""CRDs of charts: which are upgraded, and a live chart that waits for those of the next."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import contract
from functions.base import Request
from functions.base.assemble import Desired, assemble
from functions.catalog import chart
from functions.cluster_stack.compose import FUNCTION
from functions.cluster_stack.registry import COMPONENTS
from tests.cluster_stack.stack import (
    ACCESS,
    AGENT_ALL,
    ALWAYS,
    EXISTING,
    NFD,
    REACHABLE,
    composed,
    live,
    pool,
    request,
)
from tools.pinned_versions.facts import chart_facts

CRDS = f"{NFD}-crds"
KNOWN = chart("node-feature-discovery")
BEFORE = "0.18.3"
OWN_WAYS = {
    "gpu-operator": "its chart upgrades them (operator.upgradeCRD)",
    "gateway": "they are shared with other gateways of a cluster: docs/components.md says who upgrades them",
}
"""Components whose charts have CRDs that the agent leaves alone, and why."""


def test_every_chart_with_crds_has_them_upgraded() -> None:
    # Proves: a chart that gets CRDs one day is not forgotten.
    with_crds = {c.name for c in COMPONENTS if chart_facts(chart(c.name).name).crds}
    assert {c.name for c in COMPONENTS if c.upgrades_crds} | set(OWN_WAYS) == with_crds


def test_the_upgrade_is_of_the_releases_own_chart() -> None:
    # Proves: the mirror, version and pull secret of the input, from where provider-helm takes them.
    given = {
        "nodeFeatureDiscovery": {
            "repository": "oci://mirror.example.org/charts",
            "version": "0.20.0",
            "pullSecretRef": {"name": "charts"},
        }
    }
    access = {**ACCESS, "helmNamespace": "platform"}
    made = composed(EXISTING, given=given, access=access)
    assert made[CRDS] == {
        "apiVersion": "agent.freehold.dev/v1alpha1",
        "kind": "CRDUpgrade",
        "metadata": {"name": made[CRDS]["metadata"]["name"], "namespace": "crossplane-system"},
        "spec": {
            "chart": {
                "repository": "oci://mirror.example.org/charts",
                "name": "node-feature-discovery",
                "version": "0.20.0",
            },
            "pullSecretRef": {"namespace": "platform", "name": "charts"},
            "providerConfigRef": {"kind": "ProviderConfig", "name": ACCESS["kubernetesProviderConfig"]},
        },
    }
    assert made[NFD]["spec"]["forProvider"]["chart"]["version"] == "0.20.0"
    assert "pullSecretRef" not in composed()[CRDS]["spec"]


def installed(
    present: str = BEFORE,
    upgrade: dict[str, Any] | None = None,
    *,
    unready: list[str] | None = None,
    given: dict[str, Any] | None = None,
    known: bool = True,
) -> Request:
    """Return a run over a cluster whose components work; Node Feature Discovery's chart is of a version.

    Args:
        present: that version.
        upgrade: status of its CRDUpgrade; None: there is no CRDUpgrade.
        unready: what does not work.
        given: the function's input.
        known: whether the control plane knows the kind.
    """
    asked = request(
        EXISTING,
        ready=[REACHABLE, *(n for n in [*ALWAYS, *AGENT_ALL] if n not in (unready or []))],
        unready=unready or [],
        given=given,
    )
    asked.kinds = {"agent.freehold.dev/v1alpha1/CRDUpgrade": known}
    outcome = FUNCTION.compose(asked)
    found = {r.name: {**(r.manifest or {}), **live(r.name not in (unready or []))} for r in outcome.resources}
    found = {n: f for n, f in found.items() if n in asked.observed}
    for name in (NFD,):
        manifest = composed(EXISTING)[name]
        provided = {**manifest["spec"]["forProvider"], "chart": {"name": KNOWN.name, "version": present}}
        spec = {**manifest["spec"], "forProvider": {**provided, "values": {"old": True}}}
        metadata = {**manifest["metadata"], "managedFields": [_ours(spec)]}
        found[name] = {**manifest, "metadata": metadata, "spec": spec, "status": found[name]["status"]}
    if upgrade is not None:
        made = composed(EXISTING)[CRDS]
        found[CRDS] = {**made, "metadata": {**made["metadata"], "generation": 2}, "status": upgrade}
    asked.observed = found
    return asked


def _ours(spec: dict[str, Any]) -> dict[str, Any]:
    """Return what core says of the fields that it has applied."""

    def fields(node: Any) -> Any:
        return {f"f:{key}": fields(value) for key, value in node.items()} if isinstance(node, dict) else {}

    return {
        "manager": "apiextensions.crossplane.io/composed/abc",
        "operation": "Apply",
        "apiVersion": "helm.m.crossplane.io/v1beta1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields(spec)},
    }


def of(asked: Request) -> tuple[Desired, str]:
    """Return what is desired, and the condition as a line."""
    desired = assemble(asked, FUNCTION, FUNCTION.compose(asked))
    condition = desired.conditions["ComponentsReady"]
    return desired, f"{condition.status.value} {condition.reason}: {condition.text}"


def version(desired: Desired) -> Any:
    provided = desired.manifests[NFD]["spec"]["forProvider"]
    return provided["chart"]["version"], provided.get("values", {}).get("old")


OLD = (BEFORE, True)
"""The chart of before, with the values of before: new ones may be none of the old chart's."""
APPLIED = {"name": KNOWN.name, "version": KNOWN.version, "crds": ["a"]}


def said(status: str, message: str = "", generation: int = 2, **more: Any) -> dict[str, Any]:
    conditions = [{"type": "Synced", "status": status, "reason": "Refused", "message": message}]
    return {"observedGeneration": generation, "conditions": conditions, **more}


def test_a_live_chart_waits_for_the_crds_of_the_next() -> None:
    # Proves: nothing of the Release changes until they are applied, the cluster stays ready, and it is told.
    desired, told = of(installed(upgrade={}))
    assert version(desired) == OLD
    assert desired.manifests[CRDS]["spec"]["chart"]["version"] == KNOWN.version
    assert told == (
        "True Updating: Node Feature Discovery stays at chart 0.18.3: the agent has not upgraded the CRDs to those "
        f"of chart {KNOWN.version} yet: if this lasts, look why Deployment freehold-agent in namespace "
        "crossplane-system of the control plane does not run. As before, Node Feature Discovery, the GPU Operator "
        "and the agent run"
    )
    desired, told = of(installed(upgrade=said("True", applied=APPLIED)))
    assert version(desired) == (KNOWN.version, None)
    assert told.startswith(("True Available", "True Updating: Node Feature Discovery, the GPU Operator")), (
        told
    )


@pytest.mark.parametrize(
    ("upgrade", "words"),
    [
        pytest.param(
            said("False", "the cluster refuses CRD a (422: no). "),
            "True UpdateFailing: [platform] Node Feature Discovery stays at chart 0.18.3: the CRDs of chart "
            f"{KNOWN.version} are not in the cluster: the cluster refuses CRD a (422: no). As before, ",
            id="refused",
        ),
        pytest.param(
            said("False", "of the chart before", generation=1),
            "the agent has not upgraded the CRDs to those of chart",
            id="not-looked-at-yet",
        ),
        pytest.param(
            said("True", applied={**APPLIED, "version": BEFORE}),
            "the agent has not upgraded the CRDs to those of chart",
            id="those-of-before",
        ),
    ],
)
def test_it_says_what_it_waits_for(upgrade: dict[str, Any], words: str) -> None:
    desired, told = of(installed(upgrade=upgrade))
    assert version(desired) == OLD
    assert words in told


def test_without_the_kind_it_is_told_what_to_apply() -> None:
    # Proves: a kind that is not known is not composed, since core would then apply nothing at all.
    desired, told = of(installed(known=False))
    assert CRDS not in desired.manifests
    assert version(desired) == OLD
    assert "nothing upgrades the CRDs" in told
    assert "apply package/install.yaml of this version to the control plane" in told
    fresh = request(EXISTING, ready=[REACHABLE])
    fresh.kinds = {"agent.freehold.dev/v1alpha1/CRDUpgrade": False}
    assert CRDS not in {r.name for r in FUNCTION.compose(fresh).resources}


def test_what_does_not_change_its_version_waits_for_nobody() -> None:
    # Proves: values arrive without an agent, and a first installation does.
    desired, told = of(installed(KNOWN.version, upgrade={}))
    assert version(desired) == (KNOWN.version, None)
    assert "stays at chart" not in told
    first = request(EXISTING, ready=[REACHABLE, *contract.ORDER_OF_DELETION, f"{NFD}-namespace"])
    assert NFD in assemble(first, FUNCTION, FUNCTION.compose(first)).manifests


def test_who_upgrades_crds_by_hand_is_not_waited_for() -> None:
    given = {"nodeFeatureDiscovery": {"upgradeCRDs": False}}
    desired, told = of(installed(upgrade={}, given=given))
    assert version(desired) == (KNOWN.version, None)
    assert CRDS not in desired.manifests
    assert "stays at chart" not in told


def test_what_does_not_work_is_told_first() -> None:
    desired, told = of(installed(upgrade=said("False", "no"), unready=[f"{NFD}-daemonset"]))
    assert version(desired) == OLD
    assert told.startswith("False Creating: [infrastructure] DaemonSet node-feature-discovery"), told
    assert "Node Feature Discovery stays at chart 0.18.3: " in told
    assert "Look at the pods" in told


def test_it_goes_with_its_component() -> None:
    # Proves: LeaderWorkerSet stays; of a composite whose component goes, the upgrade goes too.
    lws = "cluster-stack/leader-worker-set"
    asked = request(EXISTING, pools=[pool()], ready=[REACHABLE, f"{lws}-crds"])
    assert f"{lws}-crds" in FUNCTION.compose(asked).gone
