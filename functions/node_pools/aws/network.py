"""VPC, subnets, and the way out: one NAT gateway a zone.

One NAT gateway for all zones would cost a third, and its zone's failure would cut
every node from its registry and from the AWS APIs.
"""

from __future__ import annotations

from functions.base import Resource

from .managed import managed, ref
from .plan import Plan

__all__ = ["private_ready", "resources"]

_ANYWHERE = "0.0.0.0/0"


def resources(plan: Plan) -> list[Resource]:
    """Compose the network, in the order in which it can be created."""
    vpc = managed(
        plan,
        "VPC",
        "vpc",
        {"cidrBlock": plan.vpc_cidr, "enableDnsSupport": True, "enableDnsHostnames": True},
    )
    zones = range(len(plan.subnets))
    return [
        vpc,
        managed(plan, "InternetGateway", "internet-gateway", {"vpcIdRef": ref(plan, "vpc")}, after=("vpc",)),
        *(_private_subnet(plan, i) for i in zones),
        *(_public_subnet(plan, i) for i in zones),
        *_public_routes(plan),
        *(resource for i in zones for resource in _way_out(plan, i)),
    ]


def private_ready(index: int) -> tuple[str, ...]:
    """Return what must be ready before a private subnet's nodes can reach anything."""
    return (f"route-private-{index}", f"association-private-{index}")


def _private_subnet(plan: Plan, index: int) -> Resource:
    return _subnet(plan, index, "private", plan.subnets[index].private, "kubernetes.io/role/internal-elb")


def _public_subnet(plan: Plan, index: int) -> Resource:
    return _subnet(plan, index, "public", plan.subnets[index].public, "kubernetes.io/role/elb")


def _subnet(plan: Plan, index: int, side: str, cidr: str, role: str) -> Resource:
    """Compose a subnet; no machine gets a public address, in the public ones neither."""
    subnet = plan.subnets[index]
    return managed(
        plan,
        "Subnet",
        f"subnet-{side}-{index}",
        {
            "vpcIdRef": ref(plan, "vpc"),
            "cidrBlock": cidr,
            "availabilityZoneId" if subnet.by_id else "availabilityZone": subnet.zone,
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
        *(_association(plan, "public", i, "route-table-public") for i in range(len(plan.subnets))),
    ]


def _way_out(plan: Plan, index: int) -> list[Resource]:
    """Compose a zone's NAT gateway and the route of its private subnet through it."""
    table, nat, address = f"route-table-private-{index}", f"nat-{index}", f"eip-{index}"
    subnet = f"subnet-public-{index}"
    return [
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
