"""IAM roles that administer the cluster through kubectl, beside the AWS provider's own role."""

from __future__ import annotations

from collections.abc import Iterator

from functions.base import Request, Resource, digest

from . import identity
from .managed import managed, ref
from .plan import Plan

__all__ = ["gone", "resources"]


def resources(plan: Plan) -> list[Resource]:
    """Compose an EKS access entry and the administrator policy for each role of the spec."""
    return [resource for role in plan.admin_role_arns for resource in _admin(plan, role)]


def gone(request: Request, plan: Plan) -> list[str]:
    """Return the access entries and policies of roles that the spec no longer names."""
    roles = [digest(role) for role in plan.admin_role_arns]
    prefixes = ("node-pools/access-entry-", "node-pools/access-policy-")
    return [name for prefix in prefixes for name in request.others(prefix, roles)]


def _admin(plan: Plan, role: str) -> Iterator[Resource]:
    """Compose one role's entry and policy, named by the role: a reordered list changes nothing."""
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
