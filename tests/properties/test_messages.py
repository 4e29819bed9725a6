"""What users read names things as they know them, while a claim is made, when parts fail, and when it changes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from functions.main import FUNCTIONS
from tests.properties.pipeline import Run, run
from tests.properties.worlds import World, clusters, models, name_of, while_made, world

EVERY = [*clusters(), *models()]
OURS = tuple(f"{name}/" for name in FUNCTIONS)


def said(made: Run) -> Iterator[str]:
    """Every text of a run that reaches the claim."""
    yield from (condition.message for condition in made.conditions.values())
    yield from made.notes


def broken(live: World, name: str, ready: bool) -> list[dict[str, Any]]:
    """What is observed when the provider fails on one resource."""
    observed = copy.deepcopy(live.observed)
    one = next(o for o in observed if name_of(o) == name)
    if "forProvider" in (one.get("spec") or {}):
        failing = {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "it says no"}
        status = {"type": "Ready", "status": str(ready), "reason": "Any"}
        one["status"] = {**one.get("status", {}), "conditions": [status, failing]}
    return observed


@pytest.mark.parametrize("example", EVERY)
def test_no_message_has_a_name_of_the_composition_while_it_is_made(example: str) -> None:
    for made in while_made(example):
        for text in said(made):
            assert not any(name in text for name in OURS), text
            assert "a resource that is not composed yet" not in text


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("example", EVERY)
def test_whatever_fails_is_told_by_a_name_that_users_know(example: str, ready: bool) -> None:
    """And its provider's words reach the claim, whether it serves already or not."""
    live = world(example)
    told = 0
    for name in sorted(live.names())[ready::4]:
        observed = broken(live, name, ready)
        texts = list(said(run(live.xr, observed, live.available)))
        assert not any(ours in text for text in texts for ours in OURS), texts
        told += any("it says no" in text for text in texts)
    assert told > 0
