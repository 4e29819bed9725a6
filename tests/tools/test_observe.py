from pathlib import Path
from typing import Any

import pytest

from tools.manifests import Manifest
from tools.observe import observe
from tools.validate import validate

XR: Manifest = {
    "apiVersion": "test.freehold.dev/v1alpha1",
    "kind": "XFarm",
    "metadata": {"name": "home-abcde", "uid": "00000000-0000-0000-0000-000000000001"},
}


def _composed(api_version: str, kind: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": "thing",
            "namespace": "crossplane-system",
            "annotations": {"crossplane.io/composition-resource-name": "thing"},
            "labels": {"crossplane.io/composite": "home-abcde"},
        },
        "spec": spec,
    }


VPC = _composed(
    "ec2.aws.m.upbound.io/v1beta1",
    "VPC",
    {"forProvider": {"region": "eu-west-1", "cidrBlock": "10.0.0.0/16"}},
)
DEPLOYMENT: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}
OBJECT = _composed("kubernetes.m.crossplane.io/v1alpha1", "Object", {"forProvider": {"manifest": DEPLOYMENT}})
RELEASE = _composed(
    "helm.m.crossplane.io/v1beta1",
    "Release",
    {
        "forProvider": {
            "namespace": "n",
            "chart": {"name": "c", "repository": "oci://charts.test/c", "version": "1.2.3"},
        }
    },
)


def _conditions(live: Manifest) -> dict[str, str]:
    return {c["type"]: c["status"] for c in live["status"]["conditions"]}


@pytest.mark.parametrize("desired", [VPC, OBJECT, RELEASE], ids=lambda m: m["kind"])
def test_what_is_observed_is_what_was_desired_and_more(desired: Manifest) -> None:
    [live] = observe([desired], XR)
    assert live["spec"] == desired["spec"]
    assert live["metadata"]["labels"] == desired["metadata"]["labels"]
    assert live["metadata"]["annotations"].items() >= desired["metadata"]["annotations"].items()
    assert _conditions(live) == {"Ready": "True", "Synced": "True"}
    assert live["metadata"]["annotations"]["crossplane.io/external-name"]


@pytest.mark.parametrize("desired", [VPC, OBJECT, RELEASE], ids=lambda m: m["kind"])
def test_what_is_observed_is_valid(desired: Manifest, schemas: Path) -> None:
    assert validate(observe([desired], XR), schemas) == []


def test_crossplane_owns_exactly_what_was_desired() -> None:
    [live] = observe([VPC], XR)
    ours, *others = live["metadata"]["managedFields"]
    assert ours["operation"] == "Apply"
    assert ours["manager"].startswith("apiextensions.crossplane.io/composed/")
    assert ours["fieldsV1"] == {
        "f:metadata": {
            "f:annotations": {"f:crossplane.io/composition-resource-name": {}},
            "f:labels": {"f:crossplane.io/composite": {}},
        },
        "f:spec": {"f:forProvider": {"f:region": {}, "f:cidrBlock": {}}},
    }
    assert {entry["manager"] for entry in others} == {"provider"}
    assert [entry.get("subresource") for entry in others] == [None, "status"]


def test_late_initialised_fields_are_the_providers() -> None:
    late = {"spec": {"forProvider": {"instanceTenancy": "default"}}}
    [live] = observe([VPC], XR, late_init={"thing": late})
    assert live["spec"]["forProvider"]["instanceTenancy"] == "default"
    ours, theirs, _ = live["metadata"]["managedFields"]
    assert "f:instanceTenancy" not in ours["fieldsV1"]["f:spec"]["f:forProvider"]
    assert theirs["fieldsV1"]["f:spec"] == {"f:forProvider": {"f:instanceTenancy": {}}}


def test_an_object_shows_its_manifest_working() -> None:
    [live] = observe([OBJECT], XR)
    remote = live["status"]["atProvider"]["manifest"]
    assert remote["spec"] == DEPLOYMENT["spec"]
    assert remote["status"]["readyReplicas"] == 2
    assert "status" not in DEPLOYMENT


def test_something_can_be_not_ready_or_failing() -> None:
    [waiting] = observe([VPC], XR, not_ready={"thing"})
    assert _conditions(waiting) == {"Ready": "False", "Synced": "True"}
    assert "atProvider" not in waiting["status"]
    [failing] = observe([VPC], XR, failing={"thing": "no quota"})
    assert _conditions(failing) == {"Ready": "False", "Synced": "False"}
    assert failing["status"]["conditions"][1]["message"] == "no quota"


def test_what_no_provider_reconciles_has_no_conditions() -> None:
    secret = _composed("v1", "Secret", {})
    del secret["spec"]
    [live] = observe([secret], XR)
    assert "status" not in live
    assert len(live["metadata"]["managedFields"]) == 1


def test_it_is_the_same_every_time() -> None:
    assert observe([VPC, OBJECT], XR) == observe([VPC, OBJECT], XR)
