"""Managed resources of the AWS provider: where each kind is, and how it is tagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.base import Resource

from ..managed import Kinds
from .labels import label
from .plan import Plan

__all__ = ["KINDS", "managed", "ref"]

_GROUPS = {
    "ec2": (
        "EIP",
        "InternetGateway",
        "LaunchTemplate",
        "NATGateway",
        "PlacementGroup",
        "Route",
        "RouteTable",
        "RouteTableAssociation",
        "SecurityGroup",
        "SecurityGroupEgressRule",
        "SecurityGroupIngressRule",
        "Subnet",
        "VPC",
    ),
    "efs": ("FileSystem", "MountTarget"),
    "eks": (
        "AccessEntry",
        "AccessPolicyAssociation",
        "Addon",
        "Cluster",
        "ClusterAuth",
        "NodeGroup",
        "PodIdentityAssociation",
    ),
    "iam": ("Role", "RolePolicy", "RolePolicyAttachment"),
    "kms": ("Key",),
}
KINDS = Kinds(
    api="aws.m.upbound.io/v1beta1",
    groups=_GROUPS,
    without_tags=frozenset(
        {
            "AccessPolicyAssociation",
            "ClusterAuth",
            "MountTarget",
            "RolePolicy",
            "RolePolicyAttachment",
            "Route",
            "RouteTableAssociation",
        }
    ),
)
_NAMED_BY_TAG = frozenset((*_GROUPS["ec2"], "FileSystem", "Key")) - KINDS.without_tags


# All but LateInitialize: the provider would copy what AWS answers into the spec, and defend that from
# then on. A subnet would have its zone twice, a node group the size of the moment.
_POLICIES = ("Observe", "Create", "Update", "Delete")


def managed(
    plan: Plan,
    kind: str,
    what: str,
    for_provider: Mapping[str, Any],
    *,
    after: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    spec: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    policies: Sequence[str] = _POLICIES,
) -> Resource:
    """Compose a managed resource, with region, tags and the provider's configuration.

    Args:
        plan: the cluster.
        kind: its kind.
        what: its name in the composition after the function's, and part of its own.
        for_provider: the fields that are its own.
        after: what must be ready before it is created, named like `what`.
        tags: beside the cluster's own.
        spec: what its spec has beside forProvider.
        annotations: of the object.
        policies: management policies.
    """
    region = {} if KINDS.group_of[kind] == "iam" else {"region": plan.region}
    named = {"Name": plan.object_name(what)} if kind in _NAMED_BY_TAG else {}
    fields = {**for_provider, **region}
    return KINDS.managed(
        plan,
        kind,
        what,
        fields,
        after=after,
        tags={**named, **(tags or {})},
        spec={"managementPolicies": list(policies), **(spec or {})},
        annotations=annotations,
        label=label(what, fields, plan.subnets),
    )


def ref(plan: Plan, what: str) -> dict[str, str]:
    """Refer to another managed resource of the cluster; the provider resolves its id."""
    return {"name": plan.object_name(what)}
