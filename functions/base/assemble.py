"""From a decision to desired state: what is created, held back, carried on or dropped.

What exists is desired again unless the decision gives it up by name: a function that
forgets a resource keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .conditions import Condition, Progress, Status, Whose
from .outcome import Function, Outcome, by_itself
from .own_fields import own_fields
from .remote import NEVER_DELETE
from .request import Request
from .view import View

__all__ = ["IN_FLIGHT", "Desired", "assemble"]

IN_FLIGHT = 8
"""Composed resources of one composite that may be on their way to ready at once.

Crossplane's circuit breaker takes two tokens for each update of a composed
resource, refills one a second and opens for five minutes after a burst of 100.
"""


@dataclass
class Desired:
    """What to send back of the composed resources and conditions."""

    manifests: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ready: dict[str, bool] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """Why a resource is not created yet, by name."""
    conditions: dict[str, Condition] = field(default_factory=dict)


def assemble(request: Request, function: Function, outcome: Outcome) -> Desired:
    """Decide what becomes of every resource that is asked for or exists.

    Raises:
        ValueError: for a name that is not the function's, is there twice, or is asked for and given up.
    """
    desired = Desired()
    _check_names(function, outcome)
    for resource in outcome.resources:
        observed = request.observed.get(resource.name)
        if observed is not None:
            manifest = own_fields(observed) if resource.manifest is None else resource.manifest
            desired.manifests[resource.name] = manifest
            desired.ready[resource.name] = resource.ready(View(observed))
    _carry_on(request, function, outcome, desired)
    _create(request, outcome, desired)
    if outcome.unreachable:
        desired.manifests = {name: _left_behind(m) for name, m in desired.manifests.items()}
    for condition in outcome.conditions:
        settled = condition if isinstance(condition, Condition) else _settle(condition, request, desired)
        desired.conditions[settled.type] = settled
    return desired


def _check_names(function: Function, outcome: Outcome) -> None:
    seen: set[str] = set()
    for name in (resource.name for resource in outcome.resources):
        if not function.owns(name):
            raise ValueError(f"composed resource {name!r} must begin with '{function.name}/'")
        if name in seen:
            raise ValueError(f"composed resource {name!r} is named twice")
        seen.add(name)
    for name in outcome.gone:
        if not function.owns(name) or name in seen:
            raise ValueError(f"composed resource {name!r} is not this function's to give up, or is asked for")


def _carry_on(request: Request, function: Function, outcome: Outcome, desired: Desired) -> None:
    """Desire again whatever exists and is neither asked for nor given up."""
    for name, observed in request.observed.items():
        if function.owns(name) and name not in desired.manifests and name not in outcome.gone:
            desired.manifests[name] = own_fields(observed)
            desired.ready[name] = by_itself(View(observed))


def _create(request: Request, outcome: Outcome, desired: Desired) -> None:
    """Add what does not exist yet, in order, as far as its needs and the wave allow."""
    everywhere = {**request.composed_before, **desired.ready}
    in_flight = sum(
        not ready and name in request.observed and not _failing(View(request.observed[name]))
        for name, ready in everywhere.items()
    ) + sum(name not in request.observed for name in request.composed_before)
    for resource in outcome.resources:
        if resource.name in desired.manifests:
            continue
        waiting = [name for name in resource.after if not everywhere.get(name, False)]
        if waiting:
            desired.held[resource.name] = f"waits for {waiting[0]}"
        elif resource.manifest is None:
            desired.held[resource.name] = f"waits for {resource.waits_for}"
        elif in_flight >= IN_FLIGHT:
            desired.held[resource.name] = "waits for its turn"
        else:
            desired.manifests[resource.name] = resource.manifest
            desired.ready[resource.name] = False
            in_flight += 1


def _left_behind(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a managed resource whose deletion touches nothing outside."""
    spec = manifest.get("spec") or {}
    if "forProvider" not in spec or "managementPolicies" in spec:
        return manifest
    return {**manifest, "spec": {**spec, "managementPolicies": list(NEVER_DELETE)}}


def _failing(observed: View) -> str:
    """Return the provider's own message for an object it cannot create, else nothing."""
    for type_ in ("Synced", "LastAsyncOperation"):
        condition = observed.condition(type_)
        if condition is not None and condition.text("status") == "False":
            return condition.text("message") or condition.text("reason") or type_
    return ""


def _settle(progress: Progress, request: Request, desired: Desired) -> Condition:
    """Turn the state of some resources into a condition; a failure's own words go first."""
    unready = [
        n for n in progress.resources if not desired.ready.get(n, request.composed_before.get(n, False))
    ]
    if not unready:
        return Condition(progress.type, Status.TRUE, "Available", progress.ready, progress.whose)
    for name in unready:
        failure = _failing(View(request.observed.get(name, {})))
        if failure:
            message = f"{name}: {failure}"
            return Condition(
                progress.type, Status.FALSE, "Failing", _with(message, progress.hint), progress.whose
            )
    return Condition(
        progress.type,
        Status.FALSE,
        "Creating",
        _with(_waiting(unready, desired), progress.hint),
        progress.whose,
    )


def _waiting(unready: list[str], desired: Desired) -> str:
    first = unready[0]
    state = desired.held.get(first, "is not ready yet")
    rest = f" ({len(unready) - 1} more to come)" if len(unready) > 1 else ""
    return f"{first} {state}{rest}"


def _with(message: str, hint: str) -> str:
    return message.rstrip(". \n") + f". {hint}" if hint else message


def unknown(type_: str) -> Condition:
    """A condition that this run could not decide and nobody decided before."""
    return Condition(
        type_, Status.UNKNOWN, "NotEvaluated", "not evaluated yet; nothing to do but wait", Whose.PLATFORM
    )
