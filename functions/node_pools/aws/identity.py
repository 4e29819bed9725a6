"""IAM roles, each for one purpose. Pods get their role by EKS Pod Identity; there are no access keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from functions.api import contract
from functions.base import Resource, remote

from .managed import managed, ref
from .plan import Plan

__all__ = [
    "AUTOSCALER_ROLE",
    "CLUSTER_ROLE",
    "EBS_ROLE",
    "EFS_ROLE",
    "MANAGED_POLICIES",
    "NODE_ROLE",
    "attachments",
    "partition",
    "pod_identity",
    "resources",
]

CLUSTER_ROLE, NODE_ROLE = "role-cluster", "role-node"
AUTOSCALER_ROLE, EBS_ROLE, EFS_ROLE = "role-autoscaler", "role-ebs-csi", "role-efs-csi"


@dataclass(frozen=True)
class _Role:
    service: str
    """Who may assume the role: the first label of a service principal."""
    policies: tuple[tuple[str, str], ...] = ()
    """Managed policies: name in the composition, path and name in AWS."""
    service_account: str = ""
    """Service account in kube-system whose pods get the role; empty for the roles of EKS and EC2."""


_PODS, _NAMESPACE = "pods.eks", "kube-system"


# https://docs.aws.amazon.com/eks/latest/userguide/security-iam-awsmanpol.html
_ROLES = {
    CLUSTER_ROLE: _Role("eks", (("cluster", "AmazonEKSClusterPolicy"),)),
    NODE_ROLE: _Role(
        "ec2",
        (
            ("worker", "AmazonEKSWorkerNodePolicy"),
            ("registry", "AmazonEC2ContainerRegistryPullOnly"),
            ("cni", "AmazonEKS_CNI_Policy"),
        ),
    ),
    # V2 reaches only the volumes that a CSI driver made, not every one of the account.
    EBS_ROLE: _Role(_PODS, (("ebs-csi", "AmazonEBSCSIDriverPolicyV2"),), "ebs-csi-controller-sa"),
    EFS_ROLE: _Role(_PODS, (("efs-csi", "service-role/AmazonEFSCSIDriverPolicy"),), "efs-csi-controller-sa"),
    AUTOSCALER_ROLE: _Role(_PODS, service_account=contract.AUTOSCALER_SERVICE_ACCOUNT),
}
MANAGED_POLICIES = tuple(
    f"arn:aws:iam::aws:policy/{policy}" for role in _ROLES.values() for _, policy in role.policies
)
"""AWS' policies that the roles get, as the partition aws names them."""


def resources(plan: Plan) -> list[Resource]:
    """Compose the roles and the policies attached to them."""
    return [resource for name, role in _ROLES.items() for resource in _role(plan, name, role)]


def attachments(role: str) -> tuple[str, ...]:
    """Return the names of a role's policy attachments, without which the role may do nothing."""
    return tuple(f"{role}-{short}" for short, _ in _ROLES[role].policies)


def pod_identity(plan: Plan, what: str, role: str, after: tuple[str, ...]) -> Resource:
    """Compose the association of a role with its service account; AWS deletes it with the cluster.

    Args:
        plan: the cluster.
        what: its name in the composition.
        role: one of the roles here.
        after: what the role needs to do its work.
    """
    fields = {
        "clusterNameRef": ref(plan, "cluster"),
        "roleArnRef": ref(plan, role),
        "namespace": _NAMESPACE,
        "serviceAccount": _ROLES[role].service_account,
    }
    return managed(
        plan,
        "PodIdentityAssociation",
        what,
        fields,
        after=("cluster", *after),
        policies=remote.NEVER_DELETE,
    )


def _role(plan: Plan, name: str, role: _Role) -> list[Resource]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": _principal(plan.region, role.service)},
        **_assumed_by(plan, role),
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    return [
        managed(plan, "Role", name, {"assumeRolePolicy": json.dumps(trust, separators=(",", ":"))}),
        *(
            managed(
                plan,
                "RolePolicyAttachment",
                f"{name}-{short}",
                {"roleRef": ref(plan, name), "policyArn": _arn(plan.region, policy)},
                after=(name,),
            )
            for short, policy in role.policies
        ),
    ]


def _assumed_by(plan: Plan, role: _Role) -> dict[str, Any]:
    """Return the actions and conditions of a role's trust policy.

    A role of pods is for one service account of this cluster: EKS tags the session with cluster, namespace
    and service account (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html). Without the
    condition, a Pod Identity association of any cluster in the account could use the role. The roles of
    EKS and EC2 need no condition: IAM lets nobody pass a role of another account to a service.
    """
    if not role.service_account:
        return {"Action": ["sts:AssumeRole"]}
    tags = {
        "eks-cluster-name": plan.cluster_name,
        "kubernetes-namespace": _NAMESPACE,
        "kubernetes-service-account": role.service_account,
    }
    condition = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}}
    return {"Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition}


def _arn(region: str, policy: str) -> str:
    return f"arn:{partition(region)}:iam::aws:policy/{policy}"


def partition(region: str) -> str:
    """Return the partition of AWS that a region is in, the second part of every ARN there."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _principal(region: str, service: str) -> str:
    """Return a service principal. In China, EC2's alone ends in amazonaws.com.cn."""
    china = service == "ec2" and partition(region) == "aws-cn"
    return f"{service}.amazonaws.com{'.cn' if china else ''}"
