"""VPC, subnets, routes and one NAT gateway a zone; nothing of this in an existing VPC.

One NAT gateway for all zones would cost a third. But where its zone fails, every node would lose
the image registries and the AWS APIs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from functions.base import Request, Resource

from ..created import CLUSTER
from .managed import managed, ref
from .plan import Plan
from .zones import is_id

__all__ = ["made", "nodes_security_group", "private_ready", "resources", "subnet", "subnets", "vpc"]

_ANYWHERE = "0.0.0.0/0"


def resources(plan: Plan) -> list[Resource]:
    """Compose the network in the order of creation; nothing in an existing VPC."""
    if plan.vpc_id:
        return []
    own = managed(
        plan,
        "VPC",
        "vpc",
        {"cidrBlock": plan.vpc_cidr, "enableDnsSupport": True, "enableDnsHostnames": True},
    )
    return [
        own,
        managed(plan, "InternetGateway", "internet-gateway", {"vpcIdRef": ref(plan, "vpc")}, after=("vpc",)),
        *_public_routes(plan),
        *(resource for i in range(len(plan.subnets)) for resource in _zone(plan, i)),
    ]


def vpc(plan: Plan) -> dict[str, Any]:
    """Return the field of a resource that names its VPC."""
    return {"vpcId": plan.vpc_id} if plan.vpc_id else {"vpcIdRef": ref(plan, "vpc")}


def subnets(plan: Plan, positions: Iterable[int]) -> dict[str, Any]:
    """Return the field of a resource that names several private subnets, by position."""
    if plan.vpc_id:
        return {"subnetIds": [plan.subnets[i].id for i in positions]}
    return {"subnetIdRefs": [ref(plan, f"subnet-private-{i}") for i in positions]}


def subnet(plan: Plan, position: int) -> dict[str, Any]:
    """Return the field of a resource that names one private subnet, by position."""
    if plan.vpc_id:
        return {"subnetId": plan.subnets[position].id}
    return {"subnetIdRef": ref(plan, f"subnet-private-{position}")}


def nodes_security_group(request: Request) -> str:
    """Return the id of the security group that EKS creates for the cluster's nodes; empty while unknown."""
    cluster = request.resource(CLUSTER)
    return (cluster and cluster.text("status", "atProvider", "vpcConfig", "clusterSecurityGroupId")) or ""


def made(plan: Plan, positions: Iterable[int]) -> tuple[str, ...]:
    """Return the names of the private subnets that must be ready first; none in an existing VPC."""
    return () if plan.vpc_id else tuple(f"subnet-private-{i}" for i in positions)


def private_ready(plan: Plan, positions: Iterable[int]) -> tuple[str, ...]:
    """Return which routes must be ready before nodes in private subnets reach anything outside."""
    if plan.vpc_id:
        return ()
    return tuple(f"{part}-private-{i}" for i in positions for part in ("route", "association"))


def _subnet(plan: Plan, index: int, side: str, cidr: str, role: str) -> Resource:
    """Compose a subnet. Machines get no public address in any subnet, public subnets included."""
    subnet = plan.subnets[index]
    return managed(
        plan,
        "Subnet",
        f"subnet-{side}-{index}",
        {
            "vpcIdRef": ref(plan, "vpc"),
            "cidrBlock": cidr,
            "availabilityZoneId" if is_id(subnet.zone) else "availabilityZone": subnet.zone,
            "mapPublicIpOnLaunch": False,
        },
        after=("vpc",),
        tags={role: "1", f"kubernetes.io/cluster/{plan.cluster_name}": "owned"},
    )


def _public_routes(plan: Plan) -> list[Resource]:
    return [
        managed(plan, "RouteTable", "route-table-public", {"vpcIdRef": ref(plan, "vpc")}, after=("vpc",)),
        managed(
            plan,
            "Route",
            "route-public",
            {
                "routeTableIdRef": ref(plan, "route-table-public"),
                "destinationCidrBlock": _ANYWHERE,
                "gatewayIdRef": ref(plan, "internet-gateway"),
            },
            after=("route-table-public", "internet-gateway"),
        ),
    ]


def _zone(plan: Plan, index: int) -> list[Resource]:
    """Compose a zone's two subnets, its NAT gateway, and the private subnet's route through the gateway."""
    table, nat, address = f"route-table-private-{index}", f"nat-{index}", f"eip-{index}"
    subnet = f"subnet-public-{index}"
    ranges = plan.subnets[index]
    return [
        _subnet(plan, index, "private", ranges.private, "kubernetes.io/role/internal-elb"),
        _subnet(plan, index, "public", ranges.public, "kubernetes.io/role/elb"),
        _association(plan, "public", index, "route-table-public"),
        managed(plan, "EIP", address, {"domain": "vpc"}, after=("internet-gateway",)),
        managed(
            plan,
            "NATGateway",
            nat,
            {
                "connectivityType": "public",
                "subnetIdRef": ref(plan, subnet),
                "allocationIdRef": ref(plan, address),
            },
            after=(address, subnet, "route-public", f"association-public-{index}"),
        ),
        managed(plan, "RouteTable", table, {"vpcIdRef": ref(plan, "vpc")}, after=("vpc",)),
        _association(plan, "private", index, table),
        managed(
            plan,
            "Route",
            f"route-private-{index}",
            {
                "routeTableIdRef": ref(plan, table),
                "destinationCidrBlock": _ANYWHERE,
                "natGatewayIdRef": ref(plan, nat),
            },
            after=(table, nat),
        ),
    ]


def _association(plan: Plan, side: str, index: int, table: str) -> Resource:
    subnet = f"subnet-{side}-{index}"
    return managed(
        plan,
        "RouteTableAssociation",
        f"association-{side}-{index}",
        {"subnetIdRef": ref(plan, subnet), "routeTableIdRef": ref(plan, table)},
        after=(subnet, table),
    )
