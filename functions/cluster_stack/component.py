"""A component of the stack: what is installed together, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.base import Request, Resource, View

from .plan import Plan
from .release import release

__all__ = ["Component", "observed", "running", "usable", "works"]

_CURRENT = (
    "has(object.status) && has(object.status.observedGeneration) "
    "&& object.status.observedGeneration >= object.metadata.generation "
)
_RUNS = {
    "Deployment": _CURRENT + "&& has(object.status.updatedReplicas) && has(object.status.availableReplicas) "
    "&& object.status.updatedReplicas >= object.spec.replicas "
    "&& object.status.availableReplicas >= object.spec.replicas",
    # On each of its nodes; it may have none.
    "DaemonSet": _CURRENT + "&& object.status.numberReady >= object.status.desiredNumberScheduled",
}
"""CEL over `object`, by kind: all of its pods are the newest and ready."""


@dataclass(frozen=True)
class Component:
    """What is installed together."""

    name: str
    """As `status.components` lists it."""
    label: str
    """Its name in messages."""
    namespace: str
    """Where its pods are."""
    resources: tuple[Resource, ...]
    """Its Release, and after it what tells that it does its work."""


def works(request: Request, component: Component) -> bool:
    """Tell whether everything of a component is ready."""
    return all(
        (seen := request.resource(resource.name)) is not None and resource.ready(seen)
        for resource in component.resources
    )


def usable(request: Request, components: Sequence[Component]) -> list[str]:
    """Name the components that Models can count on: each from when it first worked.

    A pod of theirs that restarts is no news to Models that look for a place, which this would wake.
    """
    before = View(request.composite).texts("status", "components")
    return [
        c.name
        for c in components
        if works(request, c) or (c.name in before and request.resource(c.resources[0].name) is not None)
    ]


def observed(plan: Plan, what: str, target: dict[str, Any], works: str, after: Resource) -> Resource:
    """Compose the observation of what a Release installs: that is ready as soon as Helm is done.

    Args:
        plan: the stack.
        what: its name in the composition after the function's.
        target: apiVersion, kind and metadata of what is looked at, and never changed.
        works: CEL over `object` that holds once it does its work.
        after: the Release.
    """
    manifest = {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {"name": plan.object_name(what), "namespace": plan.access.namespace},
        "spec": {
            "managementPolicies": ["Observe"],
            "watch": True,
            "forProvider": {"manifest": target},
            "readiness": {"policy": "DeriveFromCelQuery", "celQuery": works},
            "providerConfigRef": {"kind": "ProviderConfig", "name": plan.access.kubernetes_provider_config},
        },
    }
    return Resource(f"cluster-stack/{what}", manifest, (after.name,))


def running(
    plan: Plan,
    component: str,
    label: str,
    workload: tuple[str, str, str],
    values: Mapping[str, Any],
    after: tuple[str, ...],
) -> Component:
    """Compose a chart whose pods belong to one Deployment or DaemonSet.

    Args:
        plan: the stack.
        component: its name.
        label: its name in messages.
        workload: kind, namespace and name of what its pods belong to.
        values: of the chart, as the package sets them.
        after: what must be ready before.
    """
    kind, namespace, name = workload
    target = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    installed = release(plan, component, namespace, values, after)
    seen = observed(plan, f"{component}-{kind.lower()}", target, _RUNS[kind], installed)
    return Component(component, label, namespace, (installed, seen))
