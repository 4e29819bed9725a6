"""The EKS cluster as composed resources, conditions and status."""

from __future__ import annotations

from collections.abc import Iterator

from functions.api import CloudFacts, ClusterSpec, Network, NodeImage, NodePoolsInput
from functions.base import (
    Condition,
    Outcome,
    Progress,
    Request,
    Resource,
    Status,
    Whose,
    condition_true,
    goes_after,
)

from .. import reach
from ..pools.plan import summary
from . import addons, admins, autoscaler, capacity, control_plane, efa, efs, iam, network, pools
from .managed import identity
from .plan import CLUSTER, SYSTEM, Plan, make, pool_resource
from .secrets_key import KEY

__all__ = ["compose"]

_LET_IN = (
    "run Crossplane in a network that reaches the VPC, "
    "or list the public addresses that it calls from in spec.aws.publicAccessCidrs"
)


def compose(request: Request, spec: ClusterSpec, given: NodePoolsInput) -> Outcome:
    """Compose an EKS cluster.

    Raises:
        Invalid: when the spec asks for what AWS, or the live cluster, cannot give.
    """
    plan = make(request, spec, given)
    parts = {
        "NetworkReady": network.resources(plan),
        "ControlPlaneReady": [
            *iam.resources(plan),
            *control_plane.resources(plan),
            *addons.before_nodes(plan),
            *autoscaler.resources(plan),
            *admins.resources(plan),
        ],
        "NodePoolsReady": [
            *efa.resources(plan),
            *pools.resources(request, plan),
            *addons.after_nodes(plan),
        ],
    }
    # It answers for the cluster as a whole: nothing could run before there are nodes and names.
    parts["ControlPlaneReady"] += reach.resources(
        control_plane.way(plan),
        after=(control_plane.AUTH,),
        # A pod gets its role when it is made, and the stack makes the autoscaler's after this.
        answers_after=tuple(f"node-pools/{n}" for n in (SYSTEM, "addon-coredns", autoscaler.IDENTITY)),
    )
    parts["NodePoolsReady"] += [addons.weights_class(plan), *efs.resources(request, plan)]
    return Outcome(
        resources=_in_order(
            [
                *(resource for part in parts.values() for resource in part),
                *_removal(plan, parts["ControlPlaneReady"]),
            ]
        ),
        conditions=_conditions(request, plan, parts),
        status=_status(request, plan),
        gone=[*pools.gone(request, plan), *efa.gone(request, plan), *admins.gone(request, plan)],
        notes=tuple(_notes(request, plan)),
    )


def _removal(plan: Plan, resources: list[Resource]) -> list[Resource]:
    """Compose the order in which the cluster goes: its roles and its key last.

    EKS removes its network interfaces with the roles, and those that stay keep the subnets
    from going; it reads its Secrets with the key to the end.
    """
    kept = {KEY, *iam.attachments(iam.CLUSTER_ROLE), *iam.attachments(iam.NODE_ROLE)}
    cluster = identity(plan, "Cluster", "cluster")
    return [
        goes_after(f"{r.name}-last", plan.composite, r.manifest, cluster, (r.name, CLUSTER))
        for r in resources
        if r.manifest and r.name.partition("/")[2] in kept
    ]


def _notes(request: Request, plan: Plan) -> Iterator[str]:
    if plan.version.note:
        yield plan.version.note
    if plan.secrets_key.note:
        yield plan.secrets_key.note
    if not plan.public_access_cidrs and not reach.is_reachable(request):
        yield f"the cluster's Kubernetes API is only reachable from inside its VPC: {_LET_IN}"
    for pool in plan.pools:
        if note := capacity.note(pool):
            yield note


def _in_order(resources: list[Resource]) -> list[Resource]:
    """Put every resource behind what it waits for, else as it came: waves are filled in this order."""
    placed: list[Resource] = []
    names: set[str] = set()
    rest = resources
    while rest:
        ready = [r for r in rest if names.issuperset(r.after)]
        if not ready:
            raise ValueError(f"{rest[0].name} waits for itself, or for what is not composed: {rest[0].after}")
        placed += ready
        names |= {r.name for r in ready}
        rest = [r for r in rest if r.name not in names]
    return placed


