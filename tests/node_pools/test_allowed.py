"""Claims outside the listed namespaces get no kubeconfig, no cloud account and not the control plane's cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.api import Cloud, contract
from functions.base import Invalid
from functions.base.assemble import Desired, assemble
from functions.node_pools.compose import FUNCTION
from functions.node_pools.registry import PLACES as REGISTRY
from tests.node_pools.requests import aws, cluster, existing, lives, settled

TEAM = {"namespace": "team-a", "name": "mine"}
CONTROL_PLANE = existing(kubeconfigSecretRef=None, controlPlane={})
RESEARCH = {"kind": "ProviderConfig", "name": "research"}
PLACES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "kubeconfig": (existing(), "KubeconfigNotAllowed", {"kubeconfigNamespaces": ["team-a"]}),
    "control plane": (CONTROL_PLANE, "ControlPlaneNotAllowed", {"controlPlaneNamespaces": ["x", "team-*"]}),
    "default account": (
        aws(),
        "ProviderConfigNotAllowed",
        {"providerConfigs": [{"cloud": "aws", "name": "default", "namespaces": ["team-a"]}]},
    ),
    "account": (
        aws(providerConfigRef=RESEARCH),
        "ProviderConfigNotAllowed",
        {"providerConfigs": [{"cloud": "aws", **RESEARCH, "namespaces": ["*-a"]}]},
    ),
}
"""What is asked for, why it is refused by the shipped input, and the input that allows it."""


def composed(spec: Mapping[str, Any], **more: Any) -> Desired:
    request = cluster(spec, **more)
    return assemble(request, FUNCTION, FUNCTION.compose(request))


def refused(spec: Mapping[str, Any], **more: Any) -> str:
    """Return what a claim is told that gets nothing."""
    desired = composed(spec, **more)
    assert desired.manifests == {}
    assert desired.conditions["Planned"].status.value == "False"
    return desired.conditions["Planned"].text


@pytest.mark.parametrize("name", PLACES)
def test_a_tenant_gets_nothing_but_the_reason(name: str) -> None:
    spec, reason, _ = PLACES[name]
    assert refused(spec, claim=TEAM)
    assert composed(spec, claim=TEAM).conditions["Planned"].reason == reason


@pytest.mark.parametrize("name", PLACES)
def test_a_listed_namespace_gets_the_cluster(name: str) -> None:
    spec, _, given = PLACES[name]
    assert composed(spec, claim=TEAM, given=given).manifests


@pytest.mark.parametrize("name", PLACES)
def test_no_list_is_nobody(name: str) -> None:
    """An input of a platform team's own that forgets the lists opens nothing, not even to `platform`."""
    empty: dict[str, Any] = {"providerConfigs": [], "kubeconfigNamespaces": [], "controlPlaneNamespaces": []}
    assert refused(PLACES[name][0], given=empty)


@pytest.mark.parametrize("pattern", ["team-?", "team-[ab]", "!team"])
@pytest.mark.parametrize("lists", ["kubeconfigNamespaces", "controlPlaneNamespaces"])
def test_a_wildcard_that_nobody_documented_is_refused(lists: str, pattern: str) -> None:
    with pytest.raises(Invalid, match=rf"input\.{lists}\[0\]: name namespaces; '\*' alone stands for any"):
        composed(existing(), claim=TEAM, given={lists: [pattern]})


@pytest.mark.parametrize("name", PLACES)
def test_a_composite_without_a_claim_may_have_any(name: str) -> None:
    """Only administrators can create one."""
    assert composed(PLACES[name][0], claim={}).manifests


@pytest.mark.parametrize("name", PLACES)
def test_a_shorter_list_takes_nothing_away(name: str) -> None:
    spec, reason, given = PLACES[name]
    live, _ = settled(FUNCTION, spec, claim=TEAM, given=given)
    later = cluster(spec, claim=TEAM, observed=live.observed, status=live.composite["status"])
    desired = assemble(later, FUNCTION, FUNCTION.compose(later))
    assert set(desired.manifests) == set(live.observed)
    assert desired.conditions["Planned"].reason == reason


@pytest.mark.parametrize("name", PLACES)
def test_a_shorter_list_leaves_the_guards_to_the_models(name: str) -> None:
    # Proves: a cluster whose namespace is no longer listed cannot be deleted under Models placed since.
    spec, _, given = PLACES[name]
    live, _ = settled(FUNCTION, spec, claim=TEAM, given=given)
    record = {
        "metadata": {"name": "placed", "labels": {contract.NODE_POOL: "l4", contract.RECORD_GPUS: "1"}},
        "data": {contract.RECORD_MODEL_KEY: "team-b/model"},
    }
    more: dict[str, Any] = {"claim": TEAM, "status": live.composite["status"]}
    guarded = composed(spec, observed=live.observed, answers={"models": (record,)}, **more).manifests
    guards = {"node-pools/in-use", "node-pools/claim-in-use"}
    assert set(guarded) - set(live.observed) == guards
    assert "team-b/model" in guarded["node-pools/in-use"]["spec"]["reason"]
    seen = {**live.observed, **{name: guarded[name] for name in guards}}
    assert not guards & set(composed(spec, observed=seen, answers={"models": ()}, **more).manifests)


def test_the_input_can_list_every_cloud() -> None:
    """A cloud that no list can name would be nobody's, and one without a list everybody's."""
    assert {place.name for place in REGISTRY} == {"existing", *Cloud}


def test_the_shipped_input_serves_the_platform_namespace() -> None:
    assert lives(FUNCTION, existing())
    assert composed(aws()).manifests
    assert "controlPlane" in refused(CONTROL_PLANE)
    assert "ProviderConfig research" in refused(aws(providerConfigRef=RESEARCH))


def test_a_name_that_only_begins_like_a_listed_one_is_another() -> None:
    assert refused(existing(), claim={"namespace": "platform-2", "name": "x"})


def test_a_configuration_is_its_kind_and_name() -> None:
    """A ProviderConfig of the same name may be another account."""
    allowed = {"providerConfigs": [{"cloud": "aws", **RESEARCH, "namespaces": ["team-a"]}]}
    other = aws(providerConfigRef={"kind": "ClusterProviderConfig", "name": "research"})
    assert refused(other, claim=TEAM, given=allowed)


def test_the_refusal_says_which_rule_and_whom_to_ask() -> None:
    assert refused(existing(), claim=TEAM) == (
        "[platform] namespace team-a may not bring a kubeconfig (spec.existing.kubeconfigSecretRef): "
        "kubeconfigNamespaces of function-node-pools' input, in Composition inferencecluster, does not list it. "
        "Ask the platform team to list team-a there, or to claim the cluster in their own namespace and to "
        "admit team-a in its spec.allowedNamespaces. Nothing that exists is changed"
    )


def test_the_refusal_names_the_accounts_that_are_open() -> None:
    given = {"providerConfigs": [{"cloud": "aws", **RESEARCH, "namespaces": ["team-a"]}]}
    assert refused(aws(), claim=TEAM, given=given) == (
        "[platform] namespace team-a may not use ClusterProviderConfig default (spec.aws.providerConfigRef): "
        "providerConfigs of function-node-pools' input, in Composition inferencecluster, does not list it for "
        "that. Ask the platform team to list team-a there, or to claim the cluster in their own namespace and "
        "to admit team-a in its spec.allowedNamespaces. A new claim there may name ProviderConfig research. "
        "Nothing that exists is changed"
    )
