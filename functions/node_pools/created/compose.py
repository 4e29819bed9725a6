"""From the spec of a cluster that is created to composed resources, conditions and status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from functions.api import CloudFacts, ClusterSpec, NodePoolsInput, contract
from functions.base import Condition, Outcome, Request, condition_true
from functions.catalog import kubernetes

from .. import allowed, reach
from ..models.guards import kept_pools, named
from ..models.in_use import InUse
from ..place import Place
from ..pools.pool import node_pool, recorded
from . import conditions, order, pools, refusals, versions
from .cloud import CLUSTER, Cloud, CloudSpec, Cluster

__all__ = ["place"]

S = TypeVar("S", bound=CloudSpec)
P = TypeVar("P", bound=Cluster)


def place(cloud: Cloud[S, P]) -> Place:
    """Return the place that a cloud is."""

    def compose(request: Request, spec: ClusterSpec, given: NodePoolsInput, in_use: InUse) -> Outcome:
        return _compose(cloud, request, spec, given, in_use)

    def refusal(namespace: str, spec: ClusterSpec, given: NodePoolsInput) -> Condition | None:
        own = cast("S", getattr(spec, cloud.name))
        return allowed.credentials(cloud.name, namespace, own.provider_config_ref, given)

    return Place(cloud.name, True, refusal, compose, cloud.label, cloud.kinds)


def _compose(
    cloud: Cloud[S, P], request: Request, spec: ClusterSpec, given: NodePoolsInput, in_use: InUse
) -> Outcome:
    """Compose a cluster in a cloud.

    Raises:
        Invalid: when the spec asks for what the cloud, or the live cluster, cannot give.
    """
    own = cast("S", getattr(spec, cloud.name))
    plan = cloud.plan(request, own, _cluster(cloud, request, spec, given, in_use))
    parts = cloud.parts(request, plan)
    live = request.resource(CLUSTER)
    running = cloud.versions(live).running if live is not None else ""
    reached = reach.resources(plan.access, after=(parts.kubeconfig,), answers_after=parts.answers_after)
    control_plane = [*parts.control_plane, *reached]
    made = [*parts.network, *control_plane, *parts.node_pools]
    guards = order.of_deletion(plan.composite, parts.cluster, made, parts.outlives_cluster)
    held, freed = order.after_load_balancer(
        request,
        parts.cluster,
        made,
        (parts.kubeconfig, reach.KUBERNETES),
        asked=spec.gateway is not None,
    )
    notes = (plan.version.note, _announced(plan, running, in_use), *parts.notes)
    return Outcome(
        resources=[*made, *guards, *held],
        conditions=conditions.conditions(request, plan, parts, [r.name for r in control_plane], running),
        status={
            "cloud": CloudFacts(name=cloud.name, region=plan.region).plain(),
            **_with_load_balancer(cloud, spec, parts.status),
            "access": plan.access.status.plain(),
            "nodePools": [pool.status(ready=_is_ready(request, pool.name)).plain() for pool in plan.pools],
            "nodeImage": cloud.node_image.plain(),
            "deletedWithClaim": True,
            "distribution": None,
            "clusterUID": None,
            "heldBy": None,
            "kubernetesVersion": plan.version.asked,
        },
        gone=[*plan.leftovers(request, node_pool("")), *parts.gone, *freed],
        notes=tuple(note for note in notes if note),
    )


def _with_load_balancer(
    cloud: Cloud[S, P], spec: ClusterSpec, status: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Add to a cloud's status how the gateway's Service gets its load balancer."""
    annotations = cloud.load_balancers.get(spec.gateway.reach) if spec.gateway else None
    if not annotations:
        return status
    facts = CloudFacts.model_validate(status["cloud"])
    told = facts.model_copy(update={"service_annotations": dict(annotations)})
    return {**status, "cloud": told.plain()}


def _cluster(
    cloud: Cloud[S, P], request: Request, spec: ClusterSpec, given: NodePoolsInput, in_use: InUse
) -> Cluster:
    """Decide what every cloud decides alike.

    Raises:
        Invalid: when the spec asks for what the cloud, or the live cluster, cannot give.
    """
    own = cast("S", getattr(spec, cloud.name))
    before, live = recorded(request), request.resource(CLUSTER)
    market = cloud.market(own, spec.node_pools)
    if live is not None and before.region not in ("", market.region):
        raise refusals.fixed_region(f"spec.{cloud.name}.region", before.region)
    live_pools = {
        pool.name: cloud.live_pool(request, pool.name, found)
        for pool in spec.node_pools
        if (found := request.resource(node_pool(pool.name))) is not None
    }
    # Where the cluster's object is missing, and not only the status, its nodes say which version it had.
    nodes_run = "" if live is not None else versions.newest(p.kubernetes for p in live_pools.values())
    return Cluster(
        composite=request.name,
        namespace=reach.platform_namespace(request, given),
        tags=cloud.tags(own, _ownership(request, spec)),
        provider_config=own.provider_config_ref,
        region=market.region,
        version=versions.decide(
            asked=spec.kubernetes_version,
            recorded=before.kubernetes_version or nodes_run,
            live=None if live is None else cloud.versions(live),
            default=given.kubernetes_version or kubernetes(),
            cloud=cloud.label,
        ),
        pools=pools.picked(spec.node_pools, market, before.pools, live_pools, contract.NODE_POOL),
        kept_pools=tuple(kept_pools(request, spec, in_use)),
    )


def _announced(plan: Cluster, running: str, in_use: InUse) -> str:
    """Say which Models restart before an upgrade reaches their nodes; empty where none does."""
    users = [model.claim for model in in_use.models or ()]
    if not running or plan.version.control_plane == running or not users:
        return ""
    return (
        f"Kubernetes {plan.version.control_plane} comes: once the control plane runs it, the nodes are "
        f"replaced one after the other, and {named(users)} {'restarts' if len(users) == 1 else 'restart'}"
    )


def _ownership(request: Request, spec: ClusterSpec) -> dict[str, str]:
    """Return by which tags costs are told apart: whose cluster it is, and who pays for it."""
    claim = request.claim
    tags = {
        "freehold.dev/cluster": f"{claim.namespace}/{claim.name}".strip("/"),
        "freehold.dev/namespace": claim.namespace,
        "freehold.dev/owner": spec.owner or claim.namespace,
        "managed-by": "freehold",
    }
    return {key: value for key, value in tags.items() if value}


def _is_ready(request: Request, pool: str) -> bool:
    seen = request.resource(node_pool(pool))
    return seen is not None and condition_true()(seen)
