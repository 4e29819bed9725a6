"""EKS add-ons, and the storage classes that two of them serve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.base import Request, Resource, remote

from .. import reach
from ..created import SYSTEM
from . import iam, nodes
from .managed import managed, ref
from .plan import Plan
from .releases import MINOR

__all__ = [
    "AGENT",
    "CNI",
    "STORAGE_CLASS",
    "addon",
    "after_nodes",
    "before_nodes",
    "storage_class",
    "weights_class",
]

AGENT, CNI = "eks-pod-identity-agent", "addon-vpc-cni"
STORAGE_CLASS = "freehold-weights"


def before_nodes(request: Request, plan: Plan) -> list[Resource]:
    """Compose what runs on every node; EKS calls these active on no nodes too."""
    cni = {
        # Without it every NetworkPolicy is accepted and none is enforced.
        "enableNetworkPolicy": "true",
        "env": {"ADDITIONAL_ENI_TAGS": _json(plan.tags)},
    }
    return [
        addon(request, plan, "vpc-cni", configuration=cni),
        addon(request, plan, "kube-proxy"),
        addon(request, plan, AGENT),
        # Tells EKS of broken GPUs, so that node repair replaces the node or starts it again. What looks at
        # the GPUs does not tolerate the taint of GPU nodes by itself, and where it is missing they count as
        # broken (dcgmAgent in https://github.com/aws/eks-node-monitoring-agent).
        addon(
            request,
            plan,
            "eks-node-monitoring-agent",
            configuration={
                "dcgmAgent": {"tolerations": [{"operator": "Exists"}], "nodeSelector": nodes.REPAIRED}
            },
        ),
    ]


def after_nodes(request: Request, plan: Plan) -> list[Resource]:
    """Compose what is only healthy once there are nodes to run on."""
    identity, role = "pod-identity-ebs-csi", iam.EBS_ROLE
    return [
        iam.pod_identity(plan, identity, role, iam.attachments(role)),
        addon(request, plan, "coredns", SYSTEM),
        addon(
            request,
            plan,
            "aws-ebs-csi-driver",
            SYSTEM,
            identity,
            f"addon-{AGENT}",
            configuration={"controller": {"extraVolumeTags": dict(plan.tags)}},
        ),
    ]


def addon(
    request: Request, plan: Plan, name: str, *after: str, configuration: Mapping[str, Any] | None = None
) -> Resource:
    """Compose an add-on, which goes with the cluster.

    Deleted by itself, it would go before what it is still needed for: the volumes that the CSI drivers
    have to delete, and the network interfaces of nodes that are drained.

    Args:
        request: with the live add-on.
        plan: the cluster.
        name: EKS' own of the add-on.
        after: what must be ready before, beside the cluster.
        configuration: values that its schema knows.
    """
    configured = {"configurationValues": _json(configuration)} if configuration else {}
    version, minor = plan.releases.addon(name, request.resource(f"node-pools/addon-{name}"))
    return managed(
        plan,
        "Addon",
        f"addon-{name}",
        {
            "clusterNameRef": ref(plan, "cluster"),
            "addonName": name,
            **({"addonVersion": version} if version else {}),
            "resolveConflictsOnCreate": "OVERWRITE",
            "resolveConflictsOnUpdate": "OVERWRITE",
            **configured,
        },
        after=("cluster", *after),
        annotations={MINOR: minor},
        policies=remote.NEVER_DELETE,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def weights_class(plan: Plan) -> Resource:
    """Compose the class of model weights: encrypted, and made in the zone of the node that asks."""
    parameters = {"type": "gp3", "encrypted": "true"}
    return storage_class(
        plan,
        "storage-class",
        STORAGE_CLASS,
        "ebs.csi.aws.com",
        parameters,
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    )


def storage_class(
    plan: Plan, what: str, name: str, provisioner: str, parameters: Mapping[str, str], **more: Any
) -> Resource:
    """Compose a StorageClass in the cluster, which goes with it."""
    manifest: dict[str, Any] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "parameters": dict(parameters),
        "reclaimPolicy": "Delete",
        **more,
    }
    body = remote.kubernetes_object(
        plan.object_name(what),
        plan.namespace,
        plan.way.kubernetes,
        manifest,
        policies=remote.NEVER_DELETE,
    )
    return Resource(f"node-pools/{what}", body, (reach.REACHABLE,))
