"""The registry of places: what the spec has, and the rules that follow from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.api import ClusterSpec
from functions.api.places import PLACES, Place, one_of, stays
from functions.base import Invalid, parse
from functions.node_pools.registry import PLACES as COMPOSED

THREE = (*PLACES, replace(PLACES[0], name="gcp"))
POOL = {"name": "l4", "gpu": {"model": "L4"}}
AWS: dict[str, Any] = {"region": "eu-central-1"}
EXISTING: dict[str, Any] = {"controlPlane": {}}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_the_spec_has_a_field_for_each_place(place: Place) -> None:
    field = ClusterSpec.model_fields[place.name]
    assert (field.annotation, field.description) == (place.model | None, place.about)


def test_what_the_spec_names_can_be_composed() -> None:
    assert [place.name for place in PLACES] == [place.name for place in COMPOSED]


def test_rules_of_three_places() -> None:
    assert one_of(THREE).cel == (
        "(has(self.aws) ? 1 : 0) + (has(self.existing) ? 1 : 0) + (has(self.gcp) ? 1 : 0) == 1"
    )
    assert one_of(THREE).message == "name exactly one of aws, existing and gcp: where the cluster is"
    assert stays(THREE).cel == (
        "has(self.existing) == has(oldSelf.existing) && has(self.gcp) == has(oldSelf.gcp)"
    )


@pytest.mark.parametrize("named", [{}, {"aws": AWS, "existing": EXISTING}], ids=["none", "both"])
def test_exactly_one_place(named: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="name exactly one of aws and existing: where the cluster is"):
        parse(ClusterSpec, {**named, "nodePools": [POOL]}, "spec")


@pytest.mark.parametrize("named", [{"aws": AWS}, {"existing": EXISTING}], ids=["aws", "existing"])
def test_one_place_is_enough(named: dict[str, Any]) -> None:
    assert parse(ClusterSpec, {**named, "nodePools": [POOL]}, "spec").node_pools[0].name == "l4"


def test_a_place_checks_its_node_pools() -> None:
    with pytest.raises(Invalid, match="declares its gpu"):
        parse(ClusterSpec, {"existing": EXISTING, "nodePools": [{"name": "a", "instanceType": "x"}]}, "spec")
