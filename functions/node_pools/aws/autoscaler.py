"""IAM policy of cluster-autoscaler, which function-cluster-stack installs and which sizes node groups."""

from __future__ import annotations

import json

from functions.api import Autoscaler
from functions.base import Resource

from . import identity
from .managed import managed, ref
from .plan import Plan

__all__ = ["IDENTITY", "resources", "status"]

IDENTITY = "pod-identity-autoscaler"
_POLICY = "role-autoscaler-scale"


def resources(plan: Plan) -> list[Resource]:
    """Compose the policy of the autoscaler's role, and the association with its service account."""
    policy = {"roleRef": ref(plan, identity.AUTOSCALER_ROLE), "policy": _policy(plan)}
    return [
        managed(plan, "RolePolicy", _POLICY, policy, after=(identity.AUTOSCALER_ROLE,)),
        identity.pod_identity(plan, IDENTITY, identity.AUTOSCALER_ROLE, (_POLICY,)),
    ]


def status(plan: Plan) -> Autoscaler:
    """Return what function-cluster-stack needs to configure the autoscaler."""
    return Autoscaler(cloud="aws", cluster_name=plan.cluster_name, region=plan.region)


def _policy(plan: Plan) -> str:
    """Return the policy: the autoscaler may read every Auto Scaling group, and change those of this cluster.

    EKS tags the Auto Scaling groups of its node groups with the cluster's name. The actions that
    read EC2 take no narrower resource than all.
    https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md
    """
    groups = f"arn:{identity.partition(plan.region)}:eks:{plan.region}:*:nodegroup/{plan.cluster_name}/*/*"
    owned = {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{plan.cluster_name}": "owned"}
    statements = [
        {
            "Effect": "Allow",
            "Action": [
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
            ],
            "Resource": "*",
        },
        {"Effect": "Allow", "Action": "eks:DescribeNodegroup", "Resource": groups},
        {
            "Effect": "Allow",
            "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
            "Resource": "*",
            "Condition": {"StringEquals": owned},
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
