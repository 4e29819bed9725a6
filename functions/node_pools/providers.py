"""What the control plane has no provider for is not composed: the claim says which package to install.

Crossplane stops at the first kind that it does not know, and applies nothing of the composite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functions.base import Condition, Outcome, Progress, Request, Resource, Status, Unanswered, Whose
from functions.catalog import Provider, providers

__all__ = ["with_known_kinds"]


def with_known_kinds(request: Request, outcome: Outcome) -> Outcome:
    """Hold back what has no provider, and say so in the conditions that wait for it.

    Asked is one kind of each package, and none of which anything lives: a schema comes whole.
    """
    new = {
        r.name: _group(r.manifest) for r in outcome.resources if r.manifest and r.name not in request.observed
    }
    if not new:
        return outcome
    missing = {
        group: provider
        for group in sorted(set(new.values()) - _living(request))
        if (provider := providers().get(group)) is not None and not _is_known(request, provider)
    }
    if not missing:
        return outcome
    return replace(
        outcome,
        resources=[_held(r, missing.get(new.get(r.name, ""))) for r in outcome.resources],
        conditions=[_told(c, new, missing) for c in outcome.conditions],
    )


def _group(manifest: Mapping[str, Any]) -> str:
    return str(manifest["apiVersion"]).rpartition("/")[0]


def _living(request: Request) -> set[str]:
    found = (request.resource(name) for name in request.observed)
    return {(view.text("apiVersion") or "").rpartition("/")[0] for view in found if view is not None}


def _is_known(request: Request, provider: Provider) -> bool:
    try:
        return request.require_kind(provider.api_version, provider.kind)
    except Unanswered:
        return True  # a Crossplane that cannot say so goes on as ever


def _held(resource: Resource, provider: Provider | None) -> Resource:
    return resource if provider is None else resource.waiting(f"{provider.name} to be installed")


def _told(
    condition: Condition | Progress, new: Mapping[str, str], missing: Mapping[str, Provider]
) -> Condition | Progress:
    """Say what to install, in place of what waits for it."""
    if isinstance(condition, Condition):
        return condition
    groups = {new[name] for name in condition.resources if name in new}
    packages = [_package(provider) for group, provider in missing.items() if group in groups]
    if not packages:
        return condition
    message = (
        f"install {', '.join(packages)}: the control plane does not know its kinds. Where it is installed "
        "already, activate them in a ManagedResourceActivationPolicy"
    )
    return Condition(condition.type, Status.FALSE, "ProviderMissing", message, Whose.PLATFORM)


def _package(provider: Provider) -> str:
    return f"{provider.name} {provider.since} or newer ({provider.package})"
