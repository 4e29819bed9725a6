"""A status that is lost changes no manifest of anything live, whatever the defaults are by now.

The worlds here live with settings that no default would give: an upgrade of the package, or of the
platform's input, comes between making a cluster and losing its status.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.pipeline import run
from tests.properties.worlds import World, clusters, models, read_model, settled, world

EVERY = [*clusters(), *models()]
OLDER = ("1.34",)
"""Kubernetes versions behind the package's default."""


@cache
def older(example: str, version: str) -> World:
    """A cluster that was made with a Kubernetes version which its spec does not name any more."""
    new = world(example)
    xr = {**new.xr, "spec": {**new.xr["spec"], "kubernetesVersion": version}, "status": {}}
    made = settled(xr, [], new.available)
    spec = {k: v for k, v in made.xr["spec"].items() if k != "kubernetesVersion"}
    return settled({**made.xr, "spec": spec}, made.observed, made.available)


@cache
def renamed_machine(example: str) -> World:
    """A cluster whose node pools run on another machine than the catalog picks now."""
    new = world(example)
    xr = copy.deepcopy({**new.xr, "status": {}})
    pools = [p for p in new.xr["status"]["nodePools"] if p.get("alternatives")]
    other = {p["name"]: p["alternatives"][0].split()[0] for p in pools}
    for pool in xr["spec"]["nodePools"]:
        if pool["name"] in other and "instanceType" not in pool:
            pool["instanceType"] = other[pool["name"]]
    made = settled(xr, [], new.available)
    return settled({**made.xr, "spec": new.xr["spec"]}, made.observed, made.available)


def manifests(live: World, status: dict[str, Any]) -> dict[str, Any]:
    """What is desired of everything that lives, with so much of the status."""
    made = run({**live.xr, "status": status}, live.observed, live.available)
    assert made.fatal is None, made.fatal
    return {name: manifest for name, manifest in made.composed.items() if name in live.names()}


def check(live: World, data: st.DataObject) -> None:
    """Lose some of the status, or all."""
    keys = sorted(live.xr["status"])
    lost = data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True) | st.just(keys), label="lost")
    kept = {k: v for k, v in live.xr["status"].items() if k not in lost}
    right, left = manifests(live, live.xr["status"]), manifests(live, kept)
    assert set(left) == set(right)
    for name, manifest in right.items():
        assert left[name] == manifest, name


@pytest.mark.parametrize("example", EVERY)
@settings(max_examples=5)
@given(data=st.data())
def test_of_defaults(example: str, data: st.DataObject) -> None:
    check(world(example), data)


@settings(max_examples=10)
@given(data=st.data())
def test_of_a_model_whose_files_were_read(data: st.DataObject) -> None:
    check(read_model(), data)


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("example", [name for name in clusters() if name.startswith("aws/")])
@settings(max_examples=4)
@given(data=st.data())
def test_of_an_older_kubernetes(example: str, version: str, data: st.DataObject) -> None:
    check(older(example, version), data)


@pytest.mark.parametrize("example", ["aws/small"])
@settings(max_examples=4)
@given(data=st.data())
def test_of_another_machine_than_the_catalogs(example: str, data: st.DataObject) -> None:
    check(renamed_machine(example), data)


def test_the_worlds_are_not_the_defaults() -> None:
    """Otherwise the tests above would show nothing."""
    assert older("aws/small", "1.34").xr["status"]["kubernetesVersion"] == "1.34"
    assert "kubernetesVersion" not in older("aws/small", "1.34").xr["spec"]
    mine, default = renamed_machine("aws/small").xr["status"], world("aws/small").xr["status"]
    assert mine["nodePools"][0]["instanceType"] != default["nodePools"][0]["instanceType"]