def _status(request: Request, plan: Plan) -> dict[str, object]:
    cloud = CloudFacts(name="aws", region=plan.region, partition=iam.partition(plan.region))
    return {
        "access": control_plane.way(plan).status.plain(),
        "nodePools": [p.status(ready=_pool_ready(request, p.name)).plain() for p in plan.pools],
        "network": Network(zones=list(plan.zones)).plain(),
        "autoscaler": autoscaler.status(plan).plain(),
        "cloud": cloud.plain(),
        # https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
        "nodeImage": NodeImage(driver=True, container_toolkit=True).plain(),
        "deletedWithClaim": True,
        "kubernetesVersion": plan.version.asked,
        "storageClassName": addons.STORAGE_CLASS,
        "sharedStorage": False,  # an EBS volume is one node's at a time
        "sharedStorageClassName": efs.STORAGE_CLASS,
    }


def _pool_ready(request: Request, pool: str) -> bool:
    seen = request.resource(pool_resource(pool))
    return seen is not None and condition_true()(seen)


def _unready(request: Request, name: str) -> bool:
    """Tell whether a resource was made and is not ready."""
    seen = request.resource(name)
    return seen is not None and not condition_true()(seen)


def _conditions(
    request: Request, plan: Plan, parts: dict[str, list[Resource]]
) -> tuple[Condition | Progress, ...]:
    names = {part: tuple(r.name for r in resources) for part, resources in parts.items()}
    return (
        Condition("Planned", Status.TRUE, "Planned", summary(plan.pools), Whose.PLATFORM),
        _network(plan, names["NetworkReady"]),
        Progress(
            "ControlPlaneReady",
            names["ControlPlaneReady"],
            f"Kubernetes {plan.version.control_plane} answers",
            hint=_control_plane_hint(request, plan),
        ),
        Progress(
            "NodePoolsReady",
            names["NodePoolsReady"],
            "the system pool and all GPU pools are there",
            hint=_pools_hint(request, plan),
        ),
    )


def _pools_hint(request: Request, plan: Plan) -> str:
    """Say what to do about the first pool that fails, else in general."""
    pool = next((pool for pool in plan.pools if _fails(request, pool_resource(pool.name))), None)
    if pool and pool.reservation:
        zone = plan.zones[plan.pool_subnets[pool.name][0]]
        return (
            f"Check that reservation {pool.reservation.id} is active, has room, and is for "
            f"{pool.instance_type} in {zone}"
        )
    if pool and pool.fabric:
        return (
            "Nodes with EFA stand close together: where the zone has no room for all, lower nodes.min or "
            f"name another zone for a pool in place of {pool.name}"
        )
    return (
        f"Where AWS has no capacity or names a vCPU limit, raise the quota in {plan.region} "
        "or choose another GPU, capacity or region"
    )


def _fails(request: Request, name: str) -> bool:
    """Tell whether the provider reports that it cannot make a resource."""
    seen = request.resource(name)
    found = [seen.condition(type_) for type_ in ("Synced", "LastAsyncOperation")] if seen else []
    return any(condition.text("status") == "False" for condition in found if condition)


def _network(plan: Plan, resources: tuple[str, ...]) -> Condition | Progress:
    zones = ", ".join(dict.fromkeys(plan.zones))
    if plan.vpc_id:
        is_there = f"VPC {plan.vpc_id} is there already, with subnets in {zones}"
        return Condition("NetworkReady", Status.TRUE, "NothingToCreate", is_there, Whose.PLATFORM)
    return Progress(
        "NetworkReady",
        resources,
        f"the VPC has subnets and a NAT gateway in {zones}",
        hint=f"Where AWS names a limit (VPCs, Elastic IPs, NAT gateways), raise that quota in {plan.region}",
    )


def _control_plane_hint(request: Request, plan: Plan) -> str:
    """Say what holds back an API that was made and does not answer, or those who are to use it."""
    if reach.is_reachable(request) and any(_unready(request, r.name) for r in admins.resources(plan)):
        return "Check that the roles in spec.aws.adminRoleArns exist"
    if request.resource(reach.REACHABLE) is None or plan.public_access_cidrs:
        return "EKS takes 10 to 15 minutes for a control plane"
    return f"The API is private: {_LET_IN}"
