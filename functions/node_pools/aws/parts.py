"""All composed resources of an EKS cluster, and the hints and notes that users read."""

from __future__ import annotations

from collections.abc import Iterator

from functions.api import CloudFacts, Network
from functions.base import Request, condition_true

from .. import reach
from ..created import SYSTEM, Parts
from ..pools.pool import Pool
from . import addons, admins, autoscaler, capacity, control_plane, fabric, identity, network, pools, storage
from .managed import KINDS
from .plan import Plan
from .secrets_key import KEY

__all__ = ["parts"]

_LASTING_ROLES = (identity.CLUSTER_ROLE, identity.NODE_ROLE, identity.EBS_ROLE, identity.EFS_ROLE)
_LET_IN = (
    "run Crossplane in a network that reaches the VPC, "
    "or list the public addresses that it calls from in spec.aws.publicAccessCidrs"
)


def parts(request: Request, plan: Plan) -> Parts:
    """Compose an EKS cluster."""
    return Parts(
        network=network.resources(plan),
        control_plane=[
            *identity.resources(plan),
            *control_plane.resources(plan),
            *addons.before_nodes(request, plan),
            *autoscaler.resources(plan),
            *admins.resources(plan),
        ],
        node_pools=[
            *fabric.resources(plan),
            *pools.resources(request, plan),
            *addons.after_nodes(request, plan),
            *storage.resources(request, plan),
        ],
        cluster=KINDS.identity(plan, "Cluster", "cluster"),
        kubeconfig=control_plane.AUTH,
        # Nothing could run before there are nodes and names. A pod gets its role when it is
        # made, and the next step makes the autoscaler's after this.
        answers_after=tuple(f"node-pools/{n}" for n in (SYSTEM, "addon-coredns", autoscaler.IDENTITY)),
        gone=[*pools.gone(request, plan), *fabric.gone(request, plan), *admins.gone(request, plan)],
        # EKS removes its network interfaces with the roles, and those that stay keep the subnets
        # from going; it reads its Secrets with the key to the end. The CSI drivers delete volumes
        # of Models that have just gone.
        outlives_cluster=tuple(
            f"node-pools/{what}"
            for what in (KEY, *(a for role in _LASTING_ROLES for a in identity.attachments(role)))
        ),
        status=_status(plan),
        network_is=_network(plan),
        network_hint="Where AWS names a limit (VPCs, Elastic IPs, NAT gateways), raise that quota in "
        f"{plan.region}",
        control_plane_hint=_control_plane_hint(request, plan),
        node_pools_hint=f"Where AWS has no capacity or names a vCPU limit, raise the quota in {plan.region} "
        "or choose another GPU, capacity or region",
        pool_hints={pool.name: hint for pool in plan.pools if (hint := _pool_hint(plan, pool))},
        notes=tuple(_notes(request, plan)),
    )


def _notes(request: Request, plan: Plan) -> Iterator[str]:
    yield from plan.releases.notes
    if plan.secrets_key.note:
        yield plan.secrets_key.note
    if not plan.public_access_cidrs and not reach.is_reachable(request):
        yield f"the cluster's Kubernetes API is only reachable from inside its VPC: {_LET_IN}"
    for pool in plan.pools:
        if note := capacity.note(pool):
            yield note


def _status(plan: Plan) -> dict[str, object]:
    cloud = CloudFacts(name="aws", region=plan.region, partition=identity.partition(plan.region))
    return {
        "network": Network(zones=list(plan.zones)).plain(),
        "autoscaler": autoscaler.status(plan).plain(),
        "cloud": cloud.plain(),
        "storageClassName": storage.STORAGE_CLASS,
        "sharedStorage": False,  # one node at a time mounts an EBS volume
        "sharedStorageClassName": storage.STORAGE_CLASS_SHARED,
    }


def _pool_hint(plan: Plan, pool: Pool) -> str:
    """Return what to do where a node pool fails; empty where the general hint serves."""
    if pool.reservation:
        zone = plan.zones[plan.pool_subnets[pool.name][0]]
        return (
            f"Check that reservation {pool.reservation.id} is active, has room, and is for "
            f"{pool.instance_type} in {zone}"
        )
    if pool.fabric:
        return (
            "Nodes with EFA stand close together: where the zone has no room for all, lower nodes.min or "
            f"name another zone for a pool in place of {pool.name}"
        )
    return ""


def _network(plan: Plan) -> str:
    zones = ", ".join(dict.fromkeys(plan.zones))
    if plan.vpc_id:
        return f"the existing VPC {plan.vpc_id} is used, with subnets in {zones}"
    return f"the VPC has subnets and a NAT gateway in {zones}"


def _unready(request: Request, name: str) -> bool:
    """Tell whether a resource exists and is not ready."""
    seen = request.resource(name)
    return seen is not None and not condition_true()(seen)


def _control_plane_hint(request: Request, plan: Plan) -> str:
    """Return what to do while the API does not answer, or an administrator's access fails."""
    if reach.is_reachable(request) and any(_unready(request, r.name) for r in admins.resources(plan)):
        return "Check that the roles in spec.aws.adminRoleArns exist"
    if request.resource(reach.REACHABLE) is None or plan.public_access_cidrs:
        return "EKS takes 10 to 15 minutes for a control plane"
    return f"The API is private: {_LET_IN}"
