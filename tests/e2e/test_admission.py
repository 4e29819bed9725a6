"""The XRDs in a real API server: established, admitting what is good, refusing the rest in words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.e2e.conftest import examples
from tests.test_admission import AWS, BAD, EXISTING, POOL, cluster, model
from tools import paths
from tools.control_plane.api import Api, ApiError, condition
from tools.manifests import Manifest, load

_CRDS = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
KINDS = ("inferenceclusters", "models", "xinferenceclusters", "xmodels")
EXAMPLES = examples()


def try_out(api: Api, claim: Manifest) -> Manifest:
    """Create a claim without creating it, under a name that no other test's has."""
    claim = claim | {"metadata": claim["metadata"] | {"name": "tried-out"}}
    path = api.path(claim["apiVersion"], claim["kind"], namespace=claim["metadata"]["namespace"])
    return api.call("POST", path, claim, query={"dryRun": "All", "fieldValidation": "Strict"})


@pytest.mark.parametrize("plural", KINDS)
def test_every_kind_is_established(api: Api, plural: str) -> None:
    """The API server estimates the cost of every CEL rule here, and refuses what may cost too much."""
    crd = api.get(*_CRDS, f"{plural}.freehold.dev")
    assert condition(crd, "Established")["status"] == "True"
    # Set when a schema is not structural; then nothing is pruned or defaulted.
    assert condition(crd, "NonStructuralSchema") == {}


def test_core_has_nothing_to_say_against_the_xrds(api: Api) -> None:
    for xrd in api.items("apiextensions.crossplane.io/v1", "CompositeResourceDefinition"):
        assert {c["type"]: c["status"] for c in xrd["status"]["conditions"]} == {
            "Established": "True",
            "Offered": "True",
        }


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_admitted(api: Api, name: str) -> None:
    admitted = try_out(api, EXAMPLES[name])
    assert _without_defaults(admitted["spec"], EXAMPLES[name]["spec"]) == EXAMPLES[name]["spec"]


def _without_defaults(admitted: Any, asked: Any) -> Any:
    """Return what of an answer was asked for: nothing of it may be pruned or changed."""
    if isinstance(asked, dict):
        return {key: _without_defaults(admitted[key], value) for key, value in asked.items()}
    if isinstance(asked, list):
        return [_without_defaults(a, b) for a, b in zip(admitted, asked, strict=True)]
    return admitted


@pytest.mark.parametrize("name", BAD)
def test_every_bad_claim_is_refused_with_its_message(api: Api, name: str) -> None:
    claim, message = BAD[name]
    with pytest.raises(ApiError) as refused:
        try_out(api, claim)
    assert refused.value.code in {400, 422}
    assert message in str(refused.value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_defaults_round_trip(api: Api, name: str) -> None:
    """What was admitted is admitted again as it is: no default breaks a rule or another default."""
    once = try_out(api, EXAMPLES[name])
    again = copy.deepcopy(EXAMPLES[name])
    again["spec"] = once["spec"]
    assert try_out(api, again)["spec"] == once["spec"]


CHANGES = {
    "region": ({"aws": {"region": "eu-west-1"}}, "aws.region cannot change on a live cluster"),
    "vpc": ({"aws": {"vpcCidr": "10.8.0.0/16"}}, "aws.vpcCidr cannot change on a live cluster"),
    "services": (
        {"aws": {"serviceCidr": "172.21.0.0/16"}},
        "aws.serviceCidr cannot change on a live cluster",
    ),
    "another key": (
        {"aws": {"kmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/0123"}},
        "aws.kmsKeyArn cannot come or go on a live cluster",
    ),
    "to existing": (
        {"aws": None, "existing": EXISTING, "nodePools": [{**POOL, "nodes": {"min": 1, "max": 1}}]},
        "a live cluster cannot change between aws and existing",
    ),
}


@pytest.fixture(scope="module")
def live(api: Api) -> Any:
    """A cluster that exists, without anything composed: nothing selects a composition for it."""
    claim = cluster(
        {"aws": {**AWS, "vpcCidr": "10.0.0.0/16", "serviceCidr": "172.20.0.0/16"}, "nodePools": [POOL]}
    )
    claim["metadata"]["name"] = "transitions"
    claim["metadata"]["annotations"] = {"crossplane.io/paused": "true"}
    yield api.create(claim)
    api.delete(claim)


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_change_is_refused(api: Api, live: Manifest, name: str) -> None:
    change, message = CHANGES[name]
    with pytest.raises(ApiError) as refused:
        api.patch(live, {"spec": change})
    assert refused.value.code == 422
    assert message in str(refused.value)


def test_what_can_change_does(api: Api, live: Manifest) -> None:
    changed = api.patch(live, {"spec": {"nodePools": [{**POOL, "nodes": {"min": 0, "max": 3}}]}})
    assert changed["spec"]["nodePools"][0]["nodes"] == {"min": 0, "max": 3}


def test_a_claim_cannot_choose_its_composition(api: Api) -> None:
    enforced = {
        x["metadata"]["name"]: x["spec"].get("enforcedCompositionRef")
        for p in paths.XRDS.glob("*.yaml")
        for x in load(p)
    }
    assert all(enforced.values()), enforced
    assert try_out(api, model(compositionRef={"name": "other"}))
