"""Storage classes for model weights: EBS volumes of one node, and EFS volumes that several nodes read.

EFS is for Models of more than one replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functions.api import contract
from functions.base import Request, Resource, remote

from .. import reach
from ..created import SYSTEM
from . import addons, identity, network
from .managed import managed, ref
from .plan import Plan

__all__ = ["STORAGE_CLASS", "STORAGE_CLASS_SHARED", "resources"]

STORAGE_CLASS, STORAGE_CLASS_SHARED = "freehold-weights", "freehold-weights-shared"

_EBS_CLASS = "storage-class"
_EBS_PARAMETERS = {
    "type": "gp3",
    "encrypted": "true",
    # MiB/s. At gp3's default, 125, each start of a model of 70 billion parameters reads its 131 GiB for 18
    # minutes; 500 takes 4.5, needs no more than gp3's 3000 IOPS, and costs 15 US dollars a month more.
    # https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html, https://aws.amazon.com/ebs/pricing
    "throughput": "500",
}
_FILE_SYSTEM, _GROUP, _NFS_IN = "efs", "efs-security-group", "efs-in"
_IDENTITY, _DRIVER = "pod-identity-efs-csi", "aws-efs-csi-driver"
_NFS = 2049
_USER = str(contract.WEIGHTS_USER)
"""Owner of every file, whichever user writes it: the user that downloads and reads weights."""


def resources(request: Request, plan: Plan) -> list[Resource]:
    """Compose both storage classes, the EFS file system, the nodes' way to it, and its CSI driver."""
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
        _ebs_class(request, plan),
        *_security_group(request, plan),
        file_system,
        *targets,
        *_driver(request, plan),
        _efs_class(request, plan, tuple(target.name for target in targets)),
    ]


def _first_of_each_zone(plan: Plan) -> list[int]:
    """Return the position of the first subnet of each zone: EFS has one mount target a zone."""
    return [i for i, zone in enumerate(plan.zones) if zone not in plan.zones[:i]]


def _security_group(request: Request, plan: Plan) -> list[Resource]:
    """Compose the security group of the mount targets: it lets in the cluster's security group alone."""
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
    # Without this value the files of a deleted volume stay on the file system, and are paid for.
    configuration = {"controller": {"deleteAccessPointRootDir": True}}
    return [
        identity.pod_identity(plan, _IDENTITY, identity.EFS_ROLE, identity.attachments(identity.EFS_ROLE)),
        addons.addon(
            request, plan, _DRIVER, SYSTEM, _IDENTITY, f"addon-{addons.AGENT}", configuration=configuration
        ),
    ]


def _efs_class(request: Request, plan: Plan, targets: tuple[str, ...]) -> Resource:
    """Compose the class of EFS volumes: each is a directory of its own, and encrypted on the way too."""
    seen = request.resource(f"node-pools/{_FILE_SYSTEM}")
    file_system = (seen and seen.text("status", "atProvider", "id")) or ""
    parameters = {
        "provisioningMode": "efs-ap",
        "fileSystemId": file_system,
        "directoryPerms": "700",
        "uid": _USER,
        "gid": _USER,
    }
    made = _storage_class(
        plan,
        "storage-class-shared",
        STORAGE_CLASS_SHARED,
        "efs.csi.aws.com",
        parameters,
        volumeBindingMode="Immediate",
    )
    made = replace(
        made, after=(*made.after, *targets, f"node-pools/{_NFS_IN}", f"node-pools/addon-{_DRIVER}")
    )
    return made if file_system else made.waiting("the id of the file system")


def _ebs_class(request: Request, plan: Plan) -> Resource:
    """Compose the class of EBS volumes: each is made in the zone of the node whose pod needs it.

    A live class keeps its parameters, which Kubernetes lets nobody change.
    """
    parameters, live = _EBS_PARAMETERS, request.resource(f"node-pools/{_EBS_CLASS}")
    if live is not None:
        kept = {key: live.text("spec", "forProvider", "manifest", "parameters", key) for key in parameters}
        parameters = {key: value for key, value in kept.items() if value}
    return _storage_class(
        plan,
        _EBS_CLASS,
        STORAGE_CLASS,
        "ebs.csi.aws.com",
        parameters,
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    )


def _storage_class(
    plan: Plan, what: str, name: str, provisioner: str, parameters: Mapping[str, str], **more: Any
) -> Resource:
    """Compose a StorageClass inside the cluster, which vanishes together with the cluster."""
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
        plan.access.kubernetes,
        manifest,
        policies=remote.NEVER_DELETE,
    )
    return Resource(f"node-pools/{what}", body, (reach.REACHABLE,))
