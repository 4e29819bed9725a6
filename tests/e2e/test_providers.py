"""A provider that is not installed: the claim says so, and goes on once it is."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import examples
from tests.e2e.observing import composed
from tests.e2e.workload import delete, wait_told
from tools.control_plane.api import Api, ApiError, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "placementgroups.ec2.aws.m.upbound.io")
EC2 = "ec2.aws.m.upbound.io/"


@pytest.fixture
def without(api: Api) -> Iterator[Manifest]:
    """The CRD that stands for provider-aws-ec2, taken away for the test."""
    crd = api.get(*CRD)
    api.delete(crd)
    wait_for("the CRD to be gone", lambda: api.find(*CRD) is None)
    kept = {"name": crd["metadata"]["name"], "annotations": crd["metadata"].get("annotations", {})}
    again: Manifest = {**{k: v for k, v in crd.items() if k != "status"}, "metadata": kept}
    yield again
    try:
        api.create(again)
    except ApiError as error:
        if error.code != http.client.CONFLICT:
            raise


def test_the_claim_says_what_to_install(api: Api, without: Manifest) -> None:
    claim = examples()["aws/small"]
    claim["metadata"]["name"] = "unprovided"
    api.apply(claim)
    wait_told(
        api, claim, "install provider-aws-ec2 2.6.0 or newer (xpkg.upbound.io/upbound/provider-aws-ec2)"
    )
    assert [r["kind"] for r in composed(api, claim) if r["apiVersion"].startswith(EC2)] == []
    api.create(without)
    # It looks again after a minute: no event tells of a new provider.
    wait_for(
        "the network",
        lambda: any(r["kind"] == "VPC" for r in composed(api, claim)),
        seconds=120,
    )
    delete(api, claim)
    assert api.find(*identity(claim)) is None
