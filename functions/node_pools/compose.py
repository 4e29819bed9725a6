"""function-node-pools: from an InferenceCluster to a cluster that can be reached."""

from __future__ import annotations

from collections.abc import Callable

from functions.api import ClusterSpec, NodePoolsInput
from functions.base import Function, Outcome, Request, Whose

from . import aws, existing

__all__ = ["FUNCTION", "PLACES"]

PLACES: dict[str, Callable[[Request, ClusterSpec, NodePoolsInput], Outcome]] = {
    "aws": aws.compose,
    "existing": existing.compose,
}
"""Where a cluster can be: the field of the spec that says so, and what composes it."""


def compose(request: Request) -> Outcome:
    """Compose the cluster where the spec says.

    Raises:
        Invalid: when the spec asks for what cannot be.
    """
    spec = request.spec(ClusterSpec)
    given = request.parameters(NodePoolsInput)
    place = next(name for name in PLACES if getattr(spec, name) is not None)
    return PLACES[place](request, spec, given)


FUNCTION = Function(
    name="node-pools",
    conditions=("Planned", "NetworkReady", "ControlPlaneReady", "NodePoolsReady"),
    status=("access", "nodePools", "network", "kubernetesVersion", "storageClassName", "sharedStorage"),
    author=Whose.PLATFORM,
    compose=compose,
)
