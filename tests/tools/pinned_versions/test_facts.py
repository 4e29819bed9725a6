"""The charts that Freehold pins, by the facts that are kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.catalog import chart
from functions.cluster_stack.component import Component
from functions.cluster_stack.registry import COMPONENTS
from tools.pinned_versions.facts import ANY, OPEN, ChartFacts, chart_facts, unknown
from tools.pinned_versions.pod_security import LEVELS
from tools.pinned_versions.releases import Asked, releases

ASKED = releases()
COMPONENT = pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.name)

UNOBSERVED = {
    ("node-feature-discovery", "Deployment", "node-feature-discovery-gc"): (
        "it deletes what is left of nodes that are gone; labels come without it"
    ),
}
"""Workloads of charts that no condition looks at, and why."""

RUNS_MORE = {
    "gpu-operator": "the operator makes privileged pods on every GPU node, which no template of its chart has"
}
"""Components whose namespaces need a looser level than the pods of their charts, and why."""


def facts_of(component: Component) -> ChartFacts:
    return chart_facts(chart(component.name).name)


@COMPONENT
def test_a_pin_is_the_version_that_the_chart_has_inside(component: Component) -> None:
    # Proves: provider-helm, which compares the two as strings, finds a Release up to date once installed.
    pinned, facts = chart(component.name), facts_of(component)
    assert (pinned.name, pinned.version) == (facts.chart, facts.version)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.example}-{asked.component}")
def test_a_chart_knows_every_value_that_it_is_given(asked: Asked) -> None:
    # Proves: for every example. Helm itself drops a value that no template reads, without a word.
    assert unknown(asked.values, chart_facts(asked.chart)) == []


def test_examples_install_every_component() -> None:
    assert {asked.component for asked in ASKED} == {component.name for component in COMPONENTS}


@COMPONENT
def test_what_is_observed_is_what_the_chart_installs(component: Component) -> None:
    # Proves: by kind and name; and that no long-lived workload of a chart may fail unseen.
    workloads = {(w.kind, w.name) for w in facts_of(component).workloads if not w.hook}
    observed = {
        (str(what.target["kind"]), str(what.target["metadata"]["name"]))
        for what in component.observed
        if what.target["apiVersion"] == "apps/v1"
    }
    excused = {(kind, name) for of, kind, name in UNOBSERVED if of == component.name}
    assert observed | excused == workloads
    assert not observed & excused


@COMPONENT
def test_a_namespace_admits_every_pod_of_its_chart(component: Component) -> None:
    # Proves: with the strictest level that does, hooks included.
    own = component.namespace.pod_security
    needed = min((LEVELS.index(w.pod_security) for w in facts_of(component).workloads), default=0)
    if own is None:
        assert component.namespace.name == "kube-system", "only Kubernetes' own has no level of ours"
    elif component.name in RUNS_MORE:
        assert own is LEVELS[0]
    else:
        assert own is LEVELS[needed]


@COMPONENT
def test_images_are_pinned(component: Component) -> None:
    images = facts_of(component).images
    assert images
    assert [image for image in images if ":" not in image.rpartition("/")[2] and "@" not in image] == []


KNOWN = ChartFacts(
    chart="c",
    version="1",
    source="",
    values={
        "replicas": "number",
        "image": "map",
        "image.tag": "string",
        "resources": OPEN,
        "config": ANY,
        "list": "list",
    },
)


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        pytest.param({"replicas": 2, "image": {"tag": "v1"}, "list": []}, [], id="known"),
        pytest.param({"resources": {"limits": {"cpu": 1}}, "config": {"a": [1]}}, [], id="passed-on"),
        pytest.param({"image": {"tga": "v1"}}, ["image.tga: the chart has no such value"], id="typo-below"),
        pytest.param({"replica": 2}, ["replica: the chart has no such value"], id="typo"),
        pytest.param({"replicas": "2"}, ["replicas: string, and the chart has number"], id="another-type"),
        pytest.param({"image": "v1"}, ["image: string, and the chart has map"], id="no-map"),
        pytest.param({"list": {"a": 1}}, ["list: map, and the chart has list"], id="no-list"),
        pytest.param({"resources": []}, ["resources: list, and the chart has open map"], id="no-open-map"),
    ],
)
def test_values_that_a_chart_does_not_know(given: Mapping[str, Any], problems: list[str]) -> None:
    assert unknown(given, KNOWN) == problems
