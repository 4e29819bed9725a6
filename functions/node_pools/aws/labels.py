"""How messages name what is composed in AWS: as somebody who reads a claim knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .plan import Subnet

__all__ = ["label"]

_ONE = {
    "cluster": "the EKS cluster",
    "cluster-auth": "the kubeconfig of the EKS cluster",
    "efa-in": "inbound rule of the EFA security group",
    "efa-out": "outbound rule of the EFA security group",
    "efa-security-group": "the EFA security group",
    "efs": "the EFS file system",
    "efs-in": "inbound rule of the EFS file system's security group",
    "efs-security-group": "security group of the EFS file system",
    "internet-gateway": "the VPC's internet gateway",
    "kms-key": "the KMS key of the cluster's Secrets",
    "role-autoscaler": "IAM role of the autoscaler",
    "role-autoscaler-scale": "policy of the autoscaler's IAM role",
    "role-cluster": "IAM role of the EKS cluster",
    "role-ebs-csi": "IAM role of the EBS CSI driver",
    "role-efs-csi": "IAM role of the EFS CSI driver",
    "role-node": "IAM role of the nodes",
    "route-public": "route of the public subnets to the internet",
    "route-table-public": "route table of the public subnets",
    "system-launch-template": "launch template of the system node pool",
    "system-pool": "the system node pool",
    "vpc": "the VPC",
}
_EACH = {
    "addon-": "EKS add-on {}",
    "launch-template-": "launch template of node pool {}",
    "placement-group-": "placement group of node pool {}",
    "pod-identity-": "EKS Pod Identity of {}",
    "pool-": "node pool {}",
}
"""By the beginning of a name in the composition; what follows is filled in."""
_EACH_ZONE = {
    "association-private-": "route table of the private subnet in {}",
    "association-public-": "route table of the public subnet in {}",
    "efs-mount-target-": "EFS mount target in {}",
    "eip-": "Elastic IP of the NAT gateway in {}",
    "nat-": "NAT gateway in {}",
    "route-private-": "route of the private subnet in {} to its NAT gateway",
    "route-table-private-": "route table of the private subnet in {}",
    "subnet-private-": "private subnet in {}",
    "subnet-public-": "public subnet in {}",
}
"""By the beginning of a name; the position of a zone follows."""


def label(what: str, fields: Mapping[str, Any], subnets: Sequence[Subnet]) -> str:
    """Name a managed resource; empty for one that its kind and name say best.

    Args:
        what: its name in the composition, after the function's.
        fields: its spec.forProvider.
        subnets: of the cluster, for their zones.
    """
    if what in _ONE:
        return _ONE[what]
    if "principalArn" in fields:
        return f"access of {fields['principalArn']} to the EKS cluster"
    if "policyArn" in fields:
        return f"attachment of policy {fields['policyArn'].rpartition('/')[2]}"
    for prefix, text in _EACH.items():
        if what.startswith(prefix):
            return text.format(what.removeprefix(prefix))
    prefix, _, position = what.rpartition("-")
    each = _EACH_ZONE.get(f"{prefix}-")
    return each.format(subnets[int(position)].zone) if each and position.isdecimal() else ""
