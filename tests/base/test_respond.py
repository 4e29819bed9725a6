"""Whole responses: refusals, defects, requirements and status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from pydantic import BaseModel

from functions.base import (
    Condition,
    Function,
    Invalid,
    Outcome,
    Request,
    Resource,
    Selector,
    Status,
    Unanswered,
    Whose,
)
from functions.base.respond import respond
from functions.base.wire import to_plain, to_struct
from tests.base import support as s

BAD = Invalid("spec.gpu", "unknown GPU H900", "Use one of H100, L4", reason="UnknownGpu")
BAD_TEXT = "spec.gpu: unknown GPU H900. Use one of H100, L4."
SENT = {"freehold.dev/conditions": ["Earlier"]}


class Input(BaseModel):
    replicas: int = 1


KEY_ERROR = "KeyError: 'zone'"


def failed(error: str) -> str:
    return f"function-demo failed on {error}. Nothing was changed. {s.DEFECT}"


def read_input(request: Request) -> Outcome:
    return Outcome(conditions=(s.VALID, s.LIVE), status={"plan": request.parameters(Input).replicas})


class Case(NamedTuple):
    name: str
    reason: str
    function: Function
    request: fnv1.RunFunctionRequest
    want: dict[str, Any]


REFUSALS = [
    Case(
        "first-run",
        "conditions that were never decided are sent as Unknown, so that all exist",
        s.raising(BAD),
        s.request(),
        s.response(
            [s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"), s.unknown("Live")],
            results=s.refusal("UnknownGpu", BAD_TEXT),
            context={},
        ),
    ),
    Case(
        "standing-conditions",
        "core marks what is not sent with a FATAL as Unknown, whoever's it is",
        s.raising(BAD),
        s.request(
            s.xr(
                [
                    s.standing("Ready", "False"),
                    s.standing("Later", "False", "Creating", "[platform] wait"),
                    s.standing("Live", "True", "Available", "serving"),
                    s.standing("Foreign", "False", "Odd", "without an owner"),
                    s.standing("Valid", "True"),
                    s.standing("Secret", "True", "Inner", "not for tenants"),
                ],
                claimConditionTypes=["Later", "Live", "Foreign", "Valid"],
            )
        ),
        s.response(
            [
                s.condition("Later", "False", "Creating", "[platform] wait"),
                s.condition("Live", "True", "Available", "serving"),
                s.condition("Foreign", "False", "Odd", "without an owner"),
                s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"),
                s.condition("Secret", "True", "Inner", "not for tenants", claim=False),
            ],
            results=s.refusal("UnknownGpu", BAD_TEXT),
            context={},
        ),
    ),
    Case(
        "fresh-conditions-of-earlier-steps",
        "what an earlier step of this run has sent is newer than what stands",
        s.raising(BAD),
        s.request(s.xr([s.standing("Earlier"), s.standing("Later")]), context=SENT),
        s.response(
            [
                s.condition("Later", "True", "Fine", "as it is", claim=False),
                s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"),
                s.unknown("Live"),
            ],
            results=s.refusal("UnknownGpu", BAD_TEXT),
            context=SENT,
        ),
    ),
    Case(
        "another-iteration",
        "core hands our own context back when it answers a requirement",
        s.raising(BAD),
        s.request(context={"freehold.dev/conditions": ["Valid", "Live"]}),
        s.response(
            [s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"), s.unknown("Live")],
            results=s.refusal("UnknownGpu", BAD_TEXT),
        ),
    ),
    Case(
        "earlier-steps",
        "their desired state and context are theirs",
        s.raising(BAD),
        s.request(
            desired={"first/net": (s.managed("net"), True), "first/gpu": (s.managed("gpu"), None)},
            status={"network": {"id": 1}},
            context={"other/key": [1, {"a": None}]},
        ),
        s.response(
            [s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"), s.unknown("Live")],
            resources={"first/net": (s.managed("net"), True), "first/gpu": (s.managed("gpu"), None)},
            status={"network": {"id": 1}},
            results=s.refusal("UnknownGpu", BAD_TEXT),
            context={"other/key": [1, {"a": None}]},
        ),
    ),
    Case(
        "uncaught",
        "a defect names the function and the error, and is the platform team's",
        s.raising(KeyError("zone")),
        s.request(desired={"first/net": (s.managed("net"), False)}),
        s.response(
            [
                s.condition("Valid", "False", "FunctionFailed", f"[platform] {failed(KEY_ERROR)}"),
                s.unknown("Live"),
            ],
            resources={"first/net": (s.managed("net"), False)},
            results=s.refusal("FunctionFailed", failed(KEY_ERROR)),
            context={},
        ),
    ),
    Case(
        "strange-conditions",
        "conditions that no schema allows must not stop the refusal",
        s.raising(BAD),
        s.request({**s.xr([{"type": "Live", "status": "Perhaps"}, {"status": "True"}])}),
        s.response(
            [
                s.condition("Live", "Unknown", "Unknown", ""),
                s.condition("Valid", "False", "UnknownGpu", f"[model] {BAD_TEXT}"),
            ],
            results=s.refusal("UnknownGpu", BAD_TEXT),
            context={},
        ),
    ),
    Case(
        "no-composite",
        "an empty request is a defect of whoever sent it, not an invalid spec",
        s.function(Outcome(conditions=(s.VALID, s.LIVE))),
        s.request({}),
        s.response(
            [
                s.condition(
                    "Valid",
                    "False",
                    "FunctionFailed",
                    f"[platform] {failed('ValueError: the request holds no composite')}",
                ),
                s.unknown("Live"),
            ],
            results=s.refusal("FunctionFailed", failed("ValueError: the request holds no composite")),
            context={},
        ),
    ),
    Case(
        "input-of-a-wrong-type",
        "the platform team writes the input, so it is not the model's owner who mends it",
        s.function(read_input),
        s.request(input={"apiVersion": "x/v1", "kind": "Input", "replicas": "many"}),
        s.response(
            [
                s.condition(
                    "Valid",
                    "False",
                    "InvalidSpec",
                    "[platform] input.replicas: has to be a whole number (got 'many'). Correct this field.",
                ),
                s.unknown("Live"),
            ],
            results=s.refusal(
                "InvalidSpec",
                "input.replicas: has to be a whole number (got 'many'). Correct this field.",
            ),
            context={},
        ),
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: c.name)
def test_refusal(case: Case) -> None:
    assert s.answer(case.function, case.request) == case.want, case.reason


def test_defect_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        respond(s.raising(ZeroDivisionError("by hand")), s.request())
    assert "demo failed" in caplog.text
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError: by hand" in caplog.text


def test_refusal_of_a_spec_is_not_logged_as_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    respond(s.raising(BAD), s.request())
    assert caplog.text == ""


def test_an_error_that_cannot_be_printed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)  # nor can pytest print the log
    got = s.answer(s.raising(ValueError("broken \udcff name")), s.request())
    assert got["results"] == s.refusal("FunctionFailed", failed("ValueError: broken ? name"))


def as_value(text: str) -> Any:
    message = s.request({"a": text})
    return message.observed.composite.resource.fields["a"]


def garbage(edit: Callable[[fnv1.RunFunctionRequest], object]) -> fnv1.RunFunctionRequest:
    message = s.request(observed={"demo/a": s.managed("a", ready=True)})
    edit(message)
    return message


MALFORMED = {
    "nothing at all": fnv1.RunFunctionRequest(),
    "status is a text": s.request({**s.xr(), "status": "x"}),
    "status is null": s.request({**s.xr(), "status": None}),
    "metadata is a list": s.request({**s.xr(), "metadata": []}),
    "spec is a number": s.request({**s.xr(), "spec": 1}),
    "claimRef is a text": s.request({**s.xr(), "spec": {"claimRef": "x"}}),
    "conditions is a map": s.request({**s.xr(), "status": {"conditions": {}, "claimConditionTypes": 1}}),
    "desired status is a text": garbage(
        lambda m: m.desired.composite.resource.fields["status"].MergeFrom(as_value("x"))
    ),
    "context is not a list of types": s.request(context={"freehold.dev/conditions": 5}),
    "observed resource is empty": garbage(lambda m: m.observed.resources["demo/a"].Clear()),
    "observed metadata is null": garbage(
        lambda m: m.observed.resources["demo/a"].resource.fields["metadata"].Clear()
    ),
}


def look_at_everything(request: Request) -> Outcome:
    request.spec(Input)
    request.parameters(Input)
    request.status(Input, "plan")
    return Outcome((), (s.VALID,), {"plan": request.claim.name})


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_never_raises(name: str) -> None:
    got = s.answer(s.function(look_at_everything), MALFORMED[name])
    assert {"Valid", "Live"} == {c["type"] for c in got["conditions"]}


CLUSTERS = Selector("freehold.dev/v1alpha1", "XInferenceCluster", labels=(("a", "b"),))
BY_NAME = Selector("v1", "Secret", name="token")
CLUSTERS_ASKED = {
    "apiVersion": "freehold.dev/v1alpha1",
    "kind": "XInferenceCluster",
    "matchLabels": {"labels": {"a": "b"}},
}
PLANNED: dict[str, Any] = {"plan": {"pool": "l4"}, "endpoint": "http://x"}


def ask(request: Request) -> Outcome:
    found = request.require("clusters", CLUSTERS)
    plan = ", ".join(cluster.name for cluster in found) or "no cluster"
    return Outcome((), (s.VALID, s.LIVE), {"plan": plan})


def ask_or_go_on(request: Request) -> Outcome:
    try:
        return ask(request)
    except Unanswered:
        return Outcome((), (s.VALID, s.LIVE), {"plan": "recorded"})


def ask_twice(request: Request) -> Outcome:
    request.require("token", BY_NAME)
    return ask(request)


EXISTING = {"demo/a": s.managed("a", ready=True), "demo/b": s.managed("b", ready=False)}
REQUIREMENTS = [
    Case(
        "unanswered",
        "1b: an absent key means not asked before; everything stays as it is",
        s.function(ask),
        s.request(
            s.xr([s.standing("Live", "False", "Starting", "[infrastructure] wait for it")], **PLANNED, own=1),
            observed={**EXISTING, "other/c": s.managed("c", ready=True)},
            desired={"first/net": (s.managed("net"), True)},
            status={"network": 1},
        ),
        s.response(
            [s.unknown("Valid"), s.LIVE_SENT],
            resources={
                "demo/a": (s.managed("a"), True),
                "demo/b": (s.managed("b"), False),
                "first/net": (s.managed("net"), True),
            },
            status={**PLANNED, "network": 1},
            requirements={"clusters": CLUSTERS_ASKED},
        ),
    ),
    Case(
        "answered-with-nothing",
        "1c: a present, empty key is an answer; the requirement is stated again, to be watched",
        s.function(ask),
        s.request(s.xr(**PLANNED), answers={"clusters": ()}),
        s.response(
            [s.VALID_SENT, s.LIVE_SENT],
            status={**PLANNED, "plan": "no cluster"},
            requirements={"clusters": CLUSTERS_ASKED},
        ),
    ),
    Case(
        "answered",
        "in the order of the answer",
        s.function(ask),
        s.request(answers={"clusters": [s.config("b"), s.config("a")], "unasked": [s.config("c")]}),
        s.response(
            [s.VALID_SENT, s.LIVE_SENT], status={"plan": "b, a"}, requirements={"clusters": CLUSTERS_ASKED}
        ),
    ),
    Case(
        "one-of-two-answered",
        "both are stated, or core would take the answered one away again",
        s.function(ask_twice),
        s.request(answers={"token": ()}),
        s.response(
            [s.unknown("Valid"), s.unknown("Live")],
            requirements={
                "clusters": CLUSTERS_ASKED,
                "token": {"apiVersion": "v1", "kind": "Secret", "matchName": "token"},
            },
        ),
    ),
    Case(
        "unanswered-and-caught",
        "a function may go on from its recorded plan, and still asks",
        s.function(ask_or_go_on),
        s.request(),
        s.response(
            [s.VALID_SENT, s.LIVE_SENT],
            status={"plan": "recorded"},
            requirements={"clusters": CLUSTERS_ASKED},
        ),
    ),
]


@pytest.mark.parametrize("case", REQUIREMENTS, ids=lambda c: c.name)
def test_requirement(case: Case) -> None:
    assert s.answer(case.function, case.request) == case.want, case.reason


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        pytest.param(None, "unanswered", id="unanswered"),
        pytest.param({"type": "object"}, "True", id="known"),
        pytest.param({}, "True", id="known-without-schema"),
        pytest.param("", "False", id="not-known"),
    ],
)
def test_a_required_kind(answer: dict[str, Any] | str | None, known: str) -> None:
    def compose(request: Request) -> Outcome:
        try:
            return Outcome(status={"plan": str(request.require_kind("test.dev/v1", "House"))})
        except Unanswered:
            return Outcome(status={"plan": "unanswered"})

    request = s.request()
    if answer is not None:
        request.required_schemas["test.dev/v1/House"].SetInParent()
    if isinstance(answer, dict):
        to_struct(answer, request.required_schemas["test.dev/v1/House"].openapi_v3)
        request.required_schemas["test.dev/v1/House"].openapi_v3.SetInParent()
    response = respond(s.function(compose), request)
    assert to_plain(response.desired.composite.resource)["status"]["plan"] == known
    asked = response.requirements.schemas["test.dev/v1/House"]
    assert (asked.api_version, asked.kind) == ("test.dev/v1", "House"), (
        "stated again, or core would ask for ever"
    )


def test_selector_of_everything_matches_labels() -> None:
    def compose(request: Request) -> Outcome:
        request.require("all", Selector("v1", "Pod"))
        return Outcome()

    asked = respond(s.function(compose), s.request()).requirements.resources["all"]
    assert asked.WhichOneof("match") == "match_labels", "core refuses a selector without a match"


def with_status(status: dict[str, Any]) -> Function:
    return s.function(Outcome((), (s.VALID, s.LIVE), status))


def read_before(request: Request) -> Outcome:
    found = request.status(Input, "network")
    return Outcome((), (s.VALID, s.LIVE), {"plan": found.replicas if found else None})


STATUS = [
    Case(
        "not-mentioned",
        "a key left out of desired status is deleted, so what stands is sent again",
        with_status({"plan": "new"}),
        s.request(s.xr(plan="old", endpoint={"url": "u", "ports": [1, 2]}, foreign="theirs")),
        s.response(
            [s.VALID_SENT, s.LIVE_SENT], status={"plan": "new", "endpoint": {"url": "u", "ports": [1, 2]}}
        ),
    ),
    Case(
        "taken-away",
        "None says that the key goes",
        with_status({"plan": "new", "endpoint": None}),
        s.request(s.xr(plan="old", endpoint="u")),
        s.response([s.VALID_SENT, s.LIVE_SENT], status={"plan": "new"}),
    ),
    Case(
        "earlier-step",
        "its keys survive ours",
        with_status({"plan": {"a": 1}}),
        s.request(s.xr(network={"id": "stale"}), status={"network": {"id": "n"}, "pools": []}),
        s.response(
            [s.VALID_SENT, s.LIVE_SENT], status={"network": {"id": "n"}, "pools": [], "plan": {"a": 1}}
        ),
    ),
    Case(
        "same-key",
        "a key is one function's: it is replaced, lists in it not grown by every step",
        with_status({"plan": {"pools": [1]}}),
        s.request(status={"plan": {"pools": [7, 8], "old": True}}),
        s.response([s.VALID_SENT, s.LIVE_SENT], status={"plan": {"pools": [1]}}),
    ),
    Case(
        "earlier-step-is-newer",
        "what an earlier step desires in this run goes before what stands",
        s.function(read_before),
        s.request(s.xr(network={"replicas": 1}), status={"network": {"replicas": 2}}),
        s.response([s.VALID_SENT, s.LIVE_SENT], status={"network": {"replicas": 2}, "plan": 2}),
    ),
    Case(
        "earlier-step-is-silent",
        "then what stands is what there is",
        s.function(read_before),
        s.request(s.xr(network={"replicas": 1}), status={"pools": 1}),
        s.response([s.VALID_SENT, s.LIVE_SENT], status={"pools": 1, "plan": 1}),
    ),
]


@pytest.mark.parametrize("case", STATUS, ids=lambda c: c.name)
def test_status(case: Case) -> None:
    assert s.answer(case.function, case.request) == case.want, case.reason


class Defect(NamedTuple):
    name: str
    outcome: Outcome
    error: str


DEFECTS = [
    Defect(
        "stray-status",
        Outcome(status={"plan": 1, "plans": 2}),
        "ValueError: status keys ['plans'] are not declared by demo",
    ),
    Defect(
        "stray-condition",
        Outcome(conditions=(Condition("Alive", Status.TRUE, "A", "a", Whose.MODEL),)),
        "ValueError: conditions ['Alive'] are not declared by demo",
    ),
    Defect(
        "foreign-name",
        Outcome([Resource("vllm/a", s.managed("a"))]),
        "ValueError: composed resource 'vllm/a' must begin with 'demo/'",
    ),
    Defect(
        "asked-for-and-given-up",
        Outcome([Resource("demo/a", s.managed("a"))], gone=["demo/a"]),
        "ValueError: composed resource 'demo/a' is not this function's to give up, or is asked for",
    ),
    Defect(
        "another-functions-given-up",
        Outcome(gone=["vllm/a"]),
        "ValueError: composed resource 'vllm/a' is not this function's to give up, or is asked for",
    ),
    Defect(
        "same-name-twice",
        Outcome([Resource("demo/a", s.managed("a")), Resource("demo/a", s.managed("b"))]),
        "ValueError: composed resource 'demo/a' is named twice",
    ),
    Defect(
        "not-plain-data",
        Outcome([Resource("demo/a", {"spec": {"list": [1, {"when": {1}}]}})]),
        "TypeError: .spec.list.1.when: set is not plain data",
    ),
]


@pytest.mark.parametrize("case", DEFECTS, ids=lambda c: c.name)
@pytest.mark.parametrize("live", [False, True], ids=["new", "live"])
def test_defect_of_a_function_stops_it(case: Defect, live: bool) -> None:
    observed = EXISTING if live else {}
    got = s.answer(s.function(case.outcome), s.request(observed=observed, status={"network": 1}))
    assert got["results"] == s.refusal("FunctionFailed", failed(case.error))
    assert got["desired"] == {"composite": {"resource": {"status": {"network": 1}}}}, (
        "nothing half-written; core applies none of it"
    )


def test_notes_reach_the_claim_as_warnings() -> None:
    got = s.answer(s.function(Outcome(conditions=(s.VALID, s.LIVE), notes=("a", "b"))), s.request())
    target = "TARGET_COMPOSITE_AND_CLAIM"
    results = [{"severity": "SEVERITY_WARNING", "message": m, "target": target} for m in ("a", "b")]
    assert got == s.response([s.VALID_SENT, s.LIVE_SENT], results=results)


def test_context_lists_the_conditions_of_every_step() -> None:
    second = s.response(
        [s.VALID_SENT, s.LIVE_SENT], context={"freehold.dev/conditions": ["Earlier", "Valid", "Live"]}
    )
    done = s.function(Outcome(conditions=(s.VALID, s.LIVE)))
    assert s.answer(done, s.request(context=SENT)) == second
    again = s.request(context=second["context"])
    assert s.answer(done, again) == second, "asked again with its own context, it adds nothing"
