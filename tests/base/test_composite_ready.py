"""Crossplane derives the composite's readiness from what is composed; what is not composed yet counts too."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Condition, Outcome, Resource, Status, Whose
from tests.base import support as s

A = Resource("demo/a", s.managed("a"))
C = Resource("demo/c", None, waits_for="the network's id")
READY_A = {"demo/a": s.managed("a", ready=True)}


class Readiness(NamedTuple):
    name: str
    reason: str
    resources: tuple[Resource, ...]
    live: Condition
    observed: dict[str, dict[str, Any]]
    before: dict[str, tuple[dict[str, Any], bool | None]]
    want: str | None
    """What the composite's readiness is said to be; None leaves it to Crossplane."""


HOLDS = Condition("Live", Status.TRUE, "Live", "serving", Whose.MODEL)
TOLD = Condition("Live", Status.FALSE, "ScaledToZero", "as asked", Whose.MODEL, decides_ready=False)
FALSE = "READY_FALSE"
UNREADY_A = {"demo/a": s.managed("a", ready=False)}
BEFORE = s.managed("net")
READINESS = [
    Readiness("all-is-well", "Crossplane finds it Ready", (A,), HOLDS, READY_A, {}, None),
    Readiness("a-condition-is-false", "what exists may be ready", (A,), s.LIVE, READY_A, {}, FALSE),
    Readiness("told-only", "what was asked is there", (A,), TOLD, READY_A, {}, None),
    Readiness("nothing-composed-yet", "no resources are no Model", (), s.LIVE, {}, {}, FALSE),
    Readiness("held-back", "more is to come", (A, C), HOLDS, READY_A, {}, FALSE),
    Readiness("unready", "Crossplane's own words name the resource", (A, C), s.LIVE, UNREADY_A, {}, None),
    Readiness(
        "earlier-step-unready", "its resources too", (A,), s.LIVE, READY_A, {"x/n": (BEFORE, False)}, None
    ),
    Readiness(
        "earlier-step-silent",
        "a later step may yet call it ready, and would make the composite Ready",
        (A, C),
        HOLDS,
        READY_A,
        {"x/n": (BEFORE, None)},
        FALSE,
    ),
]


@pytest.mark.parametrize("case", READINESS, ids=lambda c: c.name)
def test_composite_is_not_ready(case: Readiness) -> None:
    decided = s.function(Outcome(case.resources, (s.VALID, case.live)))
    got = s.answer(decided, s.request(observed=case.observed, desired=case.before))
    assert got["desired"].get("composite", {}).get("ready") == case.want, case.reason


def test_a_later_step_does_not_make_the_composite_ready_again() -> None:
    message = s.request()
    message.desired.composite.ready = fnv1.READY_FALSE
    got = s.answer(s.function(Outcome(conditions=(s.VALID, HOLDS))), message)
    assert got["desired"]["composite"]["ready"] == FALSE
