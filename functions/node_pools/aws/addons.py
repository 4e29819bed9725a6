"""EKS add-ons: DNS, networking, identities of pods, volumes, and the health of nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functions.base import Request, Resource, remote, reports

from ..created import SYSTEM
from . import identity, nodes
from .managed import managed, ref
from .plan import Plan
from .releases import MINOR

__all__ = ["AGENT", "CNI", "addon", "after_nodes", "before_nodes"]

AGENT, CNI = "eks-pod-identity-agent", "addon-vpc-cni"


def before_nodes(request: Request, plan: Plan) -> list[Resource]:
    """Compose the add-ons that run on every node: EKS reports them as active before there is a node."""
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
    """Compose the add-ons that EKS reports as active only once their pods run on nodes."""
    association, role = "pod-identity-ebs-csi", identity.EBS_ROLE
    return [
        identity.pod_identity(plan, association, role, identity.attachments(role)),
        addon(request, plan, "coredns", SYSTEM),
        addon(
            request,
            plan,
            "aws-ebs-csi-driver",
            SYSTEM,
            association,
            f"addon-{AGENT}",
            configuration={"controller": {"extraVolumeTags": dict(plan.tags)}},
        ),
    ]


def addon(
    request: Request, plan: Plan, name: str, *after: str, configuration: Mapping[str, Any] | None = None
) -> Resource:
    """Compose an add-on, which AWS deletes together with the cluster.

    Crossplane deletes no add-on: it would do so while the CSI drivers still have volumes to delete, and
    the CNI network interfaces of nodes that are drained.

    Args:
        request: with the live add-on.
        plan: the cluster.
        name: EKS' name of the add-on.
        after: names of the resources that must be ready before the add-on is created, beside the cluster.
        configuration: the add-on's configuration values.
    """
    configured = {"configurationValues": _json(configuration)} if configuration else {}
    version, minor = plan.releases.addon(name, request.resource(f"node-pools/addon-{name}"))
    composed = managed(
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
    return replace(composed, current=reports("addonVersion"))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
