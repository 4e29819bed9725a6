"""Node groups: the GPU pools, and the system pool that carries everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from functions.api import Capacity, Nodes
from functions.base import Request, Resource

from ..plan import Pool
from . import addons, iam, nodes
from .managed import managed, ref
from .network import private_ready
from .plan import SYSTEM, Plan, pool_resource

__all__ = ["resources", "size"]

_SYSTEM_DISK_GIB = 50

# Not a value of the GPU pools' label: a pool may be called anything, system too.
_SYSTEM_LABEL = {"freehold.dev/system-pool": "true"}

_POOL_TAG = "freehold.dev/pool"

# No LateInitialize: the provider would copy the size of the moment, and the image's
# release, into the spec and from then on defend them against the autoscaler and upgrades.
# A provider with an upjet from before 2026-08-12 (f6ae634; provider-upjet-aws 2.6.0 has
# such a one) defends the size nevertheless: its issue 1907.
_POLICIES = ["Observe", "Create", "Update", "Delete"]


def resources(request: Request, plan: Plan) -> list[Resource]:
    """Compose a launch template and a node group for the system and for every GPU pool."""
    return [
        *_system(request, plan),
        *(resource for pool in plan.pools for resource in _gpu(request, plan, pool)),
    ]


def size(request: Request, pool: Pool) -> int | float | None:
    """Return how many nodes a pool is to have at the moment; None while that is not known."""
    return _size(request, pool_resource(pool.name))


def _system(request: Request, plan: Plan) -> list[Resource]:
    zones = tuple(range(len(plan.subnets)))
    template = "system-launch-template"
    group = _node_group(
        request,
        plan,
        SYSTEM,
        template,
        {
            "amiType": "AL2023_x86_64_STANDARD",
            "capacityType": "ON_DEMAND",
            "instanceTypes": [plan.system_pool.instance_type],
            "labels": dict(_SYSTEM_LABEL),
        },
        plan.system_pool.nodes,
        zones,
    )
    return [
        _launch_template(plan, template, _SYSTEM_DISK_GIB),
        _with_template_version(request, template, group),
    ]


def _gpu(request: Request, plan: Plan, pool: Pool) -> list[Resource]:
    template, tags = f"launch-template-{pool.name}", {_POOL_TAG: pool.name}
    group = _node_group(
        request,
        plan,
        f"pool-{pool.name}",
        template,
        {
            "amiType": "AL2023_x86_64_NVIDIA",
            "capacityType": "SPOT" if pool.capacity is Capacity.SPOT else "ON_DEMAND",
            "instanceTypes": [pool.instance_type],
            "labels": nodes.labels(pool),
            "taint": nodes.taints(pool),
        },
        pool.nodes,
        plan.subnets_of(pool),
        tags,
    )
    return [
        _launch_template(plan, template, pool.disk_gib, tags),
        _with_template_version(request, template, group),
    ]


def _launch_template(
    plan: Plan, what: str, disk_gib: int, tags: Mapping[str, str] = MappingProxyType({})
) -> Resource:
    """Compose how machines start: encrypted disk, and no node credentials for pods."""
    return managed(
        plan,
        "LaunchTemplate",
        what,
        {
            "name": plan.object_name(what),
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",  # the root of Amazon Linux 2023
                    "ebs": {
                        "volumeSize": disk_gib,
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
            "tagSpecifications": [
                {"resourceType": kind, "tags": {"Name": plan.object_name(what), **plan.tags, **tags}}
                for kind in ("instance", "volume", "network-interface")
            ],
        },
        tags=tags,
    )


def _node_group(
    request: Request,
    plan: Plan,
    what: str,
    template: str,
    fields: dict[str, Any],
    bounds: Nodes,
    zones: tuple[int, ...],
    tags: Mapping[str, str] = MappingProxyType({}),
) -> Resource:
    """Compose a node group, its launch template's version still missing."""
    return managed(
        plan,
        "NodeGroup",
        what,
        {
            "clusterNameRef": ref(plan, "cluster"),
            "nodeRoleArnRef": ref(plan, iam.NODE_ROLE),
            "version": plan.version.nodes,
            "subnetIdRefs": [ref(plan, f"subnet-private-{i}") for i in zones],
            "launchTemplate": {"name": plan.object_name(template)},
            "scalingConfig": _bounds(request, what, bounds),
            "updateConfig": {"maxUnavailable": 1},
            **fields,
        },
        after=(
            "cluster",
            template,
            *iam.attachments(iam.NODE_ROLE),
            addons.CNI,  # a node without it never becomes Ready
            *(name for i in zones for name in private_ready(i)),
        ),
        tags=tags,
        spec={
            "managementPolicies": _POLICIES,
            # Only to begin with: from then on the size is the autoscaler's (but see _bounds).
            "initProvider": {"scalingConfig": {"desiredSize": bounds.min}},
        },
    )


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
        return replace(group, manifest=None, waits_for=f"the version of node-pools/{template}")
    assert group.manifest is not None, "composed complete"
    spec = group.manifest["spec"]
    launch = {**spec["forProvider"]["launchTemplate"], "version": str(int(latest))}
    fields = {**spec["forProvider"], "launchTemplate": launch}
    return replace(group, manifest={**group.manifest, "spec": {**spec, "forProvider": fields}})
