"""An InferenceCluster on AWS."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from ..forms import Form
from ..node_pool import Nodes
from ..schema import Rule, Schema, rules
from .aws_network import APART, PUBLIC, PUBLIC_FORM, SERVICE, VPC, check_apart, check_public
from .place import Place

__all__ = [
    "DEFAULT_VPC",
    "NODE_RELEASE",
    "PLACE",
    "Aws",
    "AwsSubnet",
    "ExistingNetwork",
    "ProviderConfigRef",
    "SystemPool",
]

NODE_RELEASE = r"^1\.\d{2}\.\d+-\d{8}$"
"""Form of a release of EKS' node images, such as 1.35.6-20260714."""

DEFAULT_VPC = "10.0.0.0/16"
"""Range of a VPC that is made, where the spec names none."""

_REGION = Form("[a-z]{2}(-[a-z]+)+-[0-9]", "aws.region is the code of an AWS region, such as eu-central-1")
_ROLE = Form(
    "arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+",
    "aws.adminRoleArns takes ARNs of IAM roles, such as arn:aws:iam::111122223333:role/platform-admins",
)
_ROLES_ONCE = Rule(
    "self.all(a, self.exists_one(b, b == a))", "aws.adminRoleArns names a role twice: once is enough"
)
_ONE_NETWORK = Rule(
    "!has(self.vpcCidr) || !has(self.existingNetwork)",
    "aws.vpcCidr is for a new VPC and aws.existingNetwork names an existing one: name one of them",
)
_SAME_NETWORK = Rule(
    "has(self.existingNetwork) == has(oldSelf.existingNetwork) && has(self.vpcCidr) == has(oldSelf.vpcCidr)",
    "aws.vpcCidr and aws.existingNetwork cannot come or go on a live cluster: claim a new one",
)
_SYSTEM_NODES = Rule(
    "self.nodes.min > 0", "aws.systemPool.nodes.min is at least 1: without nodes the cluster has no DNS"
)
_AMD64 = Rule(
    "!self.matches('^(a1|[a-z]+[0-9]+[a-z0-9-]*g[a-z0-9-]*)[.]')",
    "aws.systemPool.instanceType has an ARM CPU, and the system pool's node image is for amd64: use a "
    "machine such as m6i.large or m7a.large",
)
"""EC2 names machines with AWS' own CPUs by a g behind the generation; a1 were the first of them.

https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
"""
_SAME_KEY = Rule(
    "has(self.kmsKeyArn) == has(oldSelf.kmsKeyArn)",
    "aws.kmsKeyArn cannot come or go on a live cluster: claim a new one",
)
_ZONES_OF_SUBNETS = Rule(
    "!has(self.zones) || !has(self.existingNetwork)",
    "aws.zones are for a new VPC: with aws.existingNetwork the zones are those of its subnets",
)
_TWO_ZONES = Rule(
    "self.exists(a, self.exists(b, a.zone != b.zone))",
    "aws.existingNetwork.subnets must lie in at least two zones, which EKS demands",
)
_SUBNETS_ONCE = Rule(
    "self.all(a, self.exists_one(b, b.id == a.id))", "aws.existingNetwork.subnets names a subnet twice"
)
_KEY = Form(
    "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
    "aws.kmsKeyArn is the ARN of a KMS key, such as "
    "arn:aws:kms:eu-central-1:111122223333:key/0123abcd-01ab-23cd-45ef-0123456789ab",
)
_TAG_KEYS = Rule(
    "self.all(k, !k.startsWith('aws:') && !k.startsWith('freehold.dev/'))",
    "aws.tags takes no keys that begin with aws: or freehold.dev/, which are not yours to set",
)


def _fixed(field: str) -> Rule:
    return Rule("self == oldSelf", f"{field} cannot change on a live cluster: claim a new one")


class ProviderConfigRef(Schema):
    """Which of the cloud provider's configurations to use, so which account."""

    kind: str = Field(
        "ClusterProviderConfig",
        description="ClusterProviderConfig, or a ProviderConfig in the platform namespace. "
        "Default the former.",
        pattern="^(ClusterProviderConfig|ProviderConfig)$",
    )
    name: str = Field("default", description="Name of the configuration. Default default.", max_length=253)


class AwsSubnet(Schema):
    """An existing subnet."""

    id: str = Field(
        description="Id of the subnet, such as subnet-0123456789abcdef0.",
        pattern=r"^subnet-[0-9a-f]{8,17}$",
        max_length=24,
    )
    zone: str = Field(
        description="Its availability zone, by id (euc1-az1) or name (eu-central-1a).",
        pattern=r"^[a-z0-9-]+$",
        max_length=30,
    )


class ExistingNetwork(Schema):
    """An existing VPC: private subnets with routes to the AWS APIs and image registries."""

    vpc_id: str = Field(
        description="Id of the VPC, such as vpc-0123456789abcdef0.",
        pattern=r"^vpc-[0-9a-f]{8,17}$",
        max_length=21,
    )
    subnets: list[AwsSubnet] = Field(
        description="Private subnets of the control plane and the nodes, in two zones or more.",
        min_length=2,
        max_length=16,
        json_schema_extra=rules(_TWO_ZONES, _SUBNETS_ONCE),
    )

    @field_validator("subnets")
    @classmethod
    def _apart(cls, subnets: list[AwsSubnet]) -> list[AwsSubnet]:
        if len({subnet.zone for subnet in subnets}) < len(("two", "zones")):
            raise ValueError(_TWO_ZONES.message)
        if len({subnet.id for subnet in subnets}) < len(subnets):
            raise ValueError(_SUBNETS_ONCE.message)
        return subnets


