"""Conditions: which are sent, what they say and whose they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import (
    Condition,
    Function,
    Invalid,
    Outcome,
    Progress,
    Resource,
    Status,
    Whose,
    reports,
)
from tests.base import support as s

A = Resource("demo/a", s.managed("a"), label="the first thing")
B = Resource("demo/b", s.managed("b"), after=("demo/a",))
C = Resource("demo/c", None, waits_for="the network's id", label="the third thing")
D = Resource("demo/d", s.managed("d", version="2"), current=reports("version"))


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


READY_A = {"demo/a": s.managed("a", ready=True)}
AVAILABLE = s.condition("Live", "True", "Available", "all there")


def reporting(*conditions: dict[str, Any], ready: str = "", **metadata: Any) -> dict[str, Any]:
    """Return Thing a with these conditions, and with Ready where it is given."""
    made = s.managed("a")
    own = [s.standing("Ready", ready)] if ready else []
    made["metadata"] |= metadata
    return {**made, "status": {"conditions": [*own, *conditions]}}


def synced(status: str = "True", **more: Any) -> dict[str, Any]:
    return {**s.standing("Synced", status, "Reconcile", "the API is slow"), **more}


def said(status: str, reason: str, text: str) -> dict[str, Any]:
    return s.condition("Live", status, reason, text)


ONGOING = s.standing("AsyncOperation", "False", "Ongoing")
DENIED = s.standing("LastAsyncOperation", "False", "AsyncUpdateFailure", "denied.")
LAST_DENIED = s.standing("LastAsyncOperation", "False", "AsyncCreateFailure", "denied")
CANNOT = s.managed("a", ready=False, failure="no quota.\n")
PROGRESS = [
    Case("all-ready", "True needs no owner", over("a"), READY_A, AVAILABLE),
    Case("none", "nothing to wait for", over(), {}, AVAILABLE),
    Case("just-created", "it is not ready yet", over("a"), {}, creating("the first thing is not ready yet")),
    Case(
        "held-back",
        "the first thing missing says why, by its label, and what it waits for by that one's; the rest is counted",
        over("b", "c", "a"),
        {},
        creating("Thing b waits for the first thing (2 more to come)"),
    ),
    Case(
        "unknown-input",
        "in the function's own words",
        over("a", "c", hint="Check the network."),
        READY_A,
        creating("the third thing waits for the network's id. Check the network."),
    ),
    Case(
        "never-decided",
        "a name that nothing desires is not ready, and no user knows that name",
        over("x"),
        {},
        creating("a resource that is not composed yet is not ready yet"),
    ),
    Case(
        "provider-cannot",
        "the provider's own message goes first, though another is only waiting",
        over("c", "a", hint="Raise the quota."),
        {"demo/a": CANNOT},
        failing("the first thing: no quota. Raise the quota."),
    ),
    Case(
        "provider-cannot-before-ready-is-said",
        "a failure at the first attempt",
        over("a"),
        {"demo/a": s.managed("a", failure="no quota")},
        failing("the first thing: no quota"),
    ),
    Case(
        "asynchronous-failure",
        "upjet reports it apart from Synced",
        over("a"),
        {"demo/a": reporting(LAST_DENIED)},
        failing("the first thing: denied"),
    ),
    Case(
        "failure-without-words",
        "at least its reason",
        over("a"),
        {"demo/a": reporting({"type": "Synced", "status": "False", "reason": "ReconcileError"})},
        failing("the first thing: ReconcileError"),
    ),
    Case(
        "update-refused",
        "what serves is still True, and the provider's own words say why it is not as asked",
        over("a", hint="Ask for less."),
        {"demo/a": s.managed("a", ready=True, failure="denied.")},
        said(
            "True",
            "UpdateFailing",
            "[infrastructure] the provider cannot update the first thing: denied. As before, all there. "
            "Ask for less.",
        ),
    ),
    Case(
        "asynchronous-update-refused",
        "as EKS does after minutes",
        over("a"),
        {"demo/a": reporting(synced(), DENIED, ready="True")},
        said(
            "True",
            "UpdateFailing",
            "[infrastructure] the provider cannot update the first thing: denied. As before, all there",
        ),
    ),
    Case(
        "update-refused-while-another-is-made",
        "the refusal is news, that something is on its way is none",
        over("b", "a"),
        {"demo/a": s.managed("a", ready=True, failure="denied")},
        said(
            "False",
            "UpdateFailing",
            "[infrastructure] the provider cannot update the first thing: denied",
        ),
    ),
    Case(
        "another-cannot-be-made",
        "what keeps the condition False goes before what only cannot be changed",
        over("a", "b"),
        {
            "demo/a": s.managed("a", ready=True, failure="denied"),
            "demo/b": s.managed("b", ready=False, failure="no quota"),
        },
        failing("Thing b: no quota"),
    ),
    Case(
        "changed-in-this-run",
        "the provider has not seen yet what is desired now",
        over("a"),
        {"demo/a": s.managed("a", ready=True, region="there")},
        said("True", "Updating", "all there; being updated: the first thing"),
    ),
    Case(
        "filled-in-by-the-provider",
        "what others added is no change of ours",
        over("a"),
        {"demo/a": s.managed("a", ready=True, arn="late", tags={"x": "y"})},
        AVAILABLE,
    ),
    Case(
        "not-looked-at",
        "its conditions are of an earlier generation",
        over("a"),
        {"demo/a": reporting(synced(observedGeneration=1), ready="True", generation=2)},
        said("True", "Updating", "all there; being updated: the first thing"),
    ),
    Case(
        "looked-at",
        "of the newest generation",
        over("a"),
        {"demo/a": reporting(synced(observedGeneration=2), ready="True", generation=2)},
        AVAILABLE,
    ),
    Case(
        "operation-goes-on",
        "EKS takes a quarter of an hour",
        over("a"),
        {"demo/a": reporting(synced(), ONGOING, ready="True")},
        said("True", "Updating", "all there; being updated: the first thing"),
    ),
    Case(
        "reports-another-state",
        "what the cloud says of it is not what is asked",
        over("d", "a"),
        {
            **READY_A,
            "demo/d": {**s.managed("d", ready=True, version="2")}
            | {"status": {"conditions": [s.standing("Ready")], "atProvider": {"version": "1"}}},
        },
        said("True", "Updating", "all there; being updated: Thing d"),
    ),
    Case(
        "reports-the-state-asked-for",
        "then it is done",
        over("d"),
        {
            "demo/d": {**s.managed("d", ready=True, version="2")}
            | {"status": {"conditions": [s.standing("Ready")], "atProvider": {"version": "2"}}},
        },
        AVAILABLE,
    ),
    Case(
        "owner",
        "a function says whose it is",
        over("a", whose=Whose.MODEL),
        {},
        s.condition("Live", "False", "Creating", "[model] the first thing is not ready yet"),
    ),
]


@pytest.mark.parametrize("case", PROGRESS, ids=lambda c: c.name)
def test_progress(case: Case) -> None:
    decided = s.function(Outcome((A, B, C, D), (s.VALID, case.progress)))
    got = s.answer(decided, s.request(observed=case.observed))
    assert got["conditions"] == [s.VALID_SENT, case.want], case.reason


def test_a_refused_update_leaves_the_composite_ready() -> None:
    """Ready follows what serves; the condition tells the rest."""
    observed = {"demo/a": s.managed("a", ready=True, failure="denied")}
    got = s.answer(s.function(Outcome((A,), (s.VALID, over("a")))), s.request(observed=observed))
    assert got["conditions"][1]["reason"] == "UpdateFailing"
    assert "composite" not in got["desired"], "as Crossplane finds it"


@pytest.mark.parametrize(
    ("manifest", "label"),
    [
        pytest.param({"kind": "Role", "metadata": {"name": "x-role"}}, "Role x-role", id="kind and name"),
        pytest.param(
            {
                "kind": "Object",
                "metadata": {"name": "x"},
                "spec": {
                    "forProvider": {
                        "manifest": {"kind": "Deployment", "metadata": {"name": "vllm", "namespace": "team"}}
                    }
                },
            },
            "Deployment team/vllm",
            id="what an Object stands for",
        ),
    ],
)
def test_what_has_no_label_is_named_by_its_kind(manifest: dict[str, Any], label: str) -> None:
    decided = Outcome((Resource("demo/a", manifest),), (s.VALID, over("a")))
    got = s.answer(s.function(decided), s.request())
    assert got["conditions"][1] == creating(f"{label} is not ready yet")


def test_another_functions_resource_has_the_label_that_the_function_gives() -> None:
    waits = Resource("demo/a", s.managed("a"), after=("first/net",))
    labelled = replace(
        s.function(Outcome((waits,), (s.VALID, over("a")))), labels={"first/net": "the network"}
    )
    got = s.answer(labelled, s.request())
    assert got["conditions"][1] == creating("Thing a waits for the network")


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
