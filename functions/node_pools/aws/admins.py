"""Who may enter the cluster with kubectl, beside the provider that made it."""

from __future__ import annotations

from collections.abc import Iterator

from functions.base import Request, Resource, digest

from . import identity
from .managed import managed, ref
from .plan import Plan

__all__ = ["gone", "resources"]


def resources(plan: Plan) -> list[Resource]:
    """Compose an access entry for each role and what it may do: everything."""
    return [resource for role in plan.admin_role_arns for resource in _admin(plan, role)]


def gone(request: Request, plan: Plan) -> list[str]:
    """Return the access entries and policies of roles that the spec no longer names."""
    roles = [digest(role) for role in plan.admin_role_arns]
    prefixes = ("node-pools/access-entry-", "node-pools/access-policy-")
    return [name for prefix in prefixes for name in request.others(prefix, roles)]


def _admin(plan: Plan, role: str) -> Iterator[Resource]:
    """Name both by the role, so that its place in the list does not matter."""
    entry = f"access-entry-{digest(role)}"
    who = {"clusterNameRef": ref(plan, "cluster"), "principalArn": role}
    yield managed(plan, "AccessEntry", entry, {**who, "type": "STANDARD"}, after=("cluster",))
    yield managed(
        plan,
        "AccessPolicyAssociation",
        f"access-policy-{digest(role)}",
        {
            **who,
            "policyArn": f"arn:{identity.partition(plan.region)}:eks::aws:cluster-access-policy/"
            "AmazonEKSClusterAdminPolicy",
            "accessScope": {"type": "cluster"},
        },
        after=(entry,),
    )
