"""A gateway's load balancer in AWS: what asks for it, and that it goes before the cluster does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.api import contract
from functions.node_pools.compose import FUNCTION
from tests.node_pools.aws.worlds import again, desired, world
from tests.node_pools.requests import aws

TLS = {"tls": {"secretRef": {"name": "models-tls"}}}
TYPE, INTERNAL = (f"service.beta.kubernetes.io/aws-load-balancer-{what}" for what in ("type", "internal"))


def with_gateway(reach: str) -> dict[str, Any]:
    return {**aws(), "gateway": {"host": "models.example.org", "reach": reach, **TLS}}


def service(policies: list[str]) -> dict[str, Any]:
    """Return the live Object of the gateway's Service, as a control plane has it."""
    return {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {"name": "eu-prod-gateway-service", "namespace": "crossplane-system"},
        "spec": {"managementPolicies": policies},
    }


@pytest.mark.parametrize(
    ("reach", "annotations"),
    [("Cluster", None), ("Organisation", {TYPE: "nlb", INTERNAL: "true"}), ("Internet", {TYPE: "nlb"})],
)
def test_how_a_service_gets_its_load_balancer(reach: str, annotations: Any) -> None:
    live = world(with_gateway(reach))
    cloud = FUNCTION.compose(live).status["cloud"]
    assert (cloud.get("serviceAnnotations"), cloud["partition"]) == (annotations, "aws")


def guards(manifests: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return by which object each object is kept, for those that the Service keeps."""
    return {
        (m["spec"]["of"]["kind"], m["spec"]["of"]["resourceRef"]["name"]): m["spec"]["by"]["resourceRef"][
            "name"
        ]
        for name, m in manifests.items()
        if name.endswith("-after-load-balancer")
    }


def test_the_cluster_and_the_way_in_stay_until_the_load_balancer_is_gone() -> None:
    # Proves: what is left of it would cost money, and keep the subnets from going.
    spec = with_gateway("Internet")
    live = world(spec)
    assert guards(desired(live)) == {}
    seen = {**live.observed, contract.GATEWAY_ADDRESS: service(["*"])}
    found = guards(desired(again(live, spec, seen=seen)))
    assert {kind for kind, _ in found} == {"Cluster", "ClusterAuth", "ProviderConfig"}
    assert set(found.values()) == {"eu-prod-gateway-service"}


def test_a_service_inside_of_the_cluster_keeps_nothing() -> None:
    spec = with_gateway("Cluster")
    live = world(spec)
    seen = {**live.observed, contract.GATEWAY_ADDRESS: service(["Observe", "Create", "Update"])}
    assert guards(desired(again(live, spec, seen=seen))) == {}


def test_a_gateway_that_is_taken_away_keeps_nothing() -> None:
    spec = with_gateway("Internet")
    live = world(spec)
    seen = {**live.observed, contract.GATEWAY_ADDRESS: service(["*"])}
    made = desired(again(live, spec, seen=seen))
    gone = {**live.observed, **{n: m for n, m in made.items() if n.endswith("-after-load-balancer")}}
    assert guards(gone)
    assert guards(desired(again(live, aws(), seen=gone))) == {}


def test_a_service_that_is_asked_for_and_unseen_frees_nothing() -> None:
    # Proves: a Service that a look at the cluster has missed does not let the cluster go before it.
    spec = with_gateway("Internet")
    live = world(spec)
    made = desired(again(live, spec, seen={**live.observed, contract.GATEWAY_ADDRESS: service(["*"])}))
    unseen = {**live.observed, **{n: m for n, m in made.items() if n.endswith("-after-load-balancer")}}
    assert guards(desired(again(live, spec, seen=unseen))).keys() == guards(made).keys()
