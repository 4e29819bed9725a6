"""EKS add-ons, and the storage class that one of them serves.

No versions: EKS installs the one it recommends for the cluster's version.
"""

from __future__ import annotations

import json
from typing import Any

from functions.base import DIES_WITH_CLUSTER, Resource

from .. import access
from . import control_plane, iam
from .managed import managed, ref
from .plan import Plan

__all__ = ["CNI", "STORAGE_CLASS", "after_nodes", "before_nodes", "storage_class"]

CNI = "addon-vpc-cni"
STORAGE_CLASS = "freehold-weights"

_EBS_SERVICE_ACCOUNT = {"namespace": "kube-system", "serviceAccount": "ebs-csi-controller-sa"}


def before_nodes(plan: Plan) -> list[Resource]:
    """Compose what runs on every node; EKS calls these active on no nodes too."""
    # Without it every NetworkPolicy is accepted and none is enforced.
    policies = json.dumps({"enableNetworkPolicy": "true"}, separators=(",", ":"))
    return [
        _addon(plan, "vpc-cni", configurationValues=policies),
        _addon(plan, "kube-proxy"),
        _addon(plan, "eks-pod-identity-agent"),
    ]


def after_nodes(plan: Plan, system_pool: str) -> list[Resource]:
    """Compose what is only healthy once there are nodes to run on."""
    identity = managed(
        plan,
        "PodIdentityAssociation",
        "pod-identity-ebs-csi",
        {
            "clusterNameRef": ref(plan, "cluster"),
            "roleArnRef": ref(plan, iam.EBS_ROLE),
            **_EBS_SERVICE_ACCOUNT,
        },
        after=("cluster", *iam.attachments(iam.EBS_ROLE)),
    )
    return [
        identity,
        _addon(plan, "coredns", system_pool),
        _addon(
            plan, "aws-ebs-csi-driver", system_pool, "pod-identity-ebs-csi", "addon-eks-pod-identity-agent"
        ),
    ]


def _addon(plan: Plan, addon: str, *after: str, **configuration: str) -> Resource:
    return managed(
        plan,
        "Addon",
        f"addon-{addon}",
        {
            "clusterNameRef": ref(plan, "cluster"),
            "addonName": addon,
            "resolveConflictsOnCreate": "OVERWRITE",
            "resolveConflictsOnUpdate": "OVERWRITE",
            **configuration,
        },
        after=("cluster", *after),
    )


def storage_class(plan: Plan) -> Resource:
    """Compose the class of model weights: encrypted, and made in the zone of the node that asks."""
    manifest: dict[str, Any] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
    body = {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {"name": plan.object_name("storage-class"), "namespace": plan.namespace},
        "spec": {
            "managementPolicies": list(DIES_WITH_CLUSTER),
            "forProvider": {"manifest": manifest},
            "providerConfigRef": {"kind": "ProviderConfig", "name": control_plane.way(plan).kubernetes},
        },
    }
    return Resource("node-pools/storage-class", body, (access.REACHABLE,))
