"""An EKS cluster, from the claim to Ready and away again, with a cloud that writes only status."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from functions.catalog import kubernetes
from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Plane, examples
from tests.e2e.gpu_operator import bury
from tests.e2e.observing import (
    chart_values,
    composed,
    composite,
    metrics,
    outlive_ttl,
    reconcile,
    refreshed,
    settled,
    told,
    versions,
    wait_ready,
)
from tests.e2e.workload import delete, wait_gone
from tools.control_plane.api import Api, condition
from tools.control_plane.crossplane import shipped_arguments
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest


@pytest.fixture(scope="module")
def claim(api: Api, cloud: Cloud) -> Manifest:
    """The example, Ready. Tests here go on from one another."""
    del cloud
    return wait_ready(api, api.create(examples()["aws/shared"]), seconds=90)


def names(resources: list[Manifest]) -> dict[str, str]:
    return {r["metadata"]["annotations"][RESOURCE_NAME]: r["metadata"]["uid"] for r in resources}


def test_it_becomes_ready(api: Api, claim: Manifest) -> None:
    assert [line for line in told(claim) if "=True" not in line] == []
    assert len(composed(api, claim)) > 50


def test_kubectl_prints_every_node_pool(api: Api, claim: Manifest) -> None:
    """The API server makes the cells, and takes the first match of a column's path."""
    path = api.path(claim["apiVersion"], claim["kind"], namespace=claim["metadata"]["namespace"])
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    table = json.loads(api.client.request("GET", path, header_params=accept, serialize=False).data)
    columns = [column["name"] for column in table["columnDefinitions"]]
    rows = {row["cells"][0]: dict(zip(columns, row["cells"], strict=True)) for row in table["rows"]}
    pools = claim["status"]["nodePools"]
    assert len(pools) > 1
    printed = rows[claim["metadata"]["name"]]
    assert printed["Pools"] == ", ".join(pool["name"] for pool in pools)
    assert all(pool["gpuModel"] in printed["GPUs"] for pool in pools)


def test_the_charts_get_what_nodes_with_a_driver_need(api: Api, claim: Manifest) -> None:
    """The node image has driver and toolkit, and NFD comes once, from its own chart."""
    releases = {
        r["metadata"]["annotations"][RESOURCE_NAME]: r["metadata"]["annotations"][
            "crossplane.io/external-name"
        ]
        for r in composed(api, claim)
        if r["kind"] == "Release"
    }
    operator = chart_values(api, releases["cluster-stack/gpu-operator"], "gpu-operator")
    assert (
        operator.items()
        >= {
            "nfd": {"enabled": False},
            "driver": {"enabled": False},
            "toolkit": {"enabled": False},
            "dcgmExporter": {"serviceMonitor": {"enabled": False}},
            "mig": {"strategy": "mixed"},
        }.items()
    )
    settings = operator["devicePlugin"]["config"]["data"]
    assert sorted(settings) == ["mps-2", "timeslicing-4", "whole-gpus"]
    nfd = chart_values(api, releases["cluster-stack/node-feature-discovery"], "node-feature-discovery")
    assert nfd["master"]["config"]["extraLabelNs"] == ["nvidia.com"]
    assert [t["key"] for t in nfd["worker"]["tolerations"]] == ["nvidia.com/gpu"]


def test_the_circuit_breaker_never_opened(control_plane: Plane, claim: Manifest) -> None:
    del claim
    handled = metrics(control_plane, "circuit_breaker_events_total")
    assert handled, "core counts events"
    assert [labels for labels in handled if "Allowed" not in labels] == []
    assert sum(metrics(control_plane, "circuit_breaker_opens_total").values()) == 0


