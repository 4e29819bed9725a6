"""A component that a cluster no longer needs goes step by step, while the cluster stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.base import Request, Selector, Unanswered, remote, unique_name

from . import crds, own
from .cluster import FIRST, LAST, NAMESPACE, Cluster
from .component import Component
from .render import QUOTA, release_name

__all__ = ["leaving", "names"]


def names(component: Component) -> list[str]:
    """Name everything that may be composed of a component, its Usages included."""
    return [name for step in _steps(component) for name in step]


def leaving(request: Request, cluster: Cluster, component: Component) -> list[str]:
    """Name what goes now of a component that the cluster no longer needs.

    What it has beside its chart goes first, then the chart, then its namespace: the chart's controller clears
    up, and Helm still finds its release. The Usages that hold the same order while a claim is deleted would
    refuse it here, and hold up everything else.
    """
    going: list[str] = []
    steps = _steps(component)
    for place, step in enumerate(steps):
        going += step
        if any(name in request.observed for name in step):
            break
        later = (name for other in steps[place + 1 :] for name in other)
        if any(name in request.observed for name in later) and _lingers(request, cluster, step):
            break
    return going


def _lingers(request: Request, cluster: Cluster, step: Sequence[str]) -> bool:
    """Tell whether something of a step exists that Crossplane no longer observes.

    It forgets a composed resource once it has asked for the deletion, and a finalizer may hold that for long.
    """
    # All are asked for before any is looked at: each round is another call of the function.
    found = [_exists(request, selector) for selector in _selectors(cluster, step)]
    return any(found)


def _selectors(cluster: Cluster, step: Sequence[str]) -> Iterator[Selector]:
    for name in step:
        own_name = unique_name(cluster.composite, name.partition("/")[2])
        yield Selector(remote.KUBERNETES_API, "Object", own_name, namespace=cluster.access.namespace)
        yield Selector(remote.HELM_API, "Release", own_name, namespace=cluster.helm_namespace)


def _exists(request: Request, selector: Selector) -> bool:
    try:
        return bool(request.require(f"leaving-{selector.kind}-{selector.name}", selector))
    except Unanswered:
        return True


def _steps(component: Component) -> tuple[list[str], ...]:
    """Name everything that may be composed of a component, in the order in which it goes."""
    release = release_name(component.name)
    chart = [release, *(f"cluster-stack/{what.name}" for what in component.observed)]
    if component.upgrades_crds:
        chart.append(crds.upgrade_name(component.name))
    beside = own.own_names(component)
    order = [f"{name}{FIRST}" for name in beside] if component.namespace.goes else []
    namespace = [release + ending for ending in (NAMESPACE, QUOTA, NAMESPACE + LAST, NAMESPACE + FIRST)]
    if not beside:
        # Nothing of it depends on the order.
        return ([*chart, release + FIRST, *namespace],)
    return (beside, [*chart, *order], [release + FIRST, *namespace])
