"""What replaces nodes and upgrades add-ons on a live cluster: what is asked for, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from functions.base import Invalid, Request
from functions.base.assemble import assemble
from functions.catalog import eks
from functions.node_pools.compose import FUNCTION
from tests.node_pools.aws.worlds import Manifests, again, desired, observed, world
from tests.node_pools.requests import L4, aws, cluster, fields

POOL, TEMPLATE, SYSTEM = "node-pools/pool-l4", "node-pools/launch-template-l4", "node-pools/system-pool"
ADDONS = {
    "aws-ebs-csi-driver",
    "aws-efs-csi-driver",
    "coredns",
    "eks-node-monitoring-agent",
    "eks-pod-identity-agent",
    "kube-proxy",
    "vpc-cni",
}


def runs(manifests: Manifests, group: str = POOL) -> tuple[str, str | None, str]:
    """Kubernetes version, image release and launch template version of a node group."""
    found = fields(manifests[group])
    return found["version"], found.get("releaseVersion"), found["launchTemplate"]["version"]


def addons(manifests: Manifests) -> dict[str, str | None]:
    found = (fields(m) for m in manifests.values() if m["kind"] == "Addon")
    return {addon["addonName"]: addon.get("addonVersion") for addon in found}


def with_field(request: Request, resource: str, path: list[str], value: Any) -> Manifests:
    """Observed resources with one field changed; None takes the field away."""
    seen = copy.deepcopy({name: dict(o) for name, o in request.observed.items()})
    node = seen[resource]
    for key in path[:-1]:
        node = node[key]
    if value is None:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = value
    return seen


def test_a_new_cluster_takes_the_packages_releases() -> None:
    # Proves: each is pinned to what the data file has for its Kubernetes version.
    made = desired(world(aws(), given={"kubernetesVersion": "1.34"}))
    known = eks()["1.34"]
    assert addons(made) == {name: known.addons[name] for name in ADDONS}
    assert runs(made) == runs(made, SYSTEM) == ("1.34", known.node_release, "1")
    assert known.node_release.startswith("1.34.")


def test_the_platform_has_releases_of_its_own() -> None:
    # Proves: the input goes before the data file, one by one.
    given = {"eks": {"1.35": {"nodeRelease": "1.35.9-20261101", "addons": {"coredns": "v1.15.0-eksbuild.2"}}}}
    made = desired(world(aws(), given=given))
    assert runs(made)[1] == "1.35.9-20261101"
    assert addons(made)["coredns"] == "v1.15.0-eksbuild.2"
    assert addons(made)["vpc-cni"] == eks()["1.35"].addons["vpc-cni"]


def test_a_kubernetes_version_that_the_package_does_not_know_leaves_the_choice_to_eks() -> None:
    # Proves: no release of another version is taken for it.
    made = desired(world({**aws(), "kubernetesVersion": "1.37"}, given={"eks": {"1.37": {}}}))
    assert addons(made) == dict.fromkeys(ADDONS)
    assert runs(made) == ("1.37", None, "1")


def test_a_kubernetes_version_that_eks_does_not_have_is_refused() -> None:
    # Proves: before anything is made, and never for a cluster that lives.
    with pytest.raises(Invalid) as caught:
        desired(cluster({**aws(), "kubernetesVersion": "1.99"}))
    assert str(caught.value) == (
        "spec.kubernetesVersion: EKS is not known to have Kubernetes 1.99. Use one of 1.33, 1.34, 1.35, 1.36; a "
        "platform that knows better lists 1.99 under eks in the input of function-node-pools."
    )
    before = world({**aws(), "kubernetesVersion": "1.37"}, given={"eks": {"1.37": {}}})
    assert desired(again(before, {**aws(), "kubernetesVersion": "1.37"}, given={})) == desired(before)


@pytest.mark.parametrize("name", ["platform's", "package's"])
def test_a_newer_release_moves_nothing_that_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Proves: neither a newer package nor the platform's release of images replaces a node or upgrades an add-on.
    before = world(aws())
    newer = {"1.35": {"nodeRelease": "1.35.9-20261101"}}
    if name == "package's":
        known = eks()["1.35"]
        moved = dict.fromkeys(known.addons, "v9.9.9-eksbuild.1")
        later = type(known)("1.35.9-20261101", moved)
        monkeypatch.setattr("functions.node_pools.aws.releases.eks", lambda: {"1.35": later})
        newer = {}
    assert desired(again(before, aws(), given={"eks": newer})) == desired(before)


def test_add_ons_follow_the_platforms_input() -> None:
    # Proves: a patch of a live cluster's add-on is one line of input, and touches that add-on alone.
    before = world(aws())
    given = {"eks": {"1.35": {"addons": {"vpc-cni": "v1.23.0-eksbuild.1"}}}}
    after = desired(again(before, aws(), given=given))
    was = desired(before)
    assert {name for name in was if after[name] != was[name]} == {"node-pools/addon-vpc-cni"}
    assert addons(after)["vpc-cni"] == "v1.23.0-eksbuild.1"
    upgraded = again(before, aws(), seen=observed(after, before.composite), given={})
    assert desired(upgraded) == after, "without the input the add-on stays where it is"


def test_nodes_follow_the_claim() -> None:
    # Proves: a release that the claim names replaces the nodes, and that alone.
    before = world(aws())
    after = desired(again(before, aws(nodeRelease="1.35.9-20261101")))
    was = desired(before)
    assert {name for name in was if after[name] != was[name]} == {POOL, SYSTEM}
    assert runs(after) == ("1.35", "1.35.9-20261101", "1")
    taken_back = again(before, aws(), seen=observed(after, before.composite))
    assert desired(taken_back) == after, "a release that is left out again rolls nothing back"


@pytest.mark.parametrize(
    ("lives", "release"), [(False, "1.34.9-20260714"), (False, "1.36.2-20260714"), (True, "1.36.2-20260714")]
)
def test_a_release_of_another_kubernetes_version_is_refused(lives: bool, release: str) -> None:
    # Proves: in words, and that EKS is not asked.
    spec = aws(nodeRelease=release)
    with pytest.raises(Invalid) as caught:
        desired(again(world(aws()), spec) if lives else cluster(spec))
    assert str(caught.value) == (
        f"spec.aws.nodeRelease: {release} is for Kubernetes {release[:4]}, and the cluster has 1.35. "
        "Name a release of 1.35, or leave it out."
    )


@pytest.mark.parametrize("asked", ["1.36", None])
def test_a_release_that_an_upgrade_leaves_behind_stops_nothing(asked: str | None) -> None:
    # Proves: neither an upgrade that the claim asks for nor one by EKS itself makes the spec invalid.
    spec = {**aws(nodeRelease="1.35.6-20260714"), "kubernetesVersion": asked}
    before = world(aws(nodeRelease="1.35.6-20260714"))
    version = ["status", "atProvider", "version"]
    upgraded = again(before, spec, seen=with_field(before, "node-pools/cluster", version, "1.36"))
    assert runs(desired(upgraded))[:2] == ("1.36", eks()["1.36"].node_release)
    assert FUNCTION.compose(upgraded).notes[0] == (
        "spec.aws.nodeRelease 1.35.6-20260714 has no effect: it is for Kubernetes 1.35, and the cluster has "
        "1.36; name a release of 1.36, or leave it out"
    )
    assert not any("nodeRelease" in note for note in FUNCTION.compose(before).notes)
    assert not any("nodeRelease" in note for note in FUNCTION.compose(world(aws())).notes)


@pytest.mark.parametrize("asked", ["1.35", None])
def test_a_version_that_eks_itself_upgraded_to_is_never_refused(asked: str | None) -> None:
    # Proves: a cluster that is newer than the package knows goes on.
    spec = {**aws(), "kubernetesVersion": asked}
    before = world(aws())
    seen = with_field(before, "node-pools/cluster", ["status", "atProvider", "version"], "1.37")
    made = desired(again(before, spec, seen=seen))
    assert set(made) == set(before.observed)
    assert runs(made)[:2] == ("1.37", None)


def test_a_kubernetes_upgrade_takes_add_ons_and_images_along() -> None:
    # Proves: first the control plane alone; when that runs, add-ons and nodes of the new version.
    before = world(aws(), given={"kubernetesVersion": "1.34"})
    spec = {**aws(), "kubernetesVersion": "1.35"}
    under_way = desired(again(before, spec))
    was = desired(before)
    assert {name for name in was if under_way[name] != was[name]} == {"node-pools/cluster"}
    runs_new = with_field(before, "node-pools/cluster", ["spec", "forProvider", "version"], "1.35")
    runs_new["node-pools/cluster"]["status"]["atProvider"]["version"] = "1.35"
    after = desired(again(before, spec, seen=runs_new))
    assert runs(after) == ("1.35", eks()["1.35"].node_release, "1")
    assert addons(after) == {name: eks()["1.35"].addons[name] for name in ADDONS}


def test_live_ones_without_a_release_stay_without() -> None:
    # Proves: node groups and add-ons of an older package, which pinned neither, are not rolled by this one.
    before = world(aws())
    seen = {name: dict(o) for name, o in before.observed.items()}
    for name, manifest in seen.items():
        if manifest["kind"] in ("Addon", "NodeGroup"):
            seen[name] = without_release(manifest)
    after = desired(again(before, aws(), seen=seen))
    assert runs(after) == ("1.35", None, "1")
    assert addons(after) == dict.fromkeys(ADDONS)


def without_release(manifest: dict[str, Any]) -> dict[str, Any]:
    dropped = ("releaseVersion", "addonVersion")
    spec = {k: v for k, v in fields(manifest).items() if k not in dropped}
    metadata = {**manifest["metadata"], "annotations": {}}
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], "forProvider": spec}}


FOREIGN = {"latestVersion": 7, "description": "made by hand"}


def test_a_launch_template_version_that_somebody_else_made_rolls_nothing() -> None:
    # Proves: not when it appears, and not when the provider puts ours on top of it again.
    before = world(aws())
    template = before.observed[TEMPLATE]
    at_provider = template["status"]["atProvider"]
    for seen in ({**at_provider, **FOREIGN}, {**at_provider, "latestVersion": 8}):
        observed_now = with_field(before, TEMPLATE, ["status", "atProvider"], seen)
        assert desired(again(before, aws(), seen=observed_now)) == desired(before)


def test_changed_tags_replace_no_node() -> None:
    # Proves: owner and tags go to everything that takes them, and the nodes' template stays at its version.
    before = world(aws())
    spec = {**aws(tags={"cost-center": "4711"}), "owner": "research"}
    after = desired(again(before, spec))
    assert (
        fields(after[POOL])["tags"].items()
        >= {"cost-center": "4711", "freehold.dev/owner": "research"}.items()
    )
    new_version = {**before.observed, TEMPLATE: observed(after, before.composite)[TEMPLATE]}
    new_version[TEMPLATE]["status"]["atProvider"]["latestVersion"] = 2
    settled = desired(again(before, spec, seen=new_version))
    assert runs(settled) == runs(desired(before))


def test_replaced_nodes_take_the_newest_launch_template() -> None:
    # Proves: what waited in the template reaches nodes that are replaced anyway, once it is really there.
    before = world(aws())
    spec = aws(tags={"cost-center": "4711"}, nodeRelease="1.35.9-20261101")
    waiting = desired(again(before, spec))
    assert runs(waiting) == runs(desired(before)), "the template has the old tags as yet"
    seen = {**before.observed, TEMPLATE: observed(waiting, before.composite)[TEMPLATE]}
    seen[TEMPLATE]["status"]["atProvider"]["latestVersion"] = 2
    assert runs(desired(again(before, spec, seen=seen))) == ("1.35", "1.35.9-20261101", "2")


@pytest.mark.parametrize("status", [None, {}], ids=["recorded", "status-lost"])
def test_another_disk_is_refused(status: dict[str, Any] | None) -> None:
    # Proves: as every change that would replace the nodes, since it would wait for ever until they are.
    before = world(aws())
    with pytest.raises(Invalid) as caught:
        desired(again(before, aws({**L4, "diskGiB": 500}), status=status))
    assert str(caught.value) == (
        "spec.nodePools[0].diskGiB: the pool's nodes have disks of 200 GiB and cannot change while it lives. "
        "Add a pool with another name, move the Models, then remove pool l4."
    )


def told(request: Request, condition: str) -> tuple[str, str, str]:
    found = assemble(request, FUNCTION, FUNCTION.compose(request)).conditions[condition]
    return found.status.value, found.reason, found.text


def test_an_image_under_way_is_told() -> None:
    # Proves: pools serve meanwhile, and the condition says what changes until EKS reports the new image.
    before = world(aws())
    spec = aws(nodeRelease="1.35.9-20261101")
    asked = observed(desired(again(before, spec)), before.composite)
    there = ("True", "Available", "the system pool and all GPU pools are there")
    assert told(again(before, spec, seen=asked), "NodePoolsReady") == there
    for group in (POOL, SYSTEM):
        asked[group]["status"]["atProvider"]["releaseVersion"] = eks()["1.35"].node_release
    status, reason, text = told(again(before, spec, seen=asked), "NodePoolsReady")
    assert (status, reason) == ("True", "Updating")
    assert text == (
        "the system pool and all GPU pools are there; being updated: the system node pool and 1 more"
    )


def test_an_add_on_under_way_is_told() -> None:
    # Proves: by the name that EKS gives it.
    before = world(aws())
    given = {"eks": {"1.35": {"addons": {"vpc-cni": "v1.23.0-eksbuild.1"}}}}
    asked = observed(desired(again(before, aws(), given=given)), before.composite)
    name = "node-pools/addon-vpc-cni"
    asked[name]["status"]["atProvider"]["addonVersion"] = eks()["1.35"].addons["vpc-cni"]
    assert told(again(before, aws(), seen=asked, given=given), "ControlPlaneReady") == (
        "True",
        "Updating",
        "Kubernetes 1.35 answers; being updated: EKS add-on vpc-cni",
    )
