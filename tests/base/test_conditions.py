"""Conditions: which are sent, what they say and whose they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Condition, Function, Invalid, Outcome, Progress, Resource, Status, Whose
from functions.base.assemble import IN_FLIGHT
from tests.base import support as s

A = Resource("demo/a", s.managed("a"))
B = Resource("demo/b", s.managed("b"), after=("demo/a",))
C = Resource("demo/c", None, waits_for="the network's id")


class Case(NamedTuple):
    name: str
    reason: str
    progress: Progress
    observed: dict[str, dict[str, Any]]
    want: dict[str, Any]


def over(*names: str, hint: str = "", whose: Whose = Whose.INFRASTRUCTURE) -> Progress:
    return Progress("Live", tuple(f"demo/{n}" for n in names), "all there", whose, hint)


def creating(text: str) -> dict[str, Any]:
    return s.condition("Live", "False", "Creating", f"[infrastructure] {text}")


def failing(text: str) -> dict[str, Any]:
    return s.condition("Live", "False", "Failing", f"[infrastructure] {text}")


def reporting(condition: dict[str, Any]) -> dict[str, Any]:
    return {**s.managed("a"), "status": {"conditions": [condition]}}


READY_A = {"demo/a": s.managed("a", ready=True)}
AVAILABLE = s.condition("Live", "True", "Available", "all there")
PROGRESS = [
    Case("all-ready", "True needs no owner", over("a"), READY_A, AVAILABLE),
    Case("none", "nothing to wait for", over(), {}, AVAILABLE),
    Case("just-created", "it is not ready yet", over("a"), {}, creating("demo/a is not ready yet")),
    Case(
        "held-back",
        "the first thing missing says why, the rest is counted",
        over("b", "c", "a"),
        {},
        creating("demo/b waits for demo/a (2 more to come)"),
    ),
    Case(
        "unknown-input",
        "in the function's own words",
        over("a", "c", hint="Check the network."),
        READY_A,
        creating("demo/c waits for the network's id. Check the network."),
    ),
    Case(
        "never-decided",
        "a name that nothing desires is not ready",
        over("x"),
        {},
        creating("demo/x is not ready yet"),
    ),
    Case(
        "provider-cannot",
        "the provider's own message goes first, though another is only waiting",
        over("c", "a", hint="Raise the quota."),
        {"demo/a": s.managed("a", ready=False, failure="no quota.\n")},
        failing("demo/a: no quota. Raise the quota."),
    ),
    Case(
        "provider-cannot-before-ready-is-said",
        "a failure at the first attempt",
        over("a"),
        {"demo/a": s.managed("a", failure="no quota")},
        failing("demo/a: no quota"),
    ),
    Case(
        "asynchronous-failure",
        "upjet reports it apart from Synced",
        over("a"),
        {"demo/a": reporting(s.standing("LastAsyncOperation", "False", "AsyncCreateFailure", "denied"))},
        failing("demo/a: denied"),
    ),
    Case(
        "failure-without-words",
        "at least its reason",
        over("a"),
        {"demo/a": reporting({"type": "Synced", "status": "False", "reason": "ReconcileError"})},
        failing("demo/a: ReconcileError"),
    ),
    Case(
        "failure-of-a-ready-one",
        "what serves is Available, whatever its provider could not change",
        over("a"),
        {"demo/a": s.managed("a", ready=True, failure="denied")},
        AVAILABLE,
    ),
    Case(
        "owner",
        "a function says whose it is",
        over("a", whose=Whose.MODEL),
        {},
        s.condition("Live", "False", "Creating", "[model] demo/a is not ready yet"),
    ),
]


@pytest.mark.parametrize("case", PROGRESS, ids=lambda c: c.name)
def test_progress(case: Case) -> None:
    decided = s.function(Outcome((A, B, C), (s.VALID, case.progress)))
    got = s.answer(decided, s.request(observed=case.observed))
    assert got["conditions"] == [s.VALID_SENT, case.want], case.reason


def test_progress_says_that_a_wave_is_full() -> None:
    many = [Resource(f"demo/{i}", s.managed(str(i))) for i in range(IN_FLIGHT + 1)]
    progress = over(str(IN_FLIGHT))
    got = s.answer(s.function(Outcome(many, (s.VALID, progress))), s.request())
    assert got["conditions"][1] == creating(f"demo/{IN_FLIGHT} waits for its turn")


def test_progress_counts_what_earlier_steps_made_ready() -> None:
    progress = Progress("Live", ("first/net",), "all there")
    before = {"first/net": (s.managed("net"), True)}
    got = s.answer(s.function(Outcome((), (s.VALID, progress))), s.request(desired=before))
    assert got["conditions"][1] == AVAILABLE


STANDING = [
    s.standing("Ready", "False", "Creating", "crossplane's own"),
    s.standing("Synced"),
    s.standing("Healthy"),
    s.standing("UpToDate"),
    s.standing("Responsive"),
    s.standing("Valid", "False", "NoGpu", "[platform] buy some"),
    s.standing("Live", "True", "Available", "[model] odd, but as it stands"),
    s.standing("Other", "Unknown", "Why", "[who] knows"),
]
OTHER = s.condition("Other", "Unknown", "Why", "[who] knows", claim=False)
VALID_STANDS = s.condition("Valid", "False", "NoGpu", "[platform] buy some")
LIVE_STANDS = s.condition("Live", "True", "Available", "[model] odd, but as it stands")


def test_an_undecided_condition_is_sent_as_it_stands() -> None:
    decided = s.function(Outcome(conditions=(s.LIVE,)))
    got = s.answer(decided, s.request(s.xr(STANDING)))
    assert got["conditions"] == [VALID_STANDS, s.LIVE_SENT], "and nobody else's, which stay by themselves"


def test_a_refusal_sends_all_but_the_system_conditions() -> None:
    got = s.answer(s.raising(Invalid("spec.a", "is wrong", "Mend it")), s.request(s.xr(STANDING)))
    refused = s.condition("Valid", "False", "InvalidSpec", "[model] spec.a: is wrong. Mend it.")
    assert got["conditions"] == [refused, LIVE_STANDS, OTHER]


def resent(got: dict[str, Any]) -> list[dict[str, Any]]:
    """Return sent conditions as Crossplane writes them into the status."""
    spelt = {f"STATUS_CONDITION_{s.value.upper()}": s.value for s in Status}
    return [{**c, "status": spelt[c["status"]]} for c in got["conditions"]]


@pytest.mark.parametrize("whose", Whose)
@pytest.mark.parametrize("status", Status)
def test_owners_do_not_pile_up(whose: Whose, status: Status) -> None:
    decided = Condition("Live", status, "Reason", "text [model] text", whose)
    first = s.answer(s.function(Outcome(conditions=(s.VALID, decided))), s.request())
    prefix = "" if status is Status.TRUE else f"[{whose.value}] "
    assert first["conditions"][1]["message"] == f"{prefix}text [model] text"
    undecided = s.function(Outcome())
    again = s.answer(undecided, s.request(s.xr(resent(first))))
    assert again["conditions"] == first["conditions"]
    refused = s.answer(s.raising(Invalid("spec.a", "b", "c")), s.request(s.xr(resent(first))))
    assert refused["conditions"][1] == first["conditions"][1]


def test_every_type_is_in_every_response() -> None:
    got = s.answer(s.function(Outcome()), s.request())
    assert got["conditions"] == [s.unknown("Valid"), s.unknown("Live")]


@pytest.mark.parametrize("types", [(), ("Valid", "Ready"), ("Healthy",), ("UpToDate",), ("Responsive",)])
def test_a_function_cannot_declare_what_crossplane_ignores(types: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="demo must declare conditions, and none of"):
        Function("demo", types, (), Whose.MODEL, lambda _: Outcome())


def test_targets_are_never_left_unsaid() -> None:
    got = s.answer(s.raising(KeyError("x")), s.request(s.xr(STANDING, claimConditionTypes=["Other"])))
    both = fnv1.Target.Name(fnv1.TARGET_COMPOSITE_AND_CLAIM)
    assert {item["target"] for item in [*got["conditions"], *got["results"]]} == {both}
