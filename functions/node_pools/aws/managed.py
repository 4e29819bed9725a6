"""What every managed resource of the AWS provider has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.base import Resource

from .plan import Plan

__all__ = ["identity", "managed", "ref"]

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
_GROUP_OF = {kind: group for group, kinds in _GROUPS.items() for kind in kinds}
_WITHOUT_TAGS = frozenset(
    {
        "AccessPolicyAssociation",
        "ClusterAuth",
        "MountTarget",
        "RolePolicy",
        "RolePolicyAttachment",
        "Route",
        "RouteTableAssociation",
    }
)
_NAMED_BY_TAG = frozenset((*_GROUPS["ec2"], "FileSystem", "Key")) - _WITHOUT_TAGS


def identity(plan: Plan, kind: str, what: str) -> dict[str, Any]:
    """Return what tells a managed resource from every other: its apiVersion, kind and name."""
    return {
        "apiVersion": f"{_GROUP_OF[kind]}.aws.m.upbound.io/v1beta1",
        "kind": kind,
        "metadata": {"name": plan.object_name(what), "namespace": plan.namespace},
    }


def managed(
    plan: Plan,
    kind: str,
    what: str,
    for_provider: Mapping[str, Any],
    *,
    after: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    spec: Mapping[str, Any] | None = None,
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
    """
    fields = dict(for_provider)
    if _GROUP_OF[kind] != "iam":
        fields["region"] = plan.region
    if kind not in _WITHOUT_TAGS:
        named = {"Name": plan.object_name(what)} if kind in _NAMED_BY_TAG else {}
        fields["tags"] = {**named, **plan.tags, **(tags or {})}
    manifest = {
        **identity(plan, kind, what),
        "spec": {
            "forProvider": fields,
            "providerConfigRef": plan.provider_config.plain(),
            **(spec or {}),
        },
    }
    return Resource(f"node-pools/{what}", manifest, tuple(f"node-pools/{name}" for name in after))


def ref(plan: Plan, what: str) -> dict[str, str]:
    """Refer to another managed resource of the cluster; the provider resolves its id."""
    return {"name": plan.object_name(what)}
