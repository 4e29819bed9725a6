"""From a decision to desired state: what is created, held back, carried on or dropped.

What exists is desired again unless the decision gives it up by name: a function that
forgets a resource keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.struct_pb2 import Struct

from .conditions import Condition, Progress, Status, Whose
from .outcome import Function, Outcome, by_itself
from .own_fields import own_fields
from .remote import NEVER_DELETE
from .request import Request
from .settle import Seen, label_of, settle
from .view import View
from .wire import holds, to_struct

__all__ = ["Desired", "assemble", "unknown"]


@dataclass
class Desired:
    """What to send back of the composed resources and conditions."""

    manifests: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ready: dict[str, bool] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """Why a resource is not created yet, by name."""
    conditions: dict[str, Condition] = field(default_factory=dict)


def _anywhere(_: str) -> Struct:
    return Struct()


def assemble(
    request: Request,
    function: Function,
    outcome: Outcome,
    place: Callable[[str], Struct] = _anywhere,
) -> Desired:
    """Decide what becomes of every resource that is asked for or exists.

    Args:
        request: what exists.
        function: whose resources they are.
        outcome: what it decided.
        place: gives an empty struct to write a composed resource into, by its name.

    Raises:
        TypeError: for a manifest that is not plain data.
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
    _create(request, function, outcome, desired)
    if outcome.unreachable:
        desired.manifests = {name: _left_behind(m) for name, m in desired.manifests.items()}
    encoded = {name: to_struct(manifest, place(name)) for name, manifest in desired.manifests.items()}
    _conclude(request, function, outcome, desired, encoded)
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


def _create(request: Request, function: Function, outcome: Outcome, desired: Desired) -> None:
    """Add what does not exist yet, as far as everything that it needs is ready."""
    everywhere = {**request.composed_before, **desired.ready}
    asked = {resource.name: resource for resource in outcome.resources}
    for resource in outcome.resources:
        if resource.name in desired.manifests:
            continue
        waiting = next((name for name in resource.after if not everywhere.get(name, False)), None)
        if waiting is not None:
            label = label_of(waiting, asked.get(waiting), request.observed.get(waiting), function.labels)
            desired.held[resource.name] = f"waits for {label}"
        elif resource.manifest is None:
            desired.held[resource.name] = f"waits for {resource.waits_for}"
        else:
            desired.manifests[resource.name] = resource.manifest
            desired.ready[resource.name] = False


def _left_behind(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a managed resource whose deletion touches nothing outside."""
    spec = manifest.get("spec") or {}
    if "forProvider" not in spec or "managementPolicies" in spec:
        return manifest
    return {**manifest, "spec": {**spec, "managementPolicies": list(NEVER_DELETE)}}


def _conclude(
    request: Request, function: Function, outcome: Outcome, desired: Desired, encoded: Mapping[str, Struct]
) -> None:
    """Settle the function's conditions, by its own resources and those of earlier steps."""
    seen = Seen(
        live=request.observed,
        ready={**request.composed_before, **desired.ready},
        held=desired.held,
        asked={resource.name: resource for resource in outcome.resources},
        changed=lambda name: name in encoded and not holds(request.observed[name], encoded[name]),
        labels=function.labels,
    )
    for condition in outcome.conditions:
        settled = settle(condition, seen) if isinstance(condition, Progress) else condition
        desired.conditions[settled.type] = settled


def unknown(type_: str) -> Condition:
    """A condition that this run could not decide and nobody decided before."""
    return Condition(
        type_, Status.UNKNOWN, "NotEvaluated", "not evaluated yet; nothing to do but wait", Whose.PLATFORM
    )
