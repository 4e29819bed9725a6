"""function-cluster-stack: from a cluster that can be reached to GPUs that pods can ask for."""

from __future__ import annotations

from collections.abc import Sequence

from functions.api import ClusterStatus
from functions.base import Function, Outcome, Progress, Request, Whose

from . import autoscaler, efa, gpu_operator, leader_worker_set, node_feature_discovery
from .component import Component, usable, works
from .plan import Plan, make
from .release import uninstalled_first

__all__ = ["FUNCTION"]


def compose(request: Request) -> Outcome:
    """Compose the stack; until the cluster and its pools are known, leave everything as it is.

    Raises:
        Invalid: for a spec or an input of another shape.
    """
    status = request.status(ClusterStatus)
    plan = None if status is None else make(request, status)
    if plan is None:
        return Outcome(complete=False)
    components = _components(plan)
    resources = [resource for component in components for resource in component.resources]
    return Outcome(
        resources=[*resources, *uninstalled_first(plan, resources)],
        conditions=(
            Progress(
                "ComponentsReady",
                tuple(resource.name for resource in resources),
                f"{_listed([c.label for c in components])} run",
                hint=_hint(request, plan, components),
            ),
        ),
        status={"components": usable(request, components)},
    )


def _components(plan: Plan) -> list[Component]:
    """Compose what every cluster needs, then what this one does."""
    needed = (module.component(plan) for module in (autoscaler, efa, leader_worker_set))
    return [
        node_feature_discovery.component(plan),
        gpu_operator.component(plan),
        *(component for component in needed if component is not None),
    ]


def _hint(request: Request, plan: Plan, components: Sequence[Component]) -> str:
    """Say where to look for what is installed and does not work."""
    broken = [c for c in components if c.resources[0].name in plan.live and not works(request, c)]
    if not broken:
        return ""
    namespaces = sorted({c.namespace for c in broken})
    where = "namespace" if len(namespaces) == 1 else "namespaces"
    look = f"Look at the pods in {where} {_listed(namespaces)} of the cluster"
    if plan.owned:
        return look
    return f"{look}; where {_listed([c.label for c in broken])} was installed before, remove that first"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


FUNCTION = Function(
    name="cluster-stack",
    conditions=("ComponentsReady",),
    status=("components",),
    author=Whose.PLATFORM,
    compose=compose,
)
