"""CRDs of a chart that Helm never upgrades: upgraded by the agent, before provider-helm upgrades the chart."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from functions.catalog import chart
from tests.e2e.compositions import changed
from tests.e2e.conftest import Plane
from tests.e2e.gpu_operator import GPUOperator, bury
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, reconcile, refreshed, told, wait_ready
from tests.e2e.workload import clear, existing, wait_told
from tools.control_plane import charts, extensions, registry
from tools.control_plane.agent import NAME as AGENT
from tools.control_plane.api import Api, condition
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest

COMPONENT = "node-feature-discovery"
PINNED = chart(COMPONENT).version
CRD = "nodefeatures.nfd.k8s-sigs.io"
DEFINITIONS = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NODE = gpu_node("crds-1", "g6.xlarge", zone="a")
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 1, "max": 1}}
KEPT = {
    "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
    "kind": "NodeFeature",
    "metadata": {"name": "kept", "namespace": "default"},
    "spec": {"labels": {"example.org/a": "b"}},
}
"""An object of the kind, as Node Feature Discovery's workers make them."""
MINUTE = 60


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    """A cluster, Ready. Tests here go on from one another."""
    with joined(control_plane.api, [NODE]), GPUOperator(control_plane.api):
        claim = existing(control_plane, "crds", [POOL])
        yield wait_ready(control_plane.api, claim, seconds=120)
        clear(control_plane.api, claim)
        bury(control_plane.api)


