"""function-node-pools: from an InferenceCluster to a cluster that can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from functions.api import ClusterSpec, ClusterStatus, NodePoolsInput
from functions.base import Function, Outcome, Request, Whose

from .models import in_use, offer
from .place import Place
from .providers import with_known_kinds
from .registry import PLACES

__all__ = ["FUNCTION", "function"]


def function(places: Sequence[Place], model: type[ClusterSpec]) -> Function:
    """Return the function for clusters in some places.

    Args:
        places: each is a field of the spec.
        model: of the spec.
    """

    def compose(request: Request) -> Outcome:
        return _compose(places, request, request.spec(model))

    return Function(
        name="node-pools",
        conditions=("Planned", "NetworkReady", "ControlPlaneReady", "NodePoolsReady"),
        status=(
            "access",
            "nodePools",
            "network",
            "autoscaler",
            "cloud",
            "nodeImage",
            "deletedWithClaim",
            "distribution",
            "kubernetesVersion",
            "storageClassName",
            "sharedStorage",
            "sharedStorageClassName",
        ),
        author=Whose.PLATFORM,
        compose=compose,
    )


def _compose(places: Sequence[Place], request: Request, spec: ClusterSpec) -> Outcome:
    """Compose the cluster in the place that the spec names.

    Raises:
        Invalid: when the spec asks for what cannot be.
    """
    given = request.parameters(NodePoolsInput)
    place = next(place for place in places if getattr(spec, place.name) is not None)
    namespace = request.claim.namespace
    # A composite without a claim is an administrator's, who may use anything.
    refusal = place.refusal(namespace, spec, given) if namespace else None
    if refusal is not None:
        return Outcome(conditions=[refusal])
    return _with_models(request, spec, with_known_kinds(request, place.compose(request, spec, given)))


def _with_models(request: Request, spec: ClusterSpec, outcome: Outcome) -> Outcome:
    """Add what is between a cluster and its Models in any place: offer, guards and GPUs in use."""
    status = ClusterStatus.model_validate(outcome.status)
    if status.access is None:
        return outcome  # nothing was decided, so that everything is carried on
    models = in_use.models(request, status.access.namespace)
    pools = in_use.counted(request, models, status.node_pools or [])
    return replace(
        outcome,
        # The offer goes first: a Model may be placed as soon as the cluster answers.
        resources=[
            offer.resource(request.name, request.claim, spec.allowed_namespaces, status),
            *outcome.resources,
            *in_use.guards(request, models),
        ],
        gone=[*outcome.gone, *in_use.unguarded(request, models)],
        status={**outcome.status, "nodePools": [pool.plain() for pool in pools]},
    )


FUNCTION = function(PLACES, ClusterSpec)
