"""EFS: volumes that several nodes read at once, for Models of more than one replica."""

from __future__ import annotations

from dataclasses import replace

from functions.api import contract
from functions.base import Request, Resource

from ..created import SYSTEM
from . import addons, iam, network
from .managed import managed, ref
from .plan import Plan

__all__ = ["STORAGE_CLASS", "resources"]

STORAGE_CLASS = "freehold-weights-shared"

_FILE_SYSTEM, _GROUP, _NFS_IN = "efs", "efs-security-group", "efs-in"
_IDENTITY, _DRIVER = "pod-identity-efs-csi", "aws-efs-csi-driver"
_NFS = 2049
_USER = str(contract.WEIGHTS_USER)
"""The user that downloads and reads weights: the file system calls everybody so."""


def resources(request: Request, plan: Plan) -> list[Resource]:
    """Compose a file system, the way to it from the nodes, its driver and its storage class."""
    file_system = managed(
        plan,
        "FileSystem",
        _FILE_SYSTEM,
        {
            "creationToken": plan.object_name(_FILE_SYSTEM),
            "encrypted": True,
            "performanceMode": "generalPurpose",
            # Bursting gives a file system of 100 GiB 5 MiB/s in the long run.
            "throughputMode": "elastic",
        },
    )
    targets = [_mount_target(plan, i) for i in _first_of_each_zone(plan)]
    return [
        *_security_group(request, plan),
        file_system,
        *targets,
        *_driver(request, plan),
        _storage_class(request, plan, tuple(target.name for target in targets)),
    ]


def _first_of_each_zone(plan: Plan) -> list[int]:
    """Return the subnets of mount targets, by position: EFS has one a zone."""
    return [i for i, zone in enumerate(plan.zones) if zone not in plan.zones[:i]]


def _security_group(request: Request, plan: Plan) -> list[Resource]:
    """Compose what lets the nodes in, which are in the cluster's own security group, and nobody else."""
    fields = {**network.vpc(plan), "name": plan.object_name(_GROUP), "description": "NFS from the nodes"}
    group = managed(plan, "SecurityGroup", _GROUP, fields, after=() if plan.vpc_id else ("vpc",))
    nodes = network.nodes_security_group(request)
    rule = managed(
        plan,
        "SecurityGroupIngressRule",
        _NFS_IN,
        {
            "securityGroupIdRef": ref(plan, _GROUP),
            "referencedSecurityGroupId": nodes,
            "ipProtocol": "tcp",
            "fromPort": _NFS,
            "toPort": _NFS,
        },
        after=(_GROUP, "cluster"),
    )
    return [group, rule if nodes else rule.waiting("the id of the cluster's security group")]


def _mount_target(plan: Plan, position: int) -> Resource:
    return managed(
        plan,
        "MountTarget",
        f"efs-mount-target-{position}",
        {
            "fileSystemIdRef": ref(plan, _FILE_SYSTEM),
            **network.subnet(plan, position),
            "securityGroupsRefs": [ref(plan, _GROUP)],
        },
        after=(_FILE_SYSTEM, _GROUP, *network.made(plan, (position,))),
    )


def _driver(request: Request, plan: Plan) -> list[Resource]:
    # Otherwise it leaves what is in a volume behind, to be paid for, when that is deleted.
    configuration = {"controller": {"deleteAccessPointRootDir": True}}
    return [
        iam.pod_identity(plan, _IDENTITY, iam.EFS_ROLE, iam.attachments(iam.EFS_ROLE)),
        addons.addon(
            request, plan, _DRIVER, SYSTEM, _IDENTITY, f"addon-{addons.AGENT}", configuration=configuration
        ),
    ]


def _storage_class(request: Request, plan: Plan, targets: tuple[str, ...]) -> Resource:
    """Compose the class: a directory of its own for each volume, encrypted on the way too."""
    seen = request.resource(f"node-pools/{_FILE_SYSTEM}")
    file_system = (seen and seen.text("status", "atProvider", "id")) or ""
    parameters = {
        "provisioningMode": "efs-ap",
        "fileSystemId": file_system,
        "directoryPerms": "700",
        "uid": _USER,
        "gid": _USER,
    }
    made = addons.storage_class(
        plan,
        "storage-class-shared",
        STORAGE_CLASS,
        "efs.csi.aws.com",
        parameters,
        volumeBindingMode="Immediate",
    )
    made = replace(
        made, after=(*made.after, *targets, f"node-pools/{_NFS_IN}", f"node-pools/addon-{_DRIVER}")
    )
    return made if file_system else made.waiting("the id of the file system")
