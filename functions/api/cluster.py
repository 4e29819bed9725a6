"""InferenceCluster: what a platform team claims."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from .forms import Form
from .network import APART, PUBLIC, PUBLIC_FORM, SERVICE, VPC, check_apart, check_public
from .schema import Rule, Schema, rules

__all__ = [
    "Aws",
    "Capacity",
    "ClusterSpec",
    "Existing",
    "Gpu",
    "NodePool",
    "Nodes",
    "ProviderConfigRef",
    "SecretKeyRef",
]

_MIN_MAX = Rule(
    "self.min <= self.max", "nodes.min must not be larger than nodes.max (max is 1 when left out)"
)
_GPU_OR_TYPE = Rule(
    "has(self.gpu) || has(self.instanceType)",
    "a node pool names its GPU (gpu: {model: L4}) or its machine (instanceType: g6.xlarge)",
)
_ONE_PLACE = Rule(
    "(has(self.aws) ? 1 : 0) + (has(self.existing) ? 1 : 0) == 1",
    "name exactly one of aws and existing: where the cluster is",
)
_EXISTING_GPU = Rule(
    "!has(self.existing) || self.nodePools.all(p, has(p.gpu))",
    "a node pool of an existing cluster declares its gpu (model and count a node)",
)
_EXISTING_MACHINE = Rule(
    "!has(self.existing) || self.nodePools.all(p, !has(p.instanceType))",
    "a node pool of an existing cluster has no instanceType: its machines are there already",
)
_SAME_PLACE = Rule(
    "has(self.existing) == has(oldSelf.existing)",
    "a live cluster cannot change between aws and existing: claim a new one",
)
_UNIQUE_POOLS = Rule(
    "self.all(p, self.exists_one(q, q.name == p.name))", "every node pool needs a name of its own"
)

_POOL_NAME = Form(
    "[a-z]([a-z0-9-]*[a-z0-9])?",
    "a node pool's name has small letters, digits and '-' only, begins with a letter and does not end with "
    "'-', such as l4-spot",
)
_REGION = Form("[a-z]{2}(-[a-z]+)+-[0-9]", "aws.region is the code of an AWS region, such as eu-central-1")
_NAMESPACES = Form(
    "[a-z0-9*-]+",
    "allowedNamespaces takes names of namespaces, in which '*' stands for any characters, such as team-*",
)
_ROLE = Form(
    "arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+",
    "aws.adminRoleArns takes ARNs of IAM roles, such as arn:aws:iam::111122223333:role/platform-admins",
)
_ROLES_ONCE = Rule(
    "self.all(a, self.exists_one(b, b == a))", "aws.adminRoleArns names a role twice: once is enough"
)


def _fixed(field: str) -> Rule:
    return Rule("self == oldSelf", f"{field} cannot change on a live cluster: claim a new one")


class Capacity(StrEnum):
    """How a pool's machines are bought."""

    ON_DEMAND = "OnDemand"
    SPOT = "Spot"


class Gpu(Schema):
    """The GPUs of one node."""

    model: str = Field(description="GPU model, such as L4, L40S or H100-80GB.", min_length=1, max_length=40)
    count: int = Field(1, description="GPUs in one node. Default 1.", ge=1, le=16)


class Nodes(Schema):
    """How many nodes a pool may have."""

    model_config = ConfigDict(json_schema_extra=rules(_MIN_MAX))

    min: int = Field(
        1, description="Fewest nodes. Default 1: nothing adds nodes to a pool of none yet.", ge=0, le=1000
    )
    max: int = Field(1, description="Most nodes. Default 1.", ge=1, le=1000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"{_MIN_MAX.message}: got {self.min} and {self.max}")
        return self


