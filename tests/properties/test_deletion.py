"""Deletion is said by the spec: what a function forgets stays, and what the spec no longer asks for goes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.base import Function, Outcome, Request
from functions.main import load
from tests.properties import pipeline
from tests.properties.pipeline import run
from tests.properties.worlds import World, clusters, models, settled, world

EVERY = [*clusters(), *models()]


@pytest.mark.parametrize("example", EVERY)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_function_that_forgets_resources_keeps_them(
    example: str, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = world(example)
    lost = set(data.draw(st.lists(st.sampled_from(sorted(live.names())), unique=True), label="forgotten"))

    def forgetful(name: str) -> Function:
        right = load(name)

        def compose(request: Request) -> Outcome:
            outcome = right.compose(request)
            return replace(outcome, resources=[r for r in outcome.resources if r.name not in lost])

        return replace(right, compose=compose)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "load", forgetful)
        made = run(live.xr, live.observed, live.available)
    assert made.fatal is None
    assert live.names() <= set(made.composed)


def smaller(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every spec that asks for a thing less: a node pool, an administrator."""
    for path in (("nodePools",), ("aws", "adminRoleArns")):
        items = spec
        for key in path:
            items = items.get(key) or {}
        for index in range(len(items)):
            if path == ("nodePools",) and len(items) == 1:
                continue
            less = copy.deepcopy(spec)
            _at(less, path).pop(index)
            yield f"{'.'.join(path)}[{index}]", less


def _at(spec: dict[str, Any], path: tuple[str, ...]) -> Any:
    node: Any = spec
    for key in path:
        node = node[key]
    return node


SMALLER = [
    pytest.param(example, spec, id=f"{example}-{what}")
    for example in EVERY
    for what, spec in smaller(world(example).xr["spec"])
]


def test_there_is_something_to_take_away() -> None:
    assert len(SMALLER) > len(clusters()), "pools and administrators"


@pytest.mark.parametrize(("example", "spec"), SMALLER)
def test_what_the_spec_no_longer_asks_for_goes(example: str, spec: dict[str, Any]) -> None:
    """A live claim whose spec asks for less comes to be what a new claim with that spec would be."""
    live = world(example)
    before = {**live.xr, "spec": spec}
    after = settled(before, live.observed, live.available)
    new = settled({**before, "status": {}}, [], live.available)
    assert after.names() == _expected(new, live), "nothing more and nothing less"
    # Nothing is composed for a pool of an existing cluster, once its nodes were found.
    assert after.names() < live.names() or (after.names() == live.names() and "existing" in spec)


def _expected(new: World, live: World) -> set[str]:
    """What a new claim composes, with what stays once it was there.

    A download that had a token is another Job than one without, and is done; LeaderWorkerSet stays.
    """
    stays = ("cluster-stack/leader-worker-set", "vllm/download-")
    kept = {n for n in live.names() if n.startswith(stays)}
    return {n for n in new.names() if not n.startswith(stays)} | kept
