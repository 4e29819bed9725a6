"""Run a function: protobuf in, protobuf out. The only door between it and Crossplane."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from .assemble import Desired, assemble, unknown
from .conditions import Condition, Status, Whose
from .errors import Invalid, Unanswered
from .outcome import Function, Outcome
from .request import Request
from .wire import to_plain, to_struct

__all__ = ["respond"]

TTL = datetime.timedelta(minutes=1)
"""How long a response stands without an event: Crossplane's own default."""

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
        desired = assemble(request, function, outcome)
        _write_resources(response, desired)
        _write_status(response, function, request, outcome)
        _write_conditions(response, _every_condition(function, request, desired.conditions))
        for note in outcome.notes:
            _result(response, fnv1.SEVERITY_WARNING, note)
        _write_requirements(response, request)
        return response
    except Invalid as invalid:
        return _fatal(message, function, request, invalid.reason, str(invalid), function.author)
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
    return Request(
        composite=composite,
        observed=_Objects(message.observed.resources),
        composed_before={k: v.ready == fnv1.READY_TRUE for k, v in message.desired.resources.items()},
        status_before=to_plain(message.desired.composite.resource).get("status", {}),
        answers={
            k: tuple(to_plain(item.resource) for item in v.items) for k, v in message.required_resources.items()
        },
        input=to_plain(message.input),
    )


class _Objects(Mapping[str, Mapping[str, Any]]):
    """Observed composed resources, each turned into plain Python when first read."""

    def __init__(self, messages: Mapping[str, fnv1.Resource]) -> None:
        self._messages = messages
        self._plain: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._plain:
            if name not in self._messages:  # a protobuf map would make an empty entry
                raise KeyError(name)
            self._plain[name] = to_plain(self._messages[name].resource)
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._messages))

    def __len__(self) -> int:
        return len(self._messages)


def _decide(function: Function, request: Request) -> Outcome:
    try:
        return function.compose(request)
    except Unanswered:
        return Outcome(complete=False)


def _begin(message: fnv1.RunFunctionRequest) -> fnv1.RunFunctionResponse:
    """Start from what earlier steps desire."""
    response = fnv1.RunFunctionResponse(desired=message.desired, context=message.context)
    response.meta.tag = message.meta.tag
    response.meta.ttl.FromTimedelta(TTL)
    return response


def _write_resources(response: fnv1.RunFunctionResponse, desired: Desired) -> None:
    for name, manifest in desired.manifests.items():
        resource = response.desired.resources[name]
        resource.resource.Clear()
        to_struct(manifest, resource.resource)
        resource.ready = fnv1.READY_TRUE if desired.ready[name] else fnv1.READY_FALSE


def _write_status(
    response: fnv1.RunFunctionResponse, function: Function, request: Request, outcome: Outcome
) -> None:
    """Send every status key of this function: one left out would be deleted."""
    stray = set(outcome.status) - set(function.status)
    if stray:
        raise ValueError(f"status keys {sorted(stray)} are not declared by {function.name}")
    observed = request.composite.get("status", {})
    kept = {k: observed[k] for k in function.status if k in observed and not outcome.complete}
    status: Mapping[str, Any] = {**kept, **outcome.status}
    if status:
        struct = response.desired.composite.resource
        struct.fields["status"].struct_value.SetInParent()
        to_struct(status, struct.fields["status"].struct_value)


def _every_condition(
    function: Function, request: Request, decided: Mapping[str, Condition]
) -> dict[str, Condition]:
    """Return the function's conditions, those it did not decide as they stand."""
    stray = set(decided) - set(function.conditions)
    if stray:
        raise ValueError(f"conditions {sorted(stray)} are not declared by {function.name}")
    standing = _standing(request)
    return {t: decided.get(t) or standing.get(t) or unknown(t) for t in function.conditions}


def _standing(request: Request) -> dict[str, Condition]:
    """Return the composite's present conditions, to be sent again unchanged."""
    found = {}
    for view in request.observed_conditions:
        type_, message = view.text("type") or "", view.text("message") or ""
        owner, text = _split_owner(message)
        status = Status(view.text("status") or "Unknown")
        found[type_] = Condition(type_, status, view.text("reason") or "Unknown", text, owner)
    return found


def _split_owner(message: str) -> tuple[Whose, str]:
    for whose in Whose:
        prefix = f"[{whose.value}] "
        if message.startswith(prefix):
            return whose, message.removeprefix(prefix)
    return Whose.PLATFORM, message


def _write_conditions(response: fnv1.RunFunctionResponse, conditions: Mapping[str, Condition]) -> None:
    for condition in conditions.values():
        response.conditions.add(
            type=condition.type,
            status=_STATUS[condition.status],
            reason=condition.reason,
            message=condition.text,
            target=fnv1.TARGET_COMPOSITE_AND_CLAIM,
        )


def _write_requirements(response: fnv1.RunFunctionResponse, request: Request) -> None:
    for key, selector in request.requirements.items():
        wanted = response.requirements.resources[key]
        wanted.api_version, wanted.kind = selector.api_version, selector.kind
        if selector.name is not None:
            wanted.match_name = selector.name
        else:
            wanted.match_labels.SetInParent()
            wanted.match_labels.labels.update(dict(selector.labels))


def _result(response: fnv1.RunFunctionResponse, severity: fnv1.Severity.ValueType, text: str, reason: str = "") -> None:
    result = response.results.add(severity=severity, message=text, target=fnv1.TARGET_COMPOSITE_AND_CLAIM)
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
    and all conditions of the composite are sent, later steps' included.
    """
    response = _begin(message)
    standing = {} if request is None else _standing(request)
    first = function.conditions[0]
    refused = Condition(first, Status.FALSE, reason, text, whose)
    own = {t: standing.get(t) or unknown(t) for t in function.conditions}
    _write_conditions(response, {**standing, **own, first: refused})
    _result(response, fnv1.SEVERITY_WARNING, text, reason)
    _result(response, fnv1.SEVERITY_FATAL, text, reason)
    return response