class NodePool(Schema):
    """Equal GPU nodes."""

    model_config = ConfigDict(json_schema_extra=rules(_GPU_OR_TYPE))

    name: Annotated[str, AfterValidator(_POOL_NAME.check)] = Field(
        description="Name of the pool, unique in the cluster; at most 20 of a-z, 0-9 and '-'.",
        max_length=20,
        json_schema_extra=rules(_POOL_NAME.rule),
    )
    gpu: Gpu | None = Field(
        None, description="GPUs of a node. The catalog picks the cheapest machine that has exactly these."
    )
    instance_type: str | None = Field(
        None,
        description="Machine type, such as g6.xlarge; overrides the catalog's pick and must agree with gpu.",
        max_length=40,
    )
    nodes: Nodes = Field(Nodes(), description="Bounds of the pool's size, in nodes.")
    capacity: Capacity = Field(
        Capacity.ON_DEMAND, description="OnDemand, or Spot: cheaper and may be taken back. Default OnDemand."
    )
    disk_gib: int = Field(
        200,
        alias="diskGiB",
        description="Encrypted root disk of a node, in GiB. Default 200.",
        ge=50,
        le=16384,
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.gpu is None and self.instance_type is None:
            raise ValueError(_GPU_OR_TYPE.message)
        return self


class SecretKeyRef(Schema):
    """A key of a Secret in the claim's own namespace."""

    name: str = Field(
        description="Name of the Secret, in the claim's namespace.", min_length=1, max_length=253
    )
    key: str = Field("kubeconfig", description="Key in the Secret. Default kubeconfig.", max_length=253)


class ProviderConfigRef(Schema):
    """Which of the cloud provider's configurations to use, so which account."""

    kind: str = Field(
        "ClusterProviderConfig",
        description="ClusterProviderConfig, or a ProviderConfig in the platform namespace. "
        "Default the former.",
        pattern="^(ClusterProviderConfig|ProviderConfig)$",
    )
    name: str = Field("default", description="Name of the configuration. Default default.", max_length=253)


class Existing(Schema):
    """A cluster that is there already; nothing is created in any cloud."""

    kubeconfig_secret_ref: SecretKeyRef = Field(
        description="Kubeconfig of the cluster, in a Secret in the claim's namespace."
    )
    storage_class_name: str | None = Field(
        None,
        description="StorageClass for model weights. Default: the cluster's default class.",
        max_length=253,
    )
    shared_storage: bool = Field(
        False,
        description="Whether that class offers ReadWriteMany, which Models of several replicas need. "
        "Default false.",
    )


class Aws(Schema):
    """An EKS cluster in a VPC of its own."""

    model_config = ConfigDict(json_schema_extra=rules(APART))

    region: Annotated[str, AfterValidator(_REGION.check)] = Field(
        description="AWS region, such as eu-central-1. Cannot change.",
        max_length=25,
        json_schema_extra=rules(_REGION.rule, _fixed("aws.region")),
    )
    vpc_cidr: Annotated[str, AfterValidator(VPC.check)] = Field(
        "10.0.0.0/16",
        description="IPv4 range of the VPC, private, /16 to /20. Cannot change. Default 10.0.0.0/16.",
        max_length=18,
        json_schema_extra=rules(VPC.rule, _fixed("aws.vpcCidr")),
    )
    service_cidr: Annotated[str, AfterValidator(SERVICE.check)] = Field(
        "172.20.0.0/16",
        description="IPv4 range of Kubernetes Services, private, /12 to /24, outside the VPC's. "
        "Cannot change. Default 172.20.0.0/16.",
        max_length=18,
        json_schema_extra=rules(SERVICE.rule, _fixed("aws.serviceCidr")),
    )
    zones: list[Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=30)]] | None = Field(
        None,
        description="Three availability zones, by id (euc1-az1) or name (eu-central-1a). "
        "Default: three of the region's that have the pools' GPUs.",
        min_length=3,
        max_length=3,
    )
    public_access_cidrs: list[
        Annotated[
            str,
            AfterValidator(check_public),
            Field(max_length=18, json_schema_extra=rules(PUBLIC_FORM, PUBLIC)),
        ]
    ] = Field(
        default_factory=list,
        description="Who may reach the Kubernetes API from outside the VPC, as public IPv4 ranges. "
        "Default nobody.",
        max_length=40,
    )
    admin_role_arns: list[
        Annotated[
            str, AfterValidator(_ROLE.check), Field(max_length=640, json_schema_extra=rules(_ROLE.rule))
        ]
    ] = Field(
        default_factory=list,
        description="ARNs of the IAM roles that administer the cluster through kubectl; not the role of "
        "the AWS provider, which does anyway. Default none.",
        max_length=20,
        json_schema_extra=rules(_ROLES_ONCE),
    )
    provider_config_ref: ProviderConfigRef = Field(
        ProviderConfigRef(),
        description="The AWS provider's configuration to create with, so the account. Cannot change.",
        json_schema_extra=rules(_fixed("aws.providerConfigRef")),
    )

    @model_validator(mode="after")
    def _networks(self) -> Self:
        check_apart(self.vpc_cidr, self.service_cidr)
        return self

    @field_validator("admin_role_arns")
    @classmethod
    def _roles_once(cls, arns: list[str]) -> list[str]:
        if len(set(arns)) < len(arns):
            raise ValueError(_ROLES_ONCE.message)
        return arns


class ClusterSpec(Schema):
    """A Kubernetes cluster with GPU node pools, ready to serve Models."""

    model_config = ConfigDict(
        json_schema_extra=rules(_ONE_PLACE, _SAME_PLACE, _EXISTING_GPU, _EXISTING_MACHINE)
    )

    aws: Aws | None = Field(None, description="Create an EKS cluster on AWS.")
    existing: Existing | None = Field(None, description="Take a cluster that is there already.")
    kubernetes_version: str | None = Field(
        None,
        description="Kubernetes minor version of a cluster that is created, such as 1.35. "
        "Default: the platform's.",
        pattern=r"^1\.\d{2}$",
        max_length=4,
    )
    node_pools: list[NodePool] = Field(
        description="GPU node pools, at least one.",
        min_length=1,
        max_length=32,
        json_schema_extra={
            **rules(_UNIQUE_POOLS),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    allowed_namespaces: (
        list[
            Annotated[
                str,
                AfterValidator(_NAMESPACES.check),
                Field(max_length=63, json_schema_extra=rules(_NAMESPACES.rule)),
            ]
        ]
        | None
    ) = Field(
        None,
        description="Namespaces whose Models may use this cluster; '*' stands for any characters. "
        "Default: the claim's own.",
        max_length=100,
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.aws is None) == (self.existing is None):
            raise ValueError(_ONE_PLACE.message)
        if self.existing and any(pool.gpu is None for pool in self.node_pools):
            raise ValueError(_EXISTING_GPU.message)
        if self.existing and any(pool.instance_type for pool in self.node_pools):
            raise ValueError(_EXISTING_MACHINE.message)
        names = [pool.name for pool in self.node_pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{_UNIQUE_POOLS.message}: {', '.join(twice)} is there twice")
        return self
