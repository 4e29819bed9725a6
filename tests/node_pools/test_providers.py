"""Where a provider is not installed the claim says which, and nothing is composed that could not be applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.base import Condition, Request
from functions.base.assemble import Desired, assemble
from functions.catalog import providers
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster, existing, settled

KUBERNETES, HELM, EKS, EC2 = (
    "kubernetes.m.crossplane.io",
    "helm.m.crossplane.io",
    "eks.aws.m.upbound.io",
    "ec2.aws.m.upbound.io",
)


def answered(request: Request, *missing: str) -> Request:
    """The request once Crossplane has said which kinds it knows."""
    FUNCTION.compose(request)
    kinds = {key: version.partition("/")[0] not in missing for key, (version, _) in _asked(request).items()}
    return replace(request, kinds=kinds, required_kinds={})


def _asked(request: Request) -> dict[str, tuple[str, str]]:
    return request.required_kinds


def decided(request: Request) -> Desired:
    return assemble(request, FUNCTION, FUNCTION.compose(request))


def groups(request: Request) -> set[str]:
    FUNCTION.compose(request)
    return {version.partition("/")[0] for version, _ in request.required_kinds.values()}


def test_one_kind_of_each_package_is_asked_for() -> None:
    request = cluster(existing())
    FUNCTION.compose(request)
    assert sorted(request.required_kinds.values()) == [
        ("helm.m.crossplane.io/v1beta1", "ProviderConfig"),
        ("kubernetes.m.crossplane.io/v1alpha1", "ProviderConfig"),
    ]
    assert {KUBERNETES, HELM, EKS, EC2} < groups(cluster(aws()))


def test_every_provider_that_a_cloud_needs_is_known() -> None:
    # Proves: no composed kind goes without somebody to name for it.
    request = cluster(aws())
    kinds = {str(r.manifest["apiVersion"]) for r in FUNCTION.compose(request).resources if r.manifest}
    ours = {"v1", "protection.crossplane.io/v1beta1"}
    assert {version.partition("/")[0] for version in kinds - ours} <= set(providers())


@pytest.mark.parametrize("spec", [aws(), existing()], ids=["aws", "existing"])
def test_nothing_is_asked_for_once_it_lives(spec: dict[str, Any]) -> None:
    # Proves: a cluster at rest carries no schemas around.
    live, _ = settled(FUNCTION, spec)
    assert groups(live) == set()


def test_all_installed_changes_nothing() -> None:
    request = cluster(aws())
    assert decided(answered(request)).manifests == decided(request).manifests


def test_a_missing_provider_is_named() -> None:
    request = answered(cluster(existing()), HELM)
    desired = decided(request)
    assert set(desired.manifests) == {"node-pools/offer", "node-pools/provider-config-kubernetes"}
    condition = desired.conditions["ControlPlaneReady"]
    assert (condition.status.value, condition.reason) == ("False", "ProviderMissing")
    assert condition.text == (
        "[platform] install provider-helm 1.3.0 or newer "
        "(xpkg.crossplane.io/crossplane-contrib/provider-helm): the control plane does not know its kinds. "
        "Where it is installed already, activate them in a ManagedResourceActivationPolicy"
    )


def test_all_missing_providers_are_named_at_once() -> None:
    # Proves: nobody installs one package only to learn of the next.
    desired = decided(answered(cluster(aws()), *providers()))
    assert set(desired.manifests) == {"node-pools/offer"}
    assert desired.conditions["NetworkReady"].reason == "ProviderMissing"
    assert "provider-aws-ec2 2.6.0" in desired.conditions["NetworkReady"].message
    said = desired.conditions["ControlPlaneReady"].message
    assert all(f"provider-{name} " in said for name in ("aws-eks", "aws-iam", "helm", "kubernetes"))
    assert desired.conditions["NodePoolsReady"].reason == "ProviderMissing"
    assert isinstance(desired.conditions["Planned"], Condition)
    assert desired.conditions["Planned"].status.value == "True"


def test_what_lives_is_never_held_back() -> None:
    live, _ = settled(FUNCTION, aws())
    without = replace(live, kinds=dict.fromkeys(answered(cluster(aws())).kinds, False))
    assert set(decided(without).manifests) == set(live.observed)


def test_the_rest_goes_on_without_one() -> None:
    # Proves: a missing package stops what it brings and what waits for that, nothing else.
    desired = decided(answered(cluster(aws()), EKS))
    assert "node-pools/vpc" in desired.manifests
    assert desired.conditions["NetworkReady"].reason == "Creating"
    assert desired.conditions["ControlPlaneReady"].reason == "ProviderMissing"
