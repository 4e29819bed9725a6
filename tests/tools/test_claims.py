from typing import Any

import pytest

from tools.claims import composite_name, to_xr, with_defaults
from tools.definitions import Definitions
from tools.manifests import Manifest


def test_a_claim_becomes_its_xr(claim: Manifest, definitions: Definitions) -> None:
    xr = to_xr(claim, definitions.of(claim))
    name = xr["metadata"]["name"]
    assert xr == {
        "apiVersion": "test.freehold.dev/v1alpha1",
        "kind": "XFarm",
        "metadata": {
            "name": name,
            "uid": xr["metadata"]["uid"],
            "labels": {
                "crossplane.io/claim-name": "home",
                "crossplane.io/claim-namespace": "team-a",
                "crossplane.io/composite": name,
            },
        },
        "spec": {
            "wheat": {},
            "claimRef": {
                "apiVersion": "test.freehold.dev/v1alpha1",
                "kind": "Farm",
                "name": "home",
                "namespace": "team-a",
            },
        },
    }
    assert name.startswith("home-")
    assert len(name) == len("home-") + 5


def test_names_and_uids_depend_on_the_claim_alone(claim: Manifest, definitions: Definitions) -> None:
    definition = definitions.of(claim)
    assert to_xr(claim, definition) == to_xr(claim, definition)
    elsewhere = claim | {"metadata": claim["metadata"] | {"namespace": "team-b"}}
    assert to_xr(elsewhere, definition)["metadata"]["name"] != composite_name("home", "team-a", definition)


def test_a_long_name_is_cut_to_63_characters(claim: Manifest, definitions: Definitions) -> None:
    name = composite_name("a" * 80, "team-a", definitions.of(claim))
    assert len(name) == 63


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("claimRef", {"name": "another"}),
        ("compositeDeletePolicy", "Foreground"),
        ("compositionRef", {"name": "another"}),
        ("compositionRevisionRef", {"name": "another"}),
        ("resourceRef", {"name": "bound"}),
        ("resourceRefs", [{"kind": "Secret"}]),
        ("writeConnectionSecretToRef", {"name": "mine"}),
    ],
)
def test_fields_of_the_claim_or_of_the_machinery_are_not_copied(
    claim: Manifest, definitions: Definitions, field: str, value: object
) -> None:
    claim["spec"][field] = value
    assert to_xr(claim, definitions.of(claim))["spec"].get(field) != value


@pytest.mark.parametrize(
    "field", ["compositionSelector", "compositionUpdatePolicy", "compositionRevisionSelector"]
)
def test_how_to_choose_a_composition_is_copied(claim: Manifest, definitions: Definitions, field: str) -> None:
    claim["spec"][field] = "chosen"
    assert to_xr(claim, definitions.of(claim))["spec"][field] == "chosen"


def test_a_bound_claim_keeps_the_name_of_its_xr(claim: Manifest, definitions: Definitions) -> None:
    claim["spec"]["resourceRef"] = {"name": "home-x7k2p"}
    assert to_xr(claim, definitions.of(claim))["metadata"]["name"] == "home-x7k2p"
    named = to_xr(claim, definitions.of(claim), name="mine")
    assert named["metadata"]["name"] == "mine"


def test_labels_and_annotations_go_along_but_for_those_of_kubernetes(
    claim: Manifest, definitions: Definitions
) -> None:
    claim["metadata"] |= {
        "labels": {"team": "a", "app.kubernetes.io/name": "x", "crossplane.io/claim-name": "no"},
        "annotations": {"note": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    metadata = to_xr(claim, definitions.of(claim))["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["crossplane.io/claim-name"] == "home"
    assert "app.kubernetes.io/name" not in metadata["labels"]
    assert metadata["annotations"] == {"note": "b"}


def test_a_claim_without_a_namespace_is_in_default(claim: Manifest, definitions: Definitions) -> None:
    del claim["metadata"]["namespace"]
    xr = to_xr(claim, definitions.of(claim))
    assert xr["spec"]["claimRef"]["namespace"] == "default"


def test_of_a_live_claims_status_the_xrs_part_goes_along(claim: Manifest, definitions: Definitions) -> None:
    claim["status"] = {"phase": "Ready", "conditions": [{"type": "Ready"}]}
    assert to_xr(claim, definitions.of(claim))["status"] == {"phase": "Ready"}


SCHEMA: dict[str, Any] = {
    "properties": {
        "size": {"default": 3},
        "inner": {"properties": {"a": {"default": 1}}},
        "made": {"default": {}, "properties": {"b": {"default": 2}}},
        "maybe": {"default": 4, "nullable": True},
        "list": {"items": {"properties": {"c": {"default": True}}}},
        "map": {"additionalProperties": {"properties": {"d": {"default": "x"}}}},
    }
}


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, {"size": 3, "made": {"b": 2}, "maybe": 4}),
        ({"inner": {}}, {"inner": {"a": 1}, "size": 3, "made": {"b": 2}, "maybe": 4}),
        (
            {"size": 0, "made": {"b": None}, "maybe": None},
            {"size": 0, "made": {"b": 2}, "maybe": None},
        ),
        (
            {"size": None, "maybe": 1, "made": {}, "list": [{}, {"c": False}]},
            {"size": 3, "maybe": 1, "made": {"b": 2}, "list": [{"c": True}, {"c": False}]},
        ),
        (
            {"size": 1, "maybe": 1, "made": {}, "map": {"k": {}}},
            {"size": 1, "maybe": 1, "made": {"b": 2}, "map": {"k": {"d": "x"}}},
        ),
    ],
)
def test_defaults_fill_what_is_absent(given: dict[str, Any], filled: dict[str, Any]) -> None:
    assert with_defaults(given, SCHEMA) == filled


def test_the_given_value_stays_as_it_is() -> None:
    given: dict[str, Any] = {"inner": {}}
    with_defaults(given, SCHEMA)
    assert given == {"inner": {}}
