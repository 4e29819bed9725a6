"""Node groups: the GPU pools, and the system pool that carries everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from functions.api import Nodes
from functions.base import Request, Resource, View, digest, reports

from ..created import SYSTEM
from ..pools.pool import Pool
from . import addons, capacity, fabric, identity, network, nodes
from .managed import managed, ref
from .plan import POOL_TAG, Plan, template_resource
from .releases import NodeVersions

__all__ = ["gone", "resources"]

_SYSTEM_DISK_GIB = 50

# Not a value of the GPU pools' label: a pool may be called anything, system too.
_SYSTEM_LABEL = {"freehold.dev/system-pool": "true"}


def resources(request: Request, plan: Plan) -> list[Resource]:
    """Compose a launch template and a node group for the system and for every GPU pool."""
    groups = [_system(plan), *(_gpu(request, plan, pool) for pool in plan.pools)]
    return [resource for group in groups for resource in _both(request, plan, group)]


def gone(request: Request, plan: Plan) -> tuple[str, ...]:
    """Return the launch templates of pools that the spec no longer has and no Model uses."""
    return plan.leftovers(request, template_resource(""))


def _both(request: Request, plan: Plan, group: _Group) -> list[Resource]:
    template = _launch_template(plan, group)
    return [template, _node_group(request, plan, group, template)]


@dataclass(frozen=True)
class _Group:
    """A node group, and the launch template from which its machines start."""

    what: str
    """Name of the node group in the composition."""
    template: str
    """Name of the launch template in the composition."""
    nodes: Nodes
    disk_gib: int
    subnets: tuple[int, ...]
    fields: Mapping[str, Any]
    """Fields of the node group that differ between pools."""
    machine: Mapping[str, Any] | None = field(default_factory=dict)
    """Fields of the launch template that differ between pools; None while they are not known."""
    update: Mapping[str, str] = field(default_factory=dict)
    """Fields of updateConfig: how EKS replaces nodes."""
    repaired: bool = True
    """Whether EKS replaces broken nodes."""
    needs: tuple[str, ...] = ()
    """Names of the resources that must be ready before the launch template is created."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of both, beside the cluster's tags."""
    group_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the node group alone."""


def _system(plan: Plan) -> _Group:
    return _Group(
        what=SYSTEM,
        template="system-launch-template",
        nodes=plan.system_pool.nodes,
        disk_gib=_SYSTEM_DISK_GIB,
        subnets=tuple(range(len(plan.subnets))),
        fields={
            "amiType": "AL2023_x86_64_STANDARD",
            "capacityType": "ON_DEMAND",
            "instanceTypes": [plan.system_pool.instance_type],
            "labels": dict(_SYSTEM_LABEL),
        },
    )


def _gpu(request: Request, plan: Plan, pool: Pool) -> _Group:
    interfaces = fabric.template_fields(request, plan, pool)
    return _Group(
        what=f"pool-{pool.name}",
        template=f"launch-template-{pool.name}",
        nodes=pool.nodes,
        disk_gib=pool.disk_gib,
        subnets=plan.pool_subnets[pool.name],
        fields={
            "amiType": "AL2023_x86_64_NVIDIA",
            **capacity.group_fields(pool),
            "labels": nodes.labels(pool),
            "taint": nodes.taints(pool),
        },
        machine=None if interfaces is None else {**capacity.template_fields(pool), **interfaces},
        repaired=nodes.is_repaired(pool),
        update=capacity.update_fields(pool),
        needs=fabric.needs(pool),
        tags={POOL_TAG: pool.name},
        group_tags=nodes.template_tags(pool),
    )


def _launch_template(plan: Plan, group: _Group) -> Resource:
    """Compose the launch template: an encrypted disk, and no access to the node's role for pods."""
    name = plan.object_name(group.template)
    machine = {
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/xvda",  # the root of Amazon Linux 2023
                "ebs": {
                    "volumeSize": group.disk_gib,
                    "volumeType": "gp3",
                    "encrypted": "true",
                    "deleteOnTermination": "true",
                },
            }
        ],
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            # One hop ends at the node: a pod cannot take the node's role.
            "httpPutResponseHopLimit": 1,
        },
        **(group.machine or {}),
        "tagSpecifications": [
            {"resourceType": kind, "tags": {"Name": name, **plan.tags, **group.tags}}
            for kind in ("instance", "volume", "network-interface")
        ],
    }
    # EC2 keeps a description for each version: by this one the version is known that has this content.
    description = f"Freehold {digest(json.dumps(machine, sort_keys=True), digits=16)}"
    template = managed(
        plan,
        "LaunchTemplate",
        group.template,
        {"name": name, "description": description, **machine},
        after=group.needs,
        tags=group.tags,
    )
    return template if group.machine is not None else template.waiting("the ids of the security groups")


