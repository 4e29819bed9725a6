"""What holds of every component, and so of the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.api import Autoscaler, CloudFacts, Distribution, Gateway, NodeImage, PoolStatus
from functions.catalog import chart
from functions.cluster_stack.component import Component
from functions.cluster_stack.facts import Facts
from functions.cluster_stack.input import ClusterStackInput
from functions.cluster_stack.leaving import names
from functions.cluster_stack.registry import AUXILIARIES, COMPONENTS
from functions.cluster_stack.render import auxiliary_names
from tests.cluster_stack.stack import pool, shared

COMPONENT = pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.name)
TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}


def pools(*given: dict[str, Any]) -> tuple[PoolStatus, ...]:
    return tuple(PoolStatus.model_validate(each) for each in given)


def _gateway(host: str) -> Gateway:
    return Gateway.model_validate({"host": host, "tls": {"issuerRef": {"name": "own"}}})


LARGE = pool("h100", gpusPerNode=8, fabric={"resource": "vpc.amazonaws.com/efa", "perNode": 32})
MIG = pool("a100", sharing=shared("MIG", 7, "nvidia.com/mig-1g.10gb"))
FACTS = Facts(
    cloud=CloudFacts(name="aws", region="eu-central-1", partition="aws"),
    node_image=NodeImage(driver=True, container_toolkit=True),
    distribution=Distribution.OTHER,
    kubernetes="1.35",
    pools=pools(LARGE, MIG),
    autoscaler=Autoscaler(cloud="aws", cluster_name="eu-prod", region="eu-central-1"),
    gateway=_gateway("models.example.org"),
)
"""Of a cluster that wants every component."""

OTHERWISE: dict[str, Any] = {
    "cloud": CloudFacts(name="aws", region="us-gov-west-1", partition="aws-us-gov"),
    "node_image": NodeImage(driver=False, container_toolkit=False),
    "distribution": Distribution.GKE,
    "kubernetes": "1.36",
    "pools": pools({**LARGE, "taints": [TAINT]}, MIG),
    "autoscaler": Autoscaler(cloud="aws", cluster_name="eu-test", region="eu-central-1"),
    "gateway": _gateway("models.example.com"),
}

DEPENDS: dict[str, set[str]] = {
    "node-feature-discovery": {"pools"},
    "gpu-operator": {"node_image", "distribution", "pools"},
    "cluster-autoscaler": {"kubernetes", "autoscaler"},
    "efa-device-plugin": {"cloud", "pools"},
    "leader-worker-set": set(),
    "gateway": set(),
}
"""The facts that a component's values follow. Helm upgrades a release when a value changes."""


@COMPONENT
def test_values_change_with_what_a_component_needs_and_nothing_else(component: Component) -> None:
    assert component.wanted(FACTS)
    before = component.values(FACTS)
    changes = {
        field
        for field, value in OTHERWISE.items()
        if component.values(replace(FACTS, **{field: value})) != before
    }
    assert changes == DEPENDS[component.name]


def test_whose_nodes_they_are_decides_whether_mig_may_reboot_them() -> None:
    # The one way in which the GPU Operator's values follow the cloud: that there is one.
    [operator] = [c for c in COMPONENTS if c.name == "gpu-operator"]
    assert operator.values(FACTS) != operator.values(replace(FACTS, cloud=None))


@COMPONENT
def test_a_component_comes_after_what_it_names(component: Component) -> None:
    before = [c.name for c in COMPONENTS[: COMPONENTS.index(component)]]
    assert set(component.after) <= set(before)


def test_no_two_components_meet() -> None:
    # Names in the composition, namespaces of their own, charts, and labels in messages.
    composed = [name for component in COMPONENTS for name in names(component)]
    composed += [name for each in AUXILIARIES for name in auxiliary_names(each)]
    assert len(composed) == len(set(composed))
    namespaces = [*(c.namespace for c in COMPONENTS), *(each.namespace for each in AUXILIARIES)]
    own = [namespace.name for namespace in namespaces if namespace.pod_security is not None]
    assert len(own) == len(set(own))
    assert (
        len({chart(c.name).name for c in COMPONENTS}) == len({c.label for c in COMPONENTS}) == len(COMPONENTS)
    )


def test_the_input_has_a_field_for_each() -> None:
    fields = [*(component.field for component in COMPONENTS), *(each.name for each in AUXILIARIES)]
    assert list(ClusterStackInput.model_fields) == fields
    assert all(field.description for field in ClusterStackInput.model_fields.values())


@COMPONENT
def test_something_says_that_it_works(component: Component) -> None:
    # Helm is done once the API server has taken the manifests.
    assert component.observed
