"""What an EKS cluster consists of, decided from the spec and what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from functions.api import DEFAULT_VPC, Aws, ClusterSpec, NodePoolsInput, ProviderConfigRef, SystemPool
from functions.base import Invalid, Request, unique_name
from functions.catalog import kubernetes

from .. import access
from ..plan import Market, Pool, picked, recorded
from . import nodes, versions, zones
from .secrets_key import SecretsKey, decide

__all__ = ["CLUSTER", "POOL_LABEL", "SYSTEM", "Plan", "Subnet", "make", "pool_resource"]

CLUSTER = "node-pools/cluster"
SYSTEM = "system-pool"
POOL_LABEL = "freehold.dev/node-pool"
"""Label of every GPU node; its value is the pool's name."""

# The driver in the image is 580 and G7 needs 595:
# https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
_UNFIT = {"g7": "the EKS NVIDIA image has no driver for it yet"}

# The resource of AWS' own device plugin (github.com/aws/eks-charts, aws-efa-k8s-device-plugin).
_FABRICS = {"efa": "vpc.amazonaws.com/efa"}


@dataclass(frozen=True)
class Subnet:
    """The subnets of one zone."""

    zone: str
    private: str
    public: str

    @property
    def by_id(self) -> bool:
        """Whether the zone is given by id (euc1-az1) and not by name (eu-central-1a)."""
        return "-az" in self.zone


@dataclass(frozen=True)
class Plan:
    """An EKS cluster and everything around it."""

    composite: str
    """The composite's name: part of every name."""
    tags: Mapping[str, str]
    """Tags of everything in AWS that takes tags."""
    namespace: str
    """The platform namespace, where everything is composed."""
    region: str
    vpc_cidr: str
    service_cidr: str
    public_access_cidrs: tuple[str, ...]
    admin_role_arns: tuple[str, ...]
    provider_config: ProviderConfigRef
    secrets_key: SecretsKey
    system_pool: SystemPool
    subnets: tuple[Subnet, ...]
    version: versions.Versions
    pools: tuple[Pool, ...]
    live_subnets: Mapping[str, tuple[int, ...]]
    """Subnets, by position, of the pools that exist: a node group cannot change them."""

    def object_name(self, *what: str) -> str:
        """Name an object, and by that what it stands for in AWS."""
        return unique_name(self.composite, *what)

    @property
    def cluster_name(self) -> str:
        """Name of the EKS cluster."""
        return self.object_name("cluster")

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones, in the order of the subnets."""
        return tuple(subnet.zone for subnet in self.subnets)

    def subnets_of(self, pool: Pool) -> tuple[int, ...]:
        """Return the subnets, by position, whose zones have a pool's machine."""
        return self.live_subnets.get(pool.name) or zones.holding(self.region, self.zones, pool.instance_type)


def pool_resource(pool: str) -> str:
    """Return the name of a pool's node group in the composition."""
    return f"node-pools/pool-{pool}"


def make(request: Request, spec: ClusterSpec, given: NodePoolsInput) -> Plan:
    """Decide everything that the cluster consists of.

    Raises:
        Invalid: when the spec asks for what AWS, or the live cluster, cannot give.
    """
    place = spec.aws
    assert place is not None, "chosen by the spec"
    before = recorded(request)
    nodes.check(spec.node_pools)
    market = Market("aws", "AWS", place.region, place.zones is not None, _UNFIT, _FABRICS)
    live = {pool.name: _machine_of(request, pool_resource(pool.name)) for pool in spec.node_pools}
    pools = picked(spec.node_pools, market, before.pools, live, POOL_LABEL)
    cluster = request.resource(CLUSTER)
    version = versions.decide(
        asked=spec.kubernetes_version,
        recorded=before.kubernetes_version,
        running=(cluster and cluster.text("status", "atProvider", "version")) or "",
        default=given.kubernetes_version or kubernetes(),
    )
    chosen = zones.choose(place.region, place.zones, before.zones or _zones_of(request), pools)
    return Plan(
        composite=request.name,
        tags=_tags(request, spec, place),
        namespace=access.platform_namespace(request, given),
        region=place.region,
        vpc_cidr=place.vpc_cidr or DEFAULT_VPC,
        service_cidr=place.service_cidr,
        public_access_cidrs=tuple(place.public_access_cidrs),
        admin_role_arns=tuple(place.admin_role_arns),
        provider_config=place.provider_config_ref,
        secrets_key=decide(request, place.kms_key_arn),
        system_pool=_system_pool(request, place.system_pool),
        subnets=_subnets(place, chosen),
        version=version,
        pools=pools,
        live_subnets={pool.name: _subnets_of(request, pool.name) for pool in spec.node_pools},
    )


def _tags(request: Request, spec: ClusterSpec, place: Aws) -> dict[str, str]:
    """Return the tags by which costs are told apart: the user's, and whose cluster it is."""
    claim = request.claim
    own = {
        "freehold.dev/cluster": f"{claim.namespace}/{claim.name}".strip("/"),
        "freehold.dev/namespace": claim.namespace,
        "freehold.dev/owner": spec.owner or claim.namespace,
        "managed-by": "freehold",
    }
    return {**place.tags, **{key: value for key, value in own.items() if value}}


def _system_pool(request: Request, asked: SystemPool) -> SystemPool:
    """Return the system pool as asked.

    Raises:
        Invalid: for another machine than it lives on, which EKS would replace it for.
    """
    living = _machine_of(request, f"node-pools/{SYSTEM}")
    if living not in ("", asked.instance_type):
        raise Invalid(
            "spec.aws.systemPool.instanceType",
            f"the system pool runs on {living} and cannot change while it lives",
            f"Set {living}, or claim a new cluster",
        )
    return asked


def _machine_of(request: Request, resource: str) -> str:
    """Return the machine type of a node group that exists."""
    group = request.resource(resource)
    types = group.texts("spec", "forProvider", "instanceTypes") if group else ()
    return types[0] if types else ""


def _subnets_of(request: Request, pool: str) -> tuple[int, ...]:
    """Return the subnets, by position, of a pool that exists."""
    group = request.resource(pool_resource(pool))
    names = (
        {ref.text("name") for ref in group.each("spec", "forProvider", "subnetIdRefs")} if group else set()
    )
    wanted = ((i, unique_name(request.name, f"subnet-private-{i}")) for i in range(zones.COUNT))
    return tuple(i for i, name in wanted if name in names)


def _zones_of(request: Request) -> tuple[str, ...]:
    """Return the zones of the subnets that exist, if all do: where the record is lost."""
    found = []
    for index in range(zones.COUNT):
        subnet = request.resource(f"node-pools/subnet-private-{index}")
        for field in ("availabilityZoneId", "availabilityZone"):
            if subnet and (zone := subnet.text("spec", "forProvider", field)):
                found.append(zone)
                break
    return tuple(found) if len(found) == zones.COUNT else ()


def _subnets(place: Aws, chosen: tuple[str, ...]) -> tuple[Subnet, ...]:
    """Divide the VPC: a quarter for the nodes and pods of each zone, the last for what is public.

    Public subnets hold NAT gateways and load balancers only, so a sixteenth of the
    VPC each is plenty; the last sixteenth stays free.
    """
    *private, rest = IPv4Network(place.vpc_cidr or DEFAULT_VPC).subnets(prefixlen_diff=2)
    public = rest.subnets(prefixlen_diff=2)
    return tuple(
        Subnet(zone, str(inner), str(outer))
        for zone, inner, outer in zip(chosen, private, public, strict=False)
    )
