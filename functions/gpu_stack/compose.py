"""function-gpu-stack: from a cluster that can be reached to GPUs that pods can ask for."""

from __future__ import annotations

from functions.api import Access
from functions.base import Function, Outcome, Progress, Request, Whose

from . import gpu_operator, node_feature_discovery
from .plan import Plan, make
from .release import uninstalled_first

__all__ = ["FUNCTION"]


def compose(request: Request) -> Outcome:
    """Compose the stack; until it is known how the cluster is reached, leave everything as it is.

    Raises:
        Invalid: for a spec or an input of another shape.
    """
    access = request.status(Access, "access")
    if access is None:
        return Outcome(complete=False)
    plan = make(request, access)
    resources = [node_feature_discovery.resource(plan), *gpu_operator.resources(plan)]
    return Outcome(
        resources=[*resources, *uninstalled_first(plan, resources)],
        conditions=(
            Progress(
                "GPUStackReady",
                tuple(resource.name for resource in resources),
                "the GPU Operator and Node Feature Discovery run",
                hint=_hint(plan),
            ),
        ),
    )


def _hint(plan: Plan) -> str:
    if plan.owned:
        return "Look at the pods in namespaces gpu-operator and node-feature-discovery of the cluster"
    return (
        "Look at the pods in namespaces gpu-operator and node-feature-discovery of the cluster; "
        "where either was installed before, remove that first"
    )


FUNCTION = Function(
    name="gpu-stack",
    conditions=("GPUStackReady",),
    status=(),
    author=Whose.PLATFORM,
    compose=compose,
)
