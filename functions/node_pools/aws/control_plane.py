"""The EKS cluster, the KMS key of its Secrets, and the kubeconfig that reaches its API."""

from __future__ import annotations

from dataclasses import replace

from functions.base import Resource, reports

from . import identity, network
from .managed import managed, ref
from .plan import Plan
from .secrets_key import KEY

__all__ = ["AUTH", "resources"]

AUTH = "node-pools/cluster-auth"


def resources(plan: Plan) -> list[Resource]:
    """Compose the control plane, whose API is private unless the spec lists public addresses."""
    everywhere = range(len(plan.subnets))
    public = {"publicAccessCidrs": list(plan.public_access_cidrs)} if plan.public_access_cidrs else {}
    cluster = managed(
        plan,
        "Cluster",
        "cluster",
        {
            "version": plan.version.control_plane,
            "roleArnRef": ref(plan, identity.CLUSTER_ROLE),
            "accessConfig": {
                "authenticationMode": "API",
                # ClusterAuth signs its tokens as whoever created the cluster.
                "bootstrapClusterCreatorAdminPermissions": True,
            },
            # Add-ons are managed here, so that none is there that nobody upgrades.
            "bootstrapSelfManagedAddons": False,
            "enabledClusterLogTypes": ["api", "audit", "authenticator"],
            **plan.secrets_key.fields,
            "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": plan.service_cidr},
            "vpcConfig": {
                **network.subnets(plan, everywhere),
                "endpointPrivateAccess": True,
                "endpointPublicAccess": bool(plan.public_access_cidrs),
                **public,
            },
        },
        after=(
            *((KEY,) if plan.secrets_key.own else ()),
            *identity.attachments(identity.CLUSTER_ROLE),
            *network.made(plan, everywhere),
        ),
    )
    auth = managed(
        plan,
        "ClusterAuth",
        "cluster-auth",
        {"clusterNameRef": ref(plan, "cluster")},
        after=("cluster",),
        spec=plan.kubeconfig_secret,
    )
    cluster = replace(cluster, current=reports("version"))
    if plan.secrets_key.awaited:
        cluster = cluster.waiting("the ARN of the KMS key of its Secrets")
    return [*_key(plan), cluster, auth]


def _key(plan: Plan) -> list[Resource]:
    """Compose the KMS key of the cluster's Secrets; AWS keeps a deleted key for 30 days."""
    if not plan.secrets_key.own:
        return []
    fields = {
        "description": f"Secrets of EKS cluster {plan.cluster_name}",
        "enableKeyRotation": True,
        "deletionWindowInDays": 30,
    }
    return [managed(plan, "Key", KEY, fields)]