def _node_group(request: Request, plan: Plan, group: _Group, template: Resource) -> Resource:
    """Compose a node group, with the versions that its nodes are to run."""
    live = request.resource(f"node-pools/{group.what}")
    runs = plan.releases.nodes(live, _newest_version(request, template))
    composed = managed(
        plan,
        "NodeGroup",
        group.what,
        {
            "clusterNameRef": ref(plan, "cluster"),
            "nodeRoleArnRef": ref(plan, identity.NODE_ROLE),
            **_versions(plan, group, runs),
            **network.subnets(plan, group.subnets),
            "scalingConfig": _bounds(live, group.nodes),
            "updateConfig": {"maxUnavailable": 1, **group.update},
            # EKS itself stops repairing where more than a fifth of the nodes are broken.
            # https://docs.aws.amazon.com/eks/latest/userguide/node-repair.html
            "nodeRepairConfig": {"enabled": group.repaired},
            **group.fields,
        },
        after=(
            "cluster",
            group.template,
            *identity.attachments(identity.NODE_ROLE),
            addons.CNI,  # a node without it never becomes Ready
            *network.private_ready(plan, group.subnets),
        ),
        tags={**group.tags, **group.group_tags},
        spec={
            # Only to begin with: from then on the size is the autoscaler's (but see _bounds). A provider
            # with an upjet from before 2026-08-12 (f6ae634; provider-upjet-aws 2.6.0 has such a one)
            # defends the size nevertheless: its issue 1907.
            "initProvider": {"scalingConfig": {"desiredSize": group.nodes.min}},
        },
    )
    composed = replace(composed, current=reports("version", "releaseVersion"))
    return composed if runs else composed.waiting("the version of its launch template")


def _versions(plan: Plan, group: _Group, runs: NodeVersions | None) -> dict[str, Any]:
    if runs is None:
        return {}
    image = {"releaseVersion": runs.image} if runs.image else {}
    template = {"name": plan.object_name(group.template), "version": runs.template}
    return {"version": runs.kubernetes, **image, "launchTemplate": template}


def _newest_version(request: Request, template: Resource) -> str:
    """Return the newest version of a launch template if it has the desired content; else empty.

    The provider reports the newest version's description. A description other than ours belongs to a
    version that somebody else made, or to the version before a change.
    """
    live = request.resource(template.name)
    if live is None:
        return ""
    manifest = template.manifest
    desired = (
        manifest["spec"]["forProvider"]["description"]
        if manifest
        else live.text("spec", "forProvider", "description")
    )
    latest = live.number("status", "atProvider", "latestVersion")
    ours = live.text("status", "atProvider", "description") == desired
    return str(int(latest)) if latest and ours else ""


def _bounds(live: View | None, asked: Nodes) -> dict[str, int]:
    """Return a node group's bounds, and its size only while the size lies outside the bounds."""
    # EKS refuses bounds that leave out the size of the moment ("Minimum capacity 8 can't be
    # greater than desired size 4"), and an autoscaler cannot act on bounds that it does not
    # see. So the nearer bound goes along, and is let go once the size lies within them.
    bounds = {"minSize": asked.min, "maxSize": asked.max}
    if live is None:
        return bounds
    size = live.number("status", "atProvider", "scalingConfig", "desiredSize")
    if size is None:  # what went along before the size was lost goes along still
        size = live.number("spec", "forProvider", "scalingConfig", "desiredSize")
        return {**bounds, "desiredSize": int(size)} if size in (asked.min, asked.max) else bounds
    if asked.min <= size <= asked.max:
        return bounds
    return {**bounds, "desiredSize": asked.min if size < asked.min else asked.max}
