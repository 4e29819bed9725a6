"""InferenceCluster: what a platform team claims."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from .aws import Aws
from .forms import Form
from .node_keys import RESERVED, reserved
from .node_pool import FabricKind, NodePool
from .schema import Rule, Schema, rules

__all__ = ["ClusterSpec", "ControlPlane", "Existing", "SecretKeyRef"]

_ONE_PLACE = Rule(
    "(has(self.aws) ? 1 : 0) + (has(self.existing) ? 1 : 0) == 1",
    "name exactly one of aws and existing: where the cluster is",
)
_EXISTING_GPU = Rule(
    "!has(self.existing) || self.nodePools.all(p, has(p.gpu))",
    "a node pool of an existing cluster declares its gpu (model and count a node)",
)
_EXISTING_MACHINE = Rule(
    "!has(self.existing) || self.nodePools.all(p, !has(p.instanceType) && !has(p.reservation)"
    f" && !has(p.zones) && p.diskGiB == {NodePool.model_fields['disk_gib'].default})",
    "a node pool of an existing cluster has no instanceType, reservation, zones or diskGiB: its machines are "
    "there already",
)
_EXISTING_FABRIC = Rule(
    "!has(self.existing) || self.nodePools.all(p, p.fabric == 'None')",
    "a node pool of an existing cluster cannot ask for fabric RDMA yet: what its nodes have is not known",
)
_SAME_PLACE = Rule(
    "has(self.existing) == has(oldSelf.existing)",
    "a live cluster cannot change between aws and existing: claim a new one",
)
_ONE_WAY = Rule(
    "has(self.kubeconfigSecretRef) != has(self.controlPlane)",
    "name exactly one of existing.kubeconfigSecretRef and existing.controlPlane: how the cluster is reached",
)
_SAME_WAY = Rule(
    "has(self.controlPlane) == has(oldSelf.controlPlane)",
    "a live cluster cannot change between existing.kubeconfigSecretRef and existing.controlPlane: "
    "claim a new one",
)
_UNIQUE_POOLS = Rule(
    "self.all(p, self.exists_one(q, q.name == p.name))", "every node pool needs a name of its own"
)

_NAMESPACES = Form(
    "[a-z0-9*-]+",
    "allowedNamespaces takes names of namespaces, in which '*' stands for any characters, such as team-*",
)


class SecretKeyRef(Schema):
    """A key of a Secret in the claim's own namespace."""

    name: str = Field(
        description="Name of the Secret, in the claim's namespace.", min_length=1, max_length=253
    )
    key: str = Field("kubeconfig", description="Key in the Secret. Default kubeconfig.", max_length=253)


class ControlPlane(Schema):
    """The control plane's own cluster, reached as the providers themselves."""


class Distribution(StrEnum):
    """Kubernetes distributions that need values of their own for GPUs."""

    OTHER = "Other"
    GKE = "GKE"
    K3S = "K3s"
    RKE2 = "RKE2"


class Existing(Schema):
    """A cluster that is there already; nothing is created in any cloud."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_WAY, _SAME_WAY))

    kubeconfig_secret_ref: SecretKeyRef | None = Field(
        None,
        description="Kubeconfig of the cluster, in a Secret in the claim's namespace. Only for claims in "
        "namespaces that the platform lists for it.",
    )
    control_plane: ControlPlane | None = Field(
        None,
        description="The cluster that Crossplane itself runs in, instead of one that a kubeconfig reaches. "
        "Only for claims in namespaces that the platform lists for it.",
    )
    distribution: Distribution = Field(
        Distribution.OTHER,
        description="Kubernetes distribution of the cluster. GKE: the driver is Google's, installed with "
        "the nodes; the GPU Operator brings the rest. K3s, RKE2: containerd is the distribution's own. "
        "Default Other.",
    )
    storage_class_name: str | None = Field(
        None,
        description="StorageClass for model weights. Default: the cluster's default class.",
        max_length=253,
    )
    shared_storage: bool = Field(
        False,
        description="Whether that class offers ReadWriteMany, which Models of several replicas need. "
        "Default false.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.kubeconfig_secret_ref is None) == (self.control_plane is None):
            raise ValueError(_ONE_WAY.message)
        return self


class ClusterSpec(Schema):
    """A Kubernetes cluster with GPU node pools, ready to serve Models."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _ONE_PLACE, _SAME_PLACE, _EXISTING_GPU, _EXISTING_MACHINE, _EXISTING_FABRIC, RESERVED
        )
    )

    aws: Aws | None = Field(None, description="Create an EKS cluster on AWS.")
    existing: Existing | None = Field(None, description="Take a cluster that is there already.")
    kubernetes_version: str | None = Field(
        None,
        description="Kubernetes minor version of a cluster that is created, such as 1.35. "
        "Default: the platform's.",
        pattern=r"^1\.\d{2}$",
        max_length=4,
    )
    owner: str | None = Field(
        None,
        description="Who pays for it, as a tag or label of everything in the cloud. "
        "Default: the claim's namespace.",
        pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$",
        max_length=63,
    )
    node_pools: list[NodePool] = Field(
        description="GPU node pools, at least one.",
        min_length=1,
        max_length=32,
        json_schema_extra={
            **rules(_UNIQUE_POOLS),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    allowed_namespaces: (
        list[
            Annotated[
                str,
                AfterValidator(_NAMESPACES.check),
                Field(max_length=63, json_schema_extra=rules(_NAMESPACES.rule)),
            ]
        ]
        | None
    ) = Field(
        None,
        description="Namespaces whose Models may use this cluster; '*' stands for any characters. "
        "Default: the claim's own.",
        max_length=100,
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.aws is None) == (self.existing is None):
            raise ValueError(_ONE_PLACE.message)
        if self.existing:
            self._is_declared()
        keys = [k for p in self.node_pools for k in (*p.labels, *(taint.key for taint in p.taints))]
        if self.aws and (ours := reserved(keys)):
            raise ValueError(f"{RESERVED.message} (got {', '.join(ours)})")
        names = [pool.name for pool in self.node_pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{_UNIQUE_POOLS.message}: {', '.join(twice)} is there twice")
        return self

    def _is_declared(self) -> None:
        """Check the pools of a cluster that is there already."""
        if any(pool.gpu is None for pool in self.node_pools):
            raise ValueError(_EXISTING_GPU.message)
        disk = NodePool.model_fields["disk_gib"].default
        if any(
            p.instance_type or p.reservation or p.zones is not None or p.disk_gib != disk
            for p in self.node_pools
        ):
            raise ValueError(_EXISTING_MACHINE.message)
        if any(pool.fabric is not FabricKind.NONE for pool in self.node_pools):
            raise ValueError(_EXISTING_FABRIC.message)