def publish(plane: Plane, version: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Put the component's chart into the registry under a version, with one of its CRDs changed."""
    crds = copy.deepcopy(extensions.crds_of(COMPONENT))
    change(crds[CRD])
    archive = charts.packed(COMPONENT, charts.files(COMPONENT, crds, version))
    charts.put(registry.at(plane.layout), COMPONENT, archive, version)


@contextmanager
def asked(plane: Plane, claim: Manifest, version: str) -> Iterator[None]:
    """Have a platform team ask for a version of the chart."""
    with changed(plane, "inferencecluster", "cluster-stack", {"nodeFeatureDiscovery": {"version": version}}):
        reconcile(plane, claim)
        yield
    reconcile(plane, claim)


def labelled(crd: dict[str, Any]) -> None:
    """Change a CRD as a newer version may: with a field more."""
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["more"] = {"type": "string"}


def without_its_version(crd: dict[str, Any]) -> None:
    """Change a CRD as one that no longer has the only version there was."""
    crd["spec"]["versions"][0]["name"] = "v2"


def not_valid(crd: dict[str, Any]) -> None:
    """Change a CRD as no API server takes it."""
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"] = "string"


def of(api: Api, claim: Manifest, name: str) -> Manifest:
    """Return a composed resource by its name in the composition."""
    [found] = [r for r in composed(api, claim) if r["metadata"]["annotations"][RESOURCE_NAME] == name]
    return found


def chart_of(api: Api, claim: Manifest) -> str:
    """Return the version of the chart that provider-helm is asked for."""
    release = of(api, claim, f"cluster-stack/{COMPONENT}")
    return str(release["spec"]["forProvider"]["chart"]["version"])


def deployed(api: Api, claim: Manifest, version: str) -> None:
    """Return once Helm has installed a version, and the cluster is Ready.

    provider-helm calls a Release that it has just upgraded not Ready, and looks again ten minutes later.
    """

    def has() -> bool:
        release = of(api, claim, f"cluster-stack/{COMPONENT}")
        if release["status"].get("atProvider", {}).get("version") != version:
            return False
        if condition(release, "Ready").get("status") != "True":
            api.patch(release, {"metadata": {"annotations": {"example.org/look": str(time.time_ns())}}})
        return bool(condition(release, "Ready").get("status") == "True")

    wait_for(f"chart {version}", has, MINUTE)
    wait_ready(api, claim, seconds=MINUTE)


def definition(api: Api) -> Manifest:
    return api.get(*DEFINITIONS, CRD)


def says(api: Api) -> str:
    """Return which chart the CRD says it is of."""
    return chart_of_crd(api, CRD)


def chart_of_crd(api: Api, name: str) -> str:
    """Return which chart a CRD says it is of: name and version."""
    annotations = api.get(*DEFINITIONS, name)["metadata"].get("annotations", {})
    return str(annotations.get("agent.freehold.dev/chart", ""))


def has_more(api: Api) -> bool:
    [version] = definition(api)["spec"]["versions"]
    return "more" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def test_the_crds_of_the_first_version_are_the_agents(api: Api, cluster: Manifest) -> None:
    """Whoever installed them; as they are now, which is real."""
    wait_for("the CRD to be the agent's", lambda: says(api) == f"{COMPONENT} {PINNED}", MINUTE)
    managers = {entry["manager"] for entry in definition(api)["metadata"]["managedFields"]}
    assert "freehold-agent-crds" in managers
    upgrade = of(api, cluster, f"cluster-stack/{COMPONENT}-crds")
    assert upgrade["status"]["applied"]["version"] == PINNED
    assert CRD in upgrade["status"]["applied"]["crds"]


def test_a_newer_chart_waits_for_its_crds_and_gets_them(
    control_plane: Plane, api: Api, cluster: Manifest
) -> None:
    """Without the agent nothing changes, and the claim says why; with it the CRD comes before the chart."""
    kept = api.create(KEPT)
    publish(control_plane, "0.20.0", labelled)
    process = control_plane.processes.all()[AGENT]
    control_plane.processes.stop(AGENT)
    try:
        with changed(
            control_plane,
            "inferencecluster",
            "cluster-stack",
            {"nodeFeatureDiscovery": {"version": "0.20.0"}},
        ):
            reconcile(control_plane, cluster)
            wait_told(
                api, cluster, f"ComponentsReady=True Updating: Node Feature Discovery stays at chart {PINNED}"
            )
            assert condition(refreshed(api, cluster), "Ready")["status"] == "True"
            assert chart_of(api, cluster) == PINNED
            assert not has_more(api)
            control_plane.processes.start(AGENT, process.command, process.environment)
            wait_for("the CRD of the chart", lambda: says(api) == f"{COMPONENT} 0.20.0", MINUTE)
            wait_for("the chart", lambda: chart_of(api, cluster) == "0.20.0", MINUTE)
            deployed(api, cluster, "0.20.0")
            assert has_more(api)
            assert refreshed(api, kept)["metadata"]["uid"] == kept["metadata"]["uid"]
            assert refreshed(api, kept)["spec"]["labels"] == KEPT["spec"]["labels"]  # type: ignore[index]
            # The new schema counts.
            api.patch(kept, {"spec": {"more": "of it"}})
            assert refreshed(api, kept)["spec"]["more"] == "of it"
            wait_for(
                "no word of it", lambda: "stays at chart" not in "\n".join(told(refreshed(api, cluster))), 30
            )
    finally:
        if AGENT not in control_plane.processes.all():
            control_plane.processes.start(AGENT, process.command, process.environment)


def test_back_again_the_newer_crds_stay(control_plane: Plane, api: Api, cluster: Manifest) -> None:
    """With the old schema the API server would drop what objects have by now."""
    reconcile(control_plane, cluster)
    deployed(api, cluster, PINNED)
    assert says(api) == f"{COMPONENT} 0.20.0"
    assert api.get("nfd.k8s-sigs.io/v1alpha1", "NodeFeature", "kept", "default")["spec"]["more"] == "of it"
    message = condition(of(api, cluster, f"cluster-stack/{COMPONENT}-crds"), "Synced")["message"]
    assert f"{CRD}: of a newer version, and left alone" in message or CRD in message


@pytest.mark.parametrize(
    ("version", "change", "words"),
    [
        pytest.param(
            "0.21.0",
            without_its_version,
            f"CRD {CRD} of chart {COMPONENT} 0.21.0 has v1alpha1 no more, which the cluster's own serves or has "
            "stored: nothing is changed",
            id="version-in-use",
        ),
        pytest.param("0.22.0", not_valid, f"the cluster refuses CRD {CRD} (422: ", id="not-valid"),
        pytest.param("0.23.0", None, f"has no chart {COMPONENT} of version 0.23.0", id="not-there"),
    ],
)
def test_what_cannot_be_upgraded_is_told_and_changes_nothing(
    control_plane: Plane,
    api: Api,
    cluster: Manifest,
    version: str,
    change: Callable[[dict[str, Any]], None] | None,
    words: str,
) -> None:
    before = definition(api)["metadata"]["generation"]
    if change:
        publish(control_plane, version, change)
    with asked(control_plane, cluster, version):
        wait_told(api, cluster, f"Node Feature Discovery stays at chart {PINNED}", MINUTE)
        wait_told(api, cluster, words, MINUTE)
        lines = [line for line in told(refreshed(api, cluster)) if line.startswith("ComponentsReady")]
        assert lines[0].startswith("ComponentsReady=True UpdateFailing: [platform] ")
        assert chart_of(api, cluster) == PINNED
        assert definition(api)["metadata"]["generation"] == before
        # Nor is another CRD of the chart changed, of which the API server would take each.
        others = {chart_of_crd(api, name) for name in extensions.crds_of(COMPONENT)}
        assert f"{COMPONENT} {version}" not in others
    wait_for(
        "no word of it", lambda: "stays at chart" not in "\n".join(told(refreshed(api, cluster))), MINUTE
    )