def test_the_circuit_breaker_as_shipped_has_tokens_left(control_plane: Plane, claim: Manifest) -> None:
    """The burst, and one a second while it became ready."""
    created = datetime.fromisoformat(claim["metadata"]["creationTimestamp"])
    ready = datetime.fromisoformat(condition(claim, "Ready")["lastTransitionTime"])
    seconds = (ready - created).total_seconds()
    handled = metrics(control_plane, "circuit_breaker_events_total")
    spent = sum(number for labels, number in handled.items() if "xinferenceclusters" in labels)
    print(f"{spent:.0f} of {shipped_burst()} tokens in {seconds:.0f} s")
    assert spent < shipped_burst() + seconds


def shipped_burst() -> int:
    [burst] = [a for a in shipped_arguments() if a.startswith("--circuit-breaker-burst=")]
    return int(burst.partition("=")[2])


def test_nothing_changes_once_it_is_ready(control_plane: Plane, api: Api, claim: Manifest) -> None:
    """Neither forced reconciles nor those after the answers' TTL write anything at all."""
    reconcile(control_plane, claim)
    before = settled(api, claim)
    for _ in range(3):
        reconcile(control_plane, claim)
    outlive_ttl(control_plane)
    assert without_request(versions(api, claim)) == without_request(before)


