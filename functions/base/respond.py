"""Run a function: protobuf in, protobuf out. The only door between it and Crossplane."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from google.protobuf.struct_pb2 import Struct

from .assemble import Desired, assemble, unknown
from .conditions import Condition, Status, Whose
from .errors import Invalid, Unanswered
from .outcome import Function, Outcome, by_itself
from .request import Request
from .view import View
from .wire import Fields, to_plain, to_struct

__all__ = ["respond"]

TTL = datetime.timedelta(minutes=1)
"""How long a response stands without an event: Crossplane's own default."""

_SENT = "freehold.dev/conditions"
"""Key of the pipeline's context: types of the conditions that this run has sent so far."""

_STATUS = {
    Status.TRUE: fnv1.STATUS_CONDITION_TRUE,
    Status.FALSE: fnv1.STATUS_CONDITION_FALSE,
    Status.UNKNOWN: fnv1.STATUS_CONDITION_UNKNOWN,
}

_log = logging.getLogger(__name__)


def respond(function: Function, message: fnv1.RunFunctionRequest) -> fnv1.RunFunctionResponse:
    """Answer one request; never raises."""
    response = _begin(message)
    request: Request | None = None
    try:
        request = read(message)
        outcome = _decide(function, request)
        desired = assemble(request, function, outcome, lambda name: _emptied(response, name))
        _write_ready(response, desired)
        _write_status(response, function, request, outcome)
        _write_connection(response, message, outcome)
        response.conditions.extend(_every_condition(function, request, desired.conditions))
        _write_readiness(response, desired, _informs(desired.conditions))
        _note_sent(response, function)
        for note in outcome.notes:
            _result(response, fnv1.SEVERITY_WARNING, note)
        _write_requirements(response, request)
        return response
    except Invalid as invalid:
        # The platform team writes the input, whoever writes the spec.
        whose = Whose.PLATFORM if invalid.field.startswith("input") else function.author
        return _fatal(message, function, request, invalid.reason, str(invalid), whose)
    except Exception as error:
        _log.exception("%s failed", function.name)
        text = (
            f"function-{function.name} failed on {type(error).__name__}: {error}. Nothing was changed. "
            "This is a defect: give its log to the platform team"
        )
        return _fatal(message, function, request, "FunctionFailed", text, Whose.PLATFORM)


def read(message: fnv1.RunFunctionRequest) -> Request:
    """Turn a request into plain Python."""
    composite = to_plain(message.observed.composite.resource)
    if not composite:
        raise ValueError("the request holds no composite")
    observed = {k: Fields(v.resource) for k, v in sorted(message.observed.resources.items())}
    return Request(
        composite=composite,
        observed=observed,
        composed_before={k: _ready(v, observed.get(k, {})) for k, v in message.desired.resources.items()},
        status_before=to_plain(message.desired.composite.resource).get("status", {}),
        answers={
            k: tuple(Fields(item.resource) for item in v.items) for k, v in message.required_resources.items()
        },
        input=to_plain(message.input),
        # Crossplane answers with an empty schema for a kind that there is not.
        kinds={k: v.HasField("openapi_v3") for k, v in message.required_schemas.items()},
    )


def _ready(before: fnv1.Resource, observed: Mapping[str, Any]) -> bool:
    """Tell whether what an earlier step desires is ready; a step may leave that to a later one."""
    if before.ready == fnv1.READY_UNSPECIFIED:
        return by_itself(View(observed))
    return before.ready == fnv1.READY_TRUE


def _decide(function: Function, request: Request) -> Outcome:
    try:
        return function.compose(request)
    except Unanswered:
        return Outcome()


def _begin(message: fnv1.RunFunctionRequest) -> fnv1.RunFunctionResponse:
    """Start from what earlier steps desire."""
    response = fnv1.RunFunctionResponse(desired=message.desired, context=message.context)
    response.meta.tag = message.meta.tag
    response.meta.ttl.FromTimedelta(TTL)
    return response


def _emptied(response: fnv1.RunFunctionResponse, name: str) -> Struct:
    """Return the struct of a composed resource, without what an earlier step left there."""
    struct = response.desired.resources[name].resource
    struct.Clear()
    return struct


def _write_ready(response: fnv1.RunFunctionResponse, desired: Desired) -> None:
    for name, ready in desired.ready.items():
        response.desired.resources[name].ready = fnv1.READY_TRUE if ready else fnv1.READY_FALSE


def _informs(decided: Mapping[str, Condition]) -> frozenset[str]:
    """Return the types of the conditions that say nothing of whether the composite is Ready."""
    return frozenset(type_ for type_, condition in decided.items() if not condition.decides_ready)


def _write_readiness(response: fnv1.RunFunctionResponse, desired: Desired, informs: frozenset[str]) -> None:
    """Keep the composite from being Ready while a resource is held back or a condition does not hold.

    Crossplane looks at composed resources alone. Where one of them is unready already, Crossplane's
    own word stands: it names the resources. What an earlier step leaves unsaid a later
    one may yet call ready.
    """
    composed = all(r.ready != fnv1.READY_FALSE for r in response.desired.resources.values())
    holds = all(
        condition.status == fnv1.STATUS_CONDITION_TRUE
        for condition in response.conditions
        if condition.type not in informs
    )
    if composed and (desired.held or not holds):
        response.desired.composite.ready = fnv1.READY_FALSE


