"""The plan of an EKS cluster, decided from the spec, the recorded status and the live objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network

from functions.api import DEFAULT_VPC, Aws, NodePool, NodePoolsInput, SystemPool, contract
from functions.base import Invalid, Request, View, unique_name

from ..created import CLUSTER, SYSTEM, Cluster, LivePool, live_versions, node_pool, sharing_labels
from ..pools.market import Market
from ..pools.pool import recorded
from . import capacity, pool_zones, zones
from .nodes import allocatable
from .releases import Releases
from .secrets_key import SecretsKey, decide

__all__ = ["POOL_TAG", "Plan", "Subnet", "live_pool", "make", "market", "template_resource"]

POOL_TAG = "freehold.dev/pool"
"""Tag of every resource in AWS that belongs to one node pool."""

# The driver in the image is 580 and G7 needs 595:
# https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
_UNFIT = {"g7": "the EKS NVIDIA image has no driver for it yet"}

# The resource of AWS' own device plugin (github.com/aws/eks-charts, aws-efa-k8s-device-plugin).
_FABRICS = {"efa": contract.EFA}


@dataclass(frozen=True)
class Subnet:
    """A private subnet and, in a VPC of the cluster's own, the public subnet of its zone's NAT gateway."""

    zone: str
    id: str = ""
    """Id of an existing private subnet, whose ranges are empty here."""
    private: str = ""
    public: str = ""


@dataclass(frozen=True)
class Plan(Cluster):
    """An EKS cluster and everything around it."""

    vpc_id: str
    """Id of an existing VPC; empty where the cluster has a VPC of its own."""
    vpc_cidr: str
    service_cidr: str
    public_access_cidrs: tuple[str, ...]
    admin_role_arns: tuple[str, ...]
    releases: Releases
    secrets_key: SecretsKey
    system_pool: SystemPool
    subnets: tuple[Subnet, ...]
    pool_subnets: Mapping[str, tuple[int, ...]]
    """Positions of each node pool's subnets, by the pool's name."""

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones, in the order of the subnets."""
        return tuple(subnet.zone for subnet in self.subnets)


def template_resource(pool: str) -> str:
    """Return the name of a pool's launch template in the composition."""
    return f"node-pools/launch-template-{pool}"


def make(request: Request, place: Aws, cluster: Cluster) -> Plan:
    """Decide everything of a cluster that is special to AWS.

    Raises:
        Invalid: when the spec asks for what AWS, or the live cluster, cannot give.
    """
    _refuse_another_network(request, place)
    pools = cluster.pools
    kept = _live_zones(request)
    if len(kept) < zones.COUNT:
        kept = {**dict(enumerate(recorded(request).zones)), **kept}
    chosen = zones.choose(place, kept, pools)
    subnets, network = _subnets(place, chosen), place.existing_network
    given = request.parameters(NodePoolsInput)
    releases = Releases(cluster.version, place.node_release or "", given.eks)
    live = request.resource(CLUSTER)
    releases.check(None if live is None else live_versions(live))
    return Plan(
        **vars(cluster),
        vpc_id=network.vpc_id if network else "",
        vpc_cidr="" if network else place.vpc_cidr or DEFAULT_VPC,
        service_cidr=place.service_cidr,
        public_access_cidrs=tuple(place.public_access_cidrs),
        admin_role_arns=tuple(place.admin_role_arns),
        releases=releases,
        secrets_key=decide(request, place.region, place.kms_key_arn),
        system_pool=_system_pool(request, place.system_pool),
        subnets=subnets,
        pool_subnets={
            pool.name: pool_zones.subnets(
                index, pool, place.region, chosen, _living_subnets(request, pool.name, subnets)
            )
            for index, pool in enumerate(pools)
        },
    )


def market(place: Aws, asked: Sequence[NodePool]) -> Market:
    """Return the market that machines are picked from.

    Raises:
        Invalid: for zones and reservations that cannot exist.
    """
    capacity.check(asked)
    for index, pool in enumerate(asked):
        zones.check(place.region, pool.zones or (), f"spec.nodePools[{index}].zones[{{}}]")
    vouched = bool(place.zones or place.existing_network)
    return Market("aws", "AWS", place.region, vouched, _UNFIT, _FABRICS, allocatable)


