"""Node groups: the GPU pools, and the system pool that carries everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from functions.api import Nodes
from functions.base import Request, Resource

from ..created import SYSTEM, node_pool
from ..pools.pool import Pool
from . import addons, capacity, efa, iam, network, nodes
from .managed import managed, ref
from .plan import POOL_TAG, Plan, template_resource

__all__ = ["gone", "resources"]

_SYSTEM_DISK_GIB = 50

# Not a value of the GPU pools' label: a pool may be called anything, system too.
_SYSTEM_LABEL = {"freehold.dev/system-pool": "true"}

# No LateInitialize: the provider would copy the size of the moment, and the image's
# release, into the spec and from then on defend them against the autoscaler and upgrades.
# A provider with an upjet from before 2026-08-12 (f6ae634; provider-upjet-aws 2.6.0 has
# such a one) defends the size nevertheless: its issue 1907.
_POLICIES = ["Observe", "Create", "Update", "Delete"]


def resources(request: Request, plan: Plan) -> list[Resource]:
    """Compose a launch template and a node group for the system and for every GPU pool."""
    groups = [_system(plan), *(_gpu(request, plan, pool) for pool in plan.pools)]
    return [resource for group in groups for resource in _both(request, plan, group)]


def gone(request: Request, plan: Plan) -> list[str]:
    """Return the node groups and launch templates of pools that the spec no longer has."""
    names = [pool.name for pool in plan.pools]
    return [
        name for prefix in (node_pool(""), template_resource("")) for name in request.others(prefix, names)
    ]


def _both(request: Request, plan: Plan, group: _Group) -> list[Resource]:
    return [
        _launch_template(plan, group),
        _with_template_version(request, group.template, _node_group(request, plan, group)),
    ]


@dataclass(frozen=True)
class _Group:
    """A node group and how its machines start."""

    what: str
    """Its name in the composition."""
    template: str
    """Name of its launch template in the composition."""
    nodes: Nodes
    disk_gib: int
    subnets: tuple[int, ...]
    fields: Mapping[str, Any]
    """The node group's own."""
    machine: Mapping[str, Any] | None = field(default_factory=dict)
    """The launch template's own; None while they are not known."""
    needs: tuple[str, ...] = ()
    """What the launch template waits for."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Beside the cluster's own."""
    group_tags: Mapping[str, str] = field(default_factory=dict)
    """Of the node group alone."""


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
    fabric = efa.template_fields(request, plan, pool)
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
        machine=None if fabric is None else {**capacity.template_fields(pool), **fabric},
        needs=efa.needs(pool),
        tags={POOL_TAG: pool.name},
        group_tags=nodes.template_tags(pool),
    )


def _launch_template(plan: Plan, group: _Group) -> Resource:
    """Compose how machines start: encrypted disk, and no node credentials for pods."""
    name = plan.object_name(group.template)
    template = managed(
        plan,
        "LaunchTemplate",
        group.template,
        {
            "name": name,
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
        },
        after=group.needs,
        tags=group.tags,
    )
    if group.machine is None:
        return template.waiting("the ids of the security groups")
    return template


def _node_group(request: Request, plan: Plan, group: _Group) -> Resource:
    """Compose a node group, its launch template's version still missing."""
    return managed(
        plan,
        "NodeGroup",
        group.what,
        {
            "clusterNameRef": ref(plan, "cluster"),
            "nodeRoleArnRef": ref(plan, iam.NODE_ROLE),
            "version": _version(request, plan, group),
            **network.subnets(plan, group.subnets),
            "launchTemplate": {"name": plan.object_name(group.template)},
            "scalingConfig": _bounds(request, group.what, group.nodes),
            "updateConfig": {"maxUnavailable": 1},
            **group.fields,
        },
        after=(
            "cluster",
            group.template,
            *iam.attachments(iam.NODE_ROLE),
            addons.CNI,  # a node without it never becomes Ready
            *network.private_ready(plan, group.subnets),
        ),
        tags={**group.tags, **group.group_tags},
        spec={
            "managementPolicies": _POLICIES,
            # Only to begin with: from then on the size is the autoscaler's (but see _bounds).
            "initProvider": {"scalingConfig": {"desiredSize": group.nodes.min}},
        },
    )


def _version(request: Request, plan: Plan, group: _Group) -> str:
    """Return the Kubernetes version of a node group's nodes."""
    live = request.resource(f"node-pools/{group.what}")
    own = live and live.text("spec", "forProvider", "version")
    return plan.version.nodes or own or plan.version.control_plane


def _bounds(request: Request, what: str, asked: Nodes) -> dict[str, int]:
    """Return a node group's bounds, and its size only while that lies outside them."""
    # EKS refuses bounds that leave out the size of the moment ("Minimum capacity 8 can't be
    # greater than desired size 4"), and an autoscaler cannot act on bounds that it does not
    # see. So the nearer bound goes along, and is let go once the size lies within them.
    bounds = {"minSize": asked.min, "maxSize": asked.max}
    size = _size(request, f"node-pools/{what}")
    if size is None or asked.min <= size <= asked.max:
        return bounds
    return {**bounds, "desiredSize": asked.min if size < asked.min else asked.max}


def _size(request: Request, resource: str) -> int | float | None:
    group = request.resource(resource)
    return None if group is None else group.number("status", "atProvider", "scalingConfig", "desiredSize")


def _with_template_version(request: Request, template: str, group: Resource) -> Resource:
    """Pin the node group to the newest version of its launch template, once that is known.

    EKS resolves `$Latest` when it is set and never again, so a new disk size would
    reach no node.
    """
    seen = request.resource(f"node-pools/{template}")
    latest = seen and seen.number("status", "atProvider", "latestVersion")
    if not latest:
        return group.waiting(f"the version of node-pools/{template}")
    assert group.manifest is not None, "composed complete"
    spec = group.manifest["spec"]
    launch = {**spec["forProvider"]["launchTemplate"], "version": str(int(latest))}
    fields = {**spec["forProvider"], "launchTemplate": launch}
    return replace(group, manifest={**group.manifest, "spec": {**spec, "forProvider": fields}})