def without_request(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the XR, on which each forced reconcile leaves an annotation."""
    return {name: version for name, version in found.items() if not name.startswith("XInferenceCluster ")}


def test_the_composites_status_stays_as_it_is(control_plane: Plane, api: Api, claim: Manifest) -> None:
    status = composite(api, claim)["status"]
    reconcile(control_plane, claim)
    assert composite(api, claim)["status"] == status


def test_a_size_that_an_autoscaler_set_is_left_alone(control_plane: Plane, api: Api, claim: Manifest) -> None:
    groups = [r for r in composed(api, claim) if r["kind"] == "NodeGroup"]
    bounds = [r["spec"]["forProvider"]["scalingConfig"] for r in groups]
    index = next(i for i, b in enumerate(bounds) if b["maxSize"] > b["minSize"])
    size = {"scalingConfig": {"desiredSize": bounds[index]["minSize"] + 1}}
    api.patch(groups[index], {"status": {"atProvider": size}}, "status")
    reconcile(control_plane, claim)
    after = [refreshed(api, group)["spec"] for group in groups]
    assert [spec["forProvider"]["scalingConfig"] for spec in after] == bounds
    assert all("desiredSize" not in b for b in bounds)


def node_groups(api: Api, claim: Manifest) -> dict[str, tuple[str, str]]:
    """Image release and launch template version of every node group, by the group's name."""
    groups = [r for r in composed(api, claim) if r["kind"] == "NodeGroup"]
    fields = {r["metadata"]["name"]: r["spec"]["forProvider"] for r in groups}
    return {name: (f["releaseVersion"], f["launchTemplate"]["version"]) for name, f in fields.items()}


def test_a_launch_template_version_of_somebody_else_replaces_no_node(
    control_plane: Plane, api: Api, claim: Manifest, cloud: Cloud
) -> None:
    before = node_groups(api, claim)
    cloud.slow.add("LaunchTemplate")
    for template in (r for r in composed(api, claim) if r["kind"] == "LaunchTemplate"):
        foreign = {"latestVersion": 7, "description": "made by hand"}
        api.patch(template, {"status": {"atProvider": foreign}}, "status")
    reconcile(control_plane, claim)
    assert node_groups(api, claim) == before
    cloud.slow.clear()


def test_changed_tags_replace_no_node(control_plane: Plane, api: Api, claim: Manifest) -> None:
    before = node_groups(api, claim)
    api.patch(claim, {"spec": {"owner": "research"}})
    wait_for(
        "the new owner on the node groups",
        lambda: all(
            r["spec"]["forProvider"]["tags"]["freehold.dev/owner"] == "research"
            for r in composed(api, claim)
            if r["kind"] == "NodeGroup"
        ),
        seconds=30,
    )
    reconcile(control_plane, claim)
    assert node_groups(api, claim) == before
    wait_ready(api, claim, seconds=60)


def test_another_image_is_told_until_the_nodes_have_it(api: Api, claim: Manifest, cloud: Cloud) -> None:
    """The pools serve meanwhile, and nothing is made anew."""
    before, image = names(composed(api, claim)), f"{kubernetes()}.9-20261101"
    cloud.updating.add("NodeGroup")
    api.patch(claim, {"spec": {"aws": {"nodeRelease": image}}})
    wait_for(
        "the update on the claim",
        lambda: condition(refreshed(api, claim), "NodePoolsReady")["reason"] == "Updating",
        seconds=30,
    )
    assert condition(refreshed(api, claim), "NodePoolsReady")["status"] == "True"
    wait_for(
        "every node group to ask for the image",
        lambda: {release for release, _ in node_groups(api, claim).values()} == {image},
        seconds=30,
    )
    cloud.updating.clear()
    wait_for(
        "the end of the update",
        lambda: condition(refreshed(api, claim), "NodePoolsReady")["reason"] == "Available",
        seconds=30,
    )
    assert names(composed(api, claim)) == before


def test_a_failing_pool_is_told_and_recovers(api: Api, claim: Manifest, cloud: Cloud) -> None:
    before = names(composed(api, claim))
    pool = next(r for r in composed(api, claim) if r["kind"] == "NodeGroup")
    cloud.failing[pool["metadata"]["name"]] = "InsufficientInstanceCapacity: none left in the zone"
    wait_for(
        "the failure on the claim",
        lambda: "InsufficientInstanceCapacity" in "".join(told(refreshed(api, claim))),
        seconds=30,
    )
    assert condition(refreshed(api, claim), "Ready")["status"] == "False"
    assert names(composed(api, claim)) == before, "nothing live is deleted"
    cloud.failing.clear()
    wait_ready(api, claim, seconds=60)
    assert names(composed(api, claim)) == before


def test_a_function_restarted_loses_nothing(control_plane: Plane, api: Api, claim: Manifest) -> None:
    before = names(composed(api, claim))
    control_plane.processes.restart("function-node-pools")
    reconcile(control_plane, claim, seconds=90)
    assert names(composed(api, claim)) == before


def test_deletion_leaves_nothing(api: Api, claim: Manifest, cloud: Cloud) -> None:
    leaves_nothing(api, claim)
    cloud.end_clusters()
    # What Helm installed goes with the cluster too; Helm would keep the next cluster from installing it.
    bury(api)


def test_everything_that_may_be_asked_of_it(api: Api, cloud: Cloud) -> None:
    """In a VPC that is there, from a reservation, with a fabric: it comes, is told of, and goes."""
    large = examples()["aws/large"]
    # Nobody plays Envoys here.
    del large["spec"]["gateway"]
    claim = wait_ready(api, api.create(large), seconds=90)
    made = composed(api, claim)
    kinds = {resource["kind"] for resource in made}
    assert kinds >= {"SecurityGroup", "PlacementGroup", "FileSystem", "MountTarget", "RolePolicy"}
    assert not kinds & {"VPC", "Subnet", "NATGateway", "Key"}
    [reserved] = [r for r in made if r["metadata"]["annotations"][RESOURCE_NAME] == "node-pools/pool-h100"]
    cloud.failing[reserved["metadata"]["name"]] = "ReservationCapacityExceeded: no capacity left"
    wait_for(
        "what holds a reservation back on the claim",
        lambda: "Check that reservation cr-0a1b2c3d4e5f60718" in "".join(told(refreshed(api, claim))),
        seconds=30,
    )
    cloud.failing.clear()
    leaves_nothing(api, wait_ready(api, claim, seconds=60))


def leaves_nothing(api: Api, claim: Manifest) -> None:
    xr = composite(api, claim)
    resources = composed(api, claim)
    delete(api, claim, seconds=120)
    assert api.find(xr["apiVersion"], xr["kind"], xr["metadata"]["name"]) is None
    wait_gone(api, resources)
