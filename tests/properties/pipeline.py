"""A composition's pipeline in process, run the way Crossplane runs it.

Thousands of runs a test are too many for the CLI; the golden tests show that the real
reconciler and this one see the same responses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base.respond import respond
from functions.base.wire import to_plain, to_struct
from functions.main import load
from tools.manifests import load as load_manifests
from tools.manifests import resource_name

COMPOSITIONS = {
    manifest["spec"]["compositeTypeRef"]["kind"]: manifest["spec"]["pipeline"]
    for path in sorted((Path(__file__).parents[2] / "compositions").glob("*.yaml"))
    for manifest in load_manifests(path)
}
"""The pipelines as they are shipped, inputs included, by the XR's kind."""
ROUNDS = 5
"""Crossplane's limit for requirements to become stable."""


@dataclass
class Run:
    """What a pipeline gave."""

    composed: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, fnv1.Condition] = field(default_factory=dict)
    fatal: str | None = None
    notes: list[str] = field(default_factory=list)
    """Warnings."""
    wire: list[bytes] = field(default_factory=list)
    """Every step's last response."""


def run(
    xr: Mapping[str, Any],
    observed: Sequence[Mapping[str, Any]] = (),
    available: Sequence[Mapping[str, Any]] = (),
    *,
    answer: bool = True,
    known: bool = True,
) -> Run:
    """Run the XR's pipeline once.

    Args:
        xr: the observed composite.
        observed: composed resources as they live.
        available: what answers requirements.
        answer: whether requirements are answered at all.
        known: whether the control plane knows the kinds that are asked for.
    """
    result, desired = Run(), fnv1.State()
    for step in COMPOSITIONS[xr["kind"]]:
        function = step["functionRef"]["name"].removeprefix("function-")
        request = _request(xr, observed, desired, step.get("input", {}))
        response = _step(function, request, available, answer=answer, known=known)
        desired = response.desired
        result.wire.append(response.SerializeToString(deterministic=True))
        result.conditions.update({c.type: c for c in response.conditions})
        result.notes += [r.message for r in response.results]
        for outcome in response.results:
            if outcome.severity == fnv1.SEVERITY_FATAL:
                result.fatal = outcome.message
                return result
    result.composed = {name: to_plain(r.resource) for name, r in desired.resources.items()}
    result.status = to_plain(desired.composite.resource).get("status", {})
    return result


def _request(
    xr: Mapping[str, Any],
    observed: Sequence[Mapping[str, Any]],
    desired: fnv1.State,
    given: Mapping[str, Any],
) -> fnv1.RunFunctionRequest:
    request = fnv1.RunFunctionRequest(desired=desired)
    to_struct(given, request.input)
    to_struct(xr, request.observed.composite.resource)
    for live in observed:
        to_struct(live, request.observed.resources[resource_name(dict(live))].resource)
    return request


def _step(
    name: str,
    request: fnv1.RunFunctionRequest,
    available: Sequence[Mapping[str, Any]],
    *,
    answer: bool,
    known: bool,
) -> fnv1.RunFunctionResponse:
    function = load(name)
    response = respond(function, request)
    for _ in range(ROUNDS):
        asked, kinds = dict(response.requirements.resources), set(response.requirements.schemas)
        answered = set(asked) <= set(request.required_resources) and kinds <= set(request.required_schemas)
        if not answer or answered:
            return response
        for key, selector in asked.items():
            answers = request.required_resources[key]
            del answers.items[:]
            for resource in available:
                if _selects(selector, resource):
                    to_struct(resource, answers.items.add().resource)
        for key in kinds:
            schema = request.required_schemas[key]
            if known:
                to_struct({"type": "object"}, schema.openapi_v3)
        response = respond(function, request)
    raise AssertionError(f"{name}: requirements never became stable")


def _selects(selector: fnv1.ResourceSelector, resource: Mapping[str, Any]) -> bool:
    if (resource["apiVersion"], resource["kind"]) != (selector.api_version, selector.kind):
        return False
    metadata = resource["metadata"]
    if selector.HasField("namespace") and metadata.get("namespace") != selector.namespace:
        return False
    if selector.HasField("match_name"):
        return bool(metadata["name"] == selector.match_name)
    labels = metadata.get("labels", {})
    return all(labels.get(k) == v for k, v in selector.match_labels.labels.items())