def _write_status(
    response: fnv1.RunFunctionResponse, function: Function, request: Request, outcome: Outcome
) -> None:
    """Send every status key of this function: what the decision does not mention, as it is observed."""
    stray = set(outcome.status) - set(function.status)
    if stray:
        raise ValueError(f"status keys {sorted(stray)} are not declared by {function.name}")
    observed = request.composite.get("status", {})
    kept = {k: observed[k] for k in function.status if k in observed}
    status = {k: v for k, v in {**kept, **outcome.status}.items() if v is not None}
    if status:
        struct = response.desired.composite.resource.fields["status"].struct_value
        struct.SetInParent()
        for key in status:
            struct.fields[key].Clear()  # writing into a list would add to it
        to_struct(status, struct)


def _write_connection(
    response: fnv1.RunFunctionResponse, message: fnv1.RunFunctionRequest, outcome: Outcome
) -> None:
    """Send what the connection Secret is to say: undecided, what it says now and no earlier step has said."""
    details = response.desired.composite.connection_details
    if outcome.connection is not None:
        details.update({key: value.encode() for key, value in outcome.connection.items()})
        return
    for key, value in message.observed.composite.connection_details.items():
        if key not in details:
            details[key] = value


def _every_condition(
    function: Function, request: Request, decided: Mapping[str, Condition]
) -> list[fnv1.Condition]:
    """Return the function's conditions, those it did not decide as they stand."""
    stray = set(decided) - set(function.conditions)
    if stray:
        raise ValueError(f"conditions {sorted(stray)} are not declared by {function.name}")
    undecided = not set(function.conditions) <= set(decided)
    standing = _own_standing(function, request) if undecided else {}
    now = {**standing, **{t: _on_the_wire(c) for t, c in decided.items()}}
    return [now[type_] for type_ in function.conditions]


def _own_standing(function: Function, request: Request | None) -> dict[str, fnv1.Condition]:
    """Return every condition of this function as it stands, or as not evaluated."""
    standing = {} if request is None else _standing(request)
    own = {type_: standing.get(type_) or _on_the_wire(unknown(type_)) for type_ in function.conditions}
    for condition in own.values():
        condition.target = fnv1.TARGET_COMPOSITE_AND_CLAIM
    return own


def _standing(request: Request) -> dict[str, fnv1.Condition]:
    """Return the composite's present conditions, unchanged and for whom they were."""
    found = {}
    for view in request.observed_conditions:
        type_, status = view.text("type") or "", view.text("status")
        known = status in {s.value for s in Status}
        found[type_] = fnv1.Condition(
            type=type_,
            status=_STATUS[Status(status) if known else Status.UNKNOWN],
            reason=view.text("reason") or "Unknown",
            message=view.text("message") or "",
            target=fnv1.TARGET_COMPOSITE_AND_CLAIM
            if type_ in request.claim_conditions
            else fnv1.TARGET_COMPOSITE,
        )
    return found


def _on_the_wire(condition: Condition) -> fnv1.Condition:
    return fnv1.Condition(
        type=condition.type,
        status=_STATUS[condition.status],
        reason=condition.reason,
        message=condition.text,
        target=fnv1.TARGET_COMPOSITE_AND_CLAIM,
    )


def _note_sent(response: fnv1.RunFunctionResponse, function: Function) -> None:
    """Tell the later steps which conditions of the composite are fresh."""
    before = _sent(response.context)
    types = [*before, *(type_ for type_ in function.conditions if type_ not in before)]
    response.context.fields[_SENT].Clear()  # writing into a list would add to it
    to_struct({_SENT: types}, response.context)


def _sent(context: Any) -> tuple[str, ...]:
    return View(Fields(context)).texts(_SENT)


def _write_requirements(response: fnv1.RunFunctionResponse, request: Request) -> None:
    for key, selector in request.requirements.items():
        wanted = response.requirements.resources[key]
        wanted.api_version, wanted.kind = selector.api_version, selector.kind
        if selector.namespace:
            wanted.namespace = selector.namespace
        if selector.name is not None:
            wanted.match_name = selector.name
        else:
            wanted.match_labels.SetInParent()
            wanted.match_labels.labels.update(dict(selector.labels))
    for key, (api_version, kind) in request.required_kinds.items():
        schema = response.requirements.schemas[key]
        schema.api_version, schema.kind = api_version, kind


def _result(response: fnv1.RunFunctionResponse, severity: fnv1.Severity, text: str, reason: str = "") -> None:
    target = fnv1.TARGET_COMPOSITE_AND_CLAIM
    result = response.results.add(severity=severity, message=text, target=target)
    if reason:
        result.reason = reason


def _fatal(
    message: fnv1.RunFunctionRequest,
    function: Function,
    request: Request | None,
    reason: str,
    text: str,
    whose: Whose,
) -> fnv1.RunFunctionResponse:
    """Stop, and still tell the claim.

    Crossplane drops a FATAL result's text before the claim and marks every
    condition that was not sent as Unknown, so the text goes ahead as a warning
    and all conditions of the composite are sent, later steps' included. Those of
    earlier steps are not: what they sent in this run is newer than what stands.
    """
    response = _begin(message)
    text = text.encode(errors="replace").decode()  # protobuf takes no lone surrogates
    standing = {} if request is None else _standing(request)
    others = {t: c for t, c in standing.items() if t not in _sent(message.context)}
    first = function.conditions[0]
    refused = _on_the_wire(Condition(first, Status.FALSE, reason, text, whose))
    everyone = {**others, **_own_standing(function, request), first: refused}
    response.conditions.extend(everyone.values())
    _result(response, fnv1.SEVERITY_WARNING, text, reason)
    _result(response, fnv1.SEVERITY_FATAL, text, reason)
    return response