def _refuse_another_network(request: Request, place: Aws) -> None:
    """Refuse to move a live cluster between a VPC of its own and an existing VPC.

    Raises:
        Invalid: for a cluster that lives in the other kind of VPC.
    """
    cluster = request.resource(CLUSTER)
    if cluster is None:
        return
    own = bool(cluster.each("spec", "forProvider", "vpcConfig", "subnetIdRefs"))
    if own == (place.existing_network is None):
        return
    where = "a VPC of its own" if own else "existing subnets"
    raise Invalid(
        "spec.aws.existingNetwork",
        f"the cluster lies in {where} and cannot move",
        "Restore the spec as it was, or claim a new cluster",
    )


def _system_pool(request: Request, asked: SystemPool) -> SystemPool:
    """Return the system pool as asked.

    Raises:
        Invalid: for another machine than the live system pool has, since EKS would replace the pool.
    """
    group = request.resource(f"node-pools/{SYSTEM}")
    living = group.texts("spec", "forProvider", "instanceTypes") if group else ()
    if living and living != (asked.instance_type,):
        raise Invalid(
            "spec.aws.systemPool.instanceType",
            f"the system pool runs on {living[0]} and cannot change while it lives",
            f"Set {living[0]}, or claim a new cluster",
        )
    return asked


def live_pool(request: Request, pool: str, group: View) -> LivePool:
    """Return a node pool as its live node group and launch template say it is."""
    template = request.resource(template_resource(pool))
    types = group.texts("spec", "forProvider", "instanceTypes")
    # A Capacity Block's machine stands in the launch template.
    in_template = template and template.text("spec", "forProvider", "instanceType")
    target = ("capacityReservationSpecification", "capacityReservationTarget", "capacityReservationId")
    reservation = (template.text("spec", "forProvider", *target) or "") if template else None
    disks = template.each("spec", "forProvider", "blockDeviceMappings") if template else ()
    disk = next((size for d in disks if (size := d.number("ebs", "volumeSize"))), None)
    return LivePool(
        machine=types[0] if types else in_template or "",
        capacity=capacity.live(group.text("spec", "forProvider", "capacityType") or "", reservation),
        reservation=reservation,
        labels=sharing_labels(group, "spec", "forProvider", "labels"),
        disk_gib=None if disk is None else int(disk),
        kubernetes=group.text("spec", "forProvider", "version") or "",
    )


def _living_subnets(request: Request, pool: str, subnets: Sequence[Subnet]) -> tuple[int, ...]:
    """Return the positions of a live node pool's subnets; none where there is no such pool."""
    group = request.resource(node_pool(pool))
    if group is None:
        return ()
    named = {ref.text("name") for ref in group.each("spec", "forProvider", "subnetIdRefs")}
    ids = set(group.texts("spec", "forProvider", "subnetIds"))
    return tuple(
        i
        for i, subnet in enumerate(subnets)
        if subnet.id in ids or unique_name(request.name, f"subnet-private-{i}") in named
    )


def _live_zones(request: Request) -> dict[int, str]:
    """Return the zones of the live subnets, by position.

    The provider never fills in an id where a subnet was composed with a zone's name
    (IgnoredFields in provider-upjet-aws, config/namespaced/ec2/config.go), but a name beside an id.
    """
    found = {}
    for index in range(zones.COUNT):
        for side in ("private", "public"):
            subnet = request.resource(f"node-pools/subnet-{side}-{index}")
            for field in ("availabilityZone", "availabilityZoneId"):
                if subnet and (zone := subnet.text("spec", "forProvider", field)):
                    found[index] = zone
    return found


def _subnets(place: Aws, chosen: Sequence[str]) -> tuple[Subnet, ...]:
    """Return the existing subnets, or divide a VPC of the cluster's own.

    Each zone's nodes and pods get a quarter of the VPC. The last quarter is for public subnets, a
    sixteenth of the VPC each: they hold only NAT gateways and load balancers. A sixteenth stays free.
    """
    if place.existing_network is not None:
        return tuple(Subnet(subnet.zone, id=subnet.id) for subnet in place.existing_network.subnets)
    ranges = _divided(place.vpc_cidr or DEFAULT_VPC)
    return tuple(
        Subnet(zone, private=inner, public=outer)
        for zone, (inner, outer) in zip(chosen, ranges, strict=False)
    )


@lru_cache(maxsize=256)
def _divided(vpc: str) -> tuple[tuple[str, str], ...]:
    """Return the ranges of the private and the public subnet of each zone that a VPC has room for."""
    *private, rest = IPv4Network(vpc).subnets(prefixlen_diff=2)
    public = rest.subnets(prefixlen_diff=2)
    return tuple((str(inner), str(outer)) for inner, outer in zip(private, public, strict=False))