class SystemNodes(Nodes):
    """How many nodes the system pool may have."""

    min: int = Field(2, description="Fewest nodes, at least 1. Default 2.", ge=0, le=1000)
    max: int = Field(3, description="Most nodes. Default 3.", ge=1, le=1000)


class SystemPool(Schema):
    """The nodes that carry DNS, operators and add-ons; no GPUs."""

    model_config = ConfigDict(json_schema_extra=rules(_SYSTEM_NODES))

    instance_type: str = Field(
        "m6i.large",
        description="EC2 instance type, amd64. Default m6i.large: 2 vCPU, 8 GiB.",
        pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$",
        max_length=40,
        json_schema_extra=rules(_AMD64),
    )
    nodes: SystemNodes = Field(SystemNodes(), description="Bounds of its size, in nodes. Default 2 to 3.")

    @field_validator("instance_type")
    @classmethod
    def _for_the_image(cls, instance_type: str) -> str:
        if re.match(r"(a1|[a-z]+[0-9]+[a-z0-9-]*g[a-z0-9-]*)[.]", instance_type):
            raise ValueError(_AMD64.message)
        return instance_type

    @field_validator("nodes")
    @classmethod
    def _some(cls, nodes: SystemNodes) -> SystemNodes:
        if nodes.min < 1:
            raise ValueError(_SYSTEM_NODES.message)
        return nodes


class Aws(Schema):
    """An EKS cluster, in a VPC of its own or in an existing VPC."""

    model_config = ConfigDict(
        json_schema_extra=rules(APART, _ONE_NETWORK, _SAME_NETWORK, _SAME_KEY, _ZONES_OF_SUBNETS)
    )

    region: Annotated[str, AfterValidator(_REGION.check)] = Field(
        description="AWS region, such as eu-central-1. Cannot change.",
        max_length=25,
        json_schema_extra=rules(_REGION.rule, _fixed("aws.region")),
    )
    vpc_cidr: Annotated[str, AfterValidator(VPC.check), Field(json_schema_extra=rules(VPC.rule))] | None = (
        Field(
            None,
            description="IPv4 range of the VPC that is made, private, /16 to /20. Cannot change. "
            "Default 10.0.0.0/16.",
            max_length=18,
            json_schema_extra=rules(_fixed("aws.vpcCidr")),
        )
    )
    existing_network: ExistingNetwork | None = Field(
        None,
        description="An existing VPC, with DNS support and DNS hostnames on, instead of a VPC of the "
        "cluster's own. Cannot change.",
        json_schema_extra=rules(_fixed("aws.existingNetwork")),
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
    kms_key_arn: Annotated[str, AfterValidator(_KEY.check)] | None = Field(
        None,
        description="KMS key that encrypts the cluster's Secrets. Cannot change. Default: a key of its own.",
        max_length=200,
        json_schema_extra=rules(_KEY.rule, _fixed("aws.kmsKeyArn")),
    )
    tags: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict,
        description="Tags of everything in AWS that takes tags, beside the package's own. At most 30. "
        "Machines that run keep theirs until they are replaced. Default none.",
        max_length=30,
        json_schema_extra=rules(_TAG_KEYS),
    )
    node_release: str | None = Field(
        None,
        description="Release of EKS' node images that all nodes run, such as 1.35.6-20260714, of the "
        "cluster's Kubernetes version. Another one replaces the nodes, one after the other, and their Models "
        "restart. Default: the platform's for new pools; live ones keep theirs until the Kubernetes version "
        "changes.",
        pattern=NODE_RELEASE,
        max_length=24,
    )
    system_pool: SystemPool = Field(SystemPool(), description="The nodes that carry everything but Models.")
    provider_config_ref: ProviderConfigRef = Field(
        ProviderConfigRef(),
        description="The AWS provider's configuration to create with, so the account. The platform lists "
        "which ones a namespace may name. Cannot change.",
        json_schema_extra=rules(_fixed("aws.providerConfigRef")),
    )

    @model_validator(mode="after")
    def _networks(self) -> Self:
        if self.vpc_cidr is not None and self.existing_network is not None:
            raise ValueError(_ONE_NETWORK.message)
        if self.zones is not None and self.existing_network is not None:
            raise ValueError(_ZONES_OF_SUBNETS.message)
        if self.existing_network is None:
            check_apart(self.vpc_cidr or DEFAULT_VPC, self.service_cidr)
        return self

    @field_validator("tags")
    @classmethod
    def _own_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        if any(key.startswith(("aws:", "freehold.dev/")) for key in tags):
            raise ValueError(_TAG_KEYS.message)
        return tags

    @field_validator("admin_role_arns")
    @classmethod
    def _roles_once(cls, arns: list[str]) -> list[str]:
        if len(set(arns)) < len(arns):
            raise ValueError(_ROLES_ONCE.message)
        return arns


PLACE = Place("aws", Aws, "Create an EKS cluster on AWS.", created=True)
