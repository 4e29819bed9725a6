"""The EKS cluster and the kubeconfig that reaches it."""

from __future__ import annotations

from functions.base import Resource

from .. import access
from . import iam
from .managed import managed, ref
from .plan import Plan

__all__ = ["AUTH", "resources", "way"]

AUTH = "node-pools/cluster-auth"


def way(plan: Plan) -> access.Way:
    """Reach the cluster by the kubeconfig that the AWS provider keeps fresh."""
    return access.Way(
        composite=plan.composite,
        namespace=plan.namespace,
        secret_namespace=plan.namespace,
        secret=plan.object_name("kubeconfig"),
        key="kubeconfig",
    )


def resources(plan: Plan) -> list[Resource]:
    """Compose the control plane: private, unless the spec names who may reach it from outside."""
    zones = range(len(plan.subnets))
    public = {"publicAccessCidrs": list(plan.public_access_cidrs)} if plan.public_access_cidrs else {}
    cluster = managed(
        plan,
        "Cluster",
        "cluster",
        {
            "version": plan.version.control_plane,
            "roleArnRef": ref(plan, iam.CLUSTER_ROLE),
            "accessConfig": {
                "authenticationMode": "API",
                # ClusterAuth signs its tokens as whoever created the cluster.
                "bootstrapClusterCreatorAdminPermissions": True,
            },
            # Add-ons are managed here, so that none is there that nobody upgrades.
            "bootstrapSelfManagedAddons": False,
            "enabledClusterLogTypes": ["api", "audit", "authenticator"],
            "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": plan.service_cidr},
            "vpcConfig": {
                "subnetIdRefs": [ref(plan, f"subnet-private-{i}") for i in zones],
                "endpointPrivateAccess": True,
                "endpointPublicAccess": bool(plan.public_access_cidrs),
                **public,
            },
        },
        after=(*iam.attachments(iam.CLUSTER_ROLE), *(f"subnet-private-{i}" for i in zones)),
    )
    auth = managed(
        plan,
        "ClusterAuth",
        "cluster-auth",
        {"clusterNameRef": ref(plan, "cluster")},
        after=("cluster",),
        spec={"writeConnectionSecretToRef": {"name": way(plan).secret}},
    )
    return [cluster, auth]
