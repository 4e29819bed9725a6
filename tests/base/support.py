"""Small functions, requests and whole responses for the tests of `base`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from google.protobuf import json_format

from functions.base import Condition, Function, Outcome, Request, Status, Whose
from functions.base.respond import respond
from functions.base.wire import to_struct

Object = dict[str, Any]

VALID = Condition("Valid", Status.TRUE, "Valid", "the spec is valid", Whose.MODEL)
LIVE = Condition("Live", Status.FALSE, "Starting", "wait for it", Whose.INFRASTRUCTURE)
DEFECT = "This is a defect: give its log to the platform team"


def function(compose: Callable[[Request], Outcome] | Outcome, name: str = "demo") -> Function:
    """Return a function that decides `compose`; a mere outcome is always decided."""
    decide = (lambda _: compose) if isinstance(compose, Outcome) else compose
    return Function(name, ("Valid", "Live"), ("plan", "endpoint"), Whose.MODEL, decide)


def raising(error: BaseException) -> Function:
    """Return a function that raises."""

    def compose(_: Request) -> Outcome:
        raise error

    return function(compose)


def xr(conditions: Sequence[Object] = (), spec: Object | None = None, **status: Any) -> Object:
    """Return a composite whose claim is `team/claim`."""
    return {
        "apiVersion": "test.dev/v1",
        "kind": "XTest",
        "metadata": {"name": "claim-x7f2k"},
        "spec": {"claimRef": {"namespace": "team", "name": "claim"}, **(spec or {})},
        "status": {"conditions": list(conditions), **status},
    }


def standing(type_: str, status: str = "True", reason: str = "Fine", message: str = "as it is") -> Object:
    """Return a condition as it stands in a composite's status."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def request(
    composite: Object | None = None,
    observed: Mapping[str, Object] | None = None,
    desired: Mapping[str, tuple[Object, bool | None]] | None = None,
    answers: Mapping[str, Sequence[Object]] | None = None,
    input: Object | None = None,
    status: Object | None = None,
    context: Object | None = None,
) -> fnv1.RunFunctionRequest:
    """Return a request.

    Args:
        composite: the observed composite; `xr()` unless given.
        observed: composed resources that exist.
        desired: what earlier steps desire, and whether it is ready; None: not said.
        answers: required resources.
        input: of this pipeline step.
        status: what earlier steps desire of the composite's status.
        context: what earlier steps left there.
    """
    message = fnv1.RunFunctionRequest()
    message.meta.tag = "tag"
    to_struct(xr() if composite is None else composite, message.observed.composite.resource)
    for name, live in (observed or {}).items():
        to_struct(live, message.observed.resources[name].resource)
    for name, (manifest, ready) in (desired or {}).items():
        resource = message.desired.resources[name]
        to_struct(manifest, resource.resource)
        if ready is not None:
            resource.ready = fnv1.READY_TRUE if ready else fnv1.READY_FALSE
    for key, items in (answers or {}).items():
        message.required_resources[key].SetInParent()
        for item in items:
            to_struct(item, message.required_resources[key].items.add().resource)
    if input is not None:
        to_struct(input, message.input)
    if status is not None:
        to_struct({"status": status}, message.desired.composite.resource)
    if context is not None:
        to_struct(context, message.context)
    return message


def answer(asked: Function, message: fnv1.RunFunctionRequest) -> Object:
    """Return the whole response as JSON."""
    return as_json(respond(asked, message))


def as_json(message: fnv1.RunFunctionResponse) -> Object:
    """Return a response as JSON."""
    return {key: value for key, value in json_format.MessageToDict(message).items() if value != {}}


def response(
    conditions: Sequence[Object],
    resources: Mapping[str, tuple[Object, bool | None]] | None = None,
    status: Object | None = None,
    results: Sequence[Object] = (),
    requirements: Object | None = None,
    context: Object | None = None,
) -> Object:
    """Return a whole response as JSON, to compare with `answer`.

    The composite is not ready where a condition does not hold, unless what is composed
    says so already: `test_composite_is_not_ready` has the details.
    """
    said: dict[bool | None, Object] = {
        True: {"ready": "READY_TRUE"},
        False: {"ready": "READY_FALSE"},
        None: {},
    }
    desired: Object = {}
    if resources:
        desired["resources"] = {n: {"resource": m, **said[r]} for n, (m, r) in resources.items()}
    if status:
        desired["composite"] = {"resource": {"status": status}}
    holds = all(c["status"] == "STATUS_CONDITION_TRUE" for c in conditions)
    unready = any(ready is False for _, ready in (resources or {}).values())
    refused = any(result["severity"] == "SEVERITY_FATAL" for result in results)
    if not (holds or unready or refused):
        desired.setdefault("composite", {})["ready"] = "READY_FALSE"
    whole: Object = {
        "meta": {"tag": "tag", "ttl": "60s"},
        "desired": desired,
        "conditions": list(conditions),
        "results": list(results),
        "requirements": {"resources": requirements} if requirements else {},
        "context": {"freehold.dev/conditions": ["Valid", "Live"]} if context is None else context,
    }
    return {key: value for key, value in whole.items() if value}


def condition(type_: str, status: str, reason: str, message: str, claim: bool = True) -> Object:
    """Return a condition as it is sent."""
    return {
        "type": type_,
        "status": f"STATUS_CONDITION_{status.upper()}",
        "reason": reason,
        "message": message,
        "target": "TARGET_COMPOSITE_AND_CLAIM" if claim else "TARGET_COMPOSITE",
    }


VALID_SENT = condition("Valid", "True", "Valid", "the spec is valid")
LIVE_SENT = condition("Live", "False", "Starting", "[infrastructure] wait for it")


def unknown(type_: str) -> Object:
    """Return what is sent of a condition that nobody has decided yet."""
    text = "[platform] not evaluated yet; nothing to do but wait"
    return condition(type_, "Unknown", "NotEvaluated", text)


def refusal(reason: str, text: str) -> list[Object]:
    """Return the results of a refusal: a warning that reaches the claim, then the stop."""
    shared = {"message": text, "reason": reason, "target": "TARGET_COMPOSITE_AND_CLAIM"}
    return [{"severity": "SEVERITY_WARNING", **shared}, {"severity": "SEVERITY_FATAL", **shared}]


def managed(name: str, ready: bool | None = None, failure: str = "", **for_provider: Any) -> Object:
    """Return a managed resource; observed as soon as `ready` or `failure` is given."""
    made: Object = {
        "apiVersion": "cloud.m.example/v1",
        "kind": "Thing",
        "metadata": {"name": name, "namespace": "crossplane-system"},
        "spec": {"forProvider": {"region": "here", **for_provider}},
    }
    conditions = []
    if ready is not None:
        conditions.append(standing("Ready", str(ready)))
    if failure:
        conditions.append(standing("Synced", "False", "ReconcileError", failure))
    return {**made, "status": {"conditions": conditions}} if conditions else made


def config(name: str) -> Object:
    """Return a kind that reports no conditions at all."""
    return {
        "apiVersion": "cloud.m.example/v1",
        "kind": "ProviderConfig",
        "metadata": {"name": name, "namespace": "crossplane-system"},
        "spec": {"source": "Secret"},
    }
