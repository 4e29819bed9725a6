"""An InferenceCluster in a cluster that exists already."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from ..forms import SecretName
from ..node_pool import FabricKind, NodePool
from ..schema import Rule, Schema, rules
from .place import Place

__all__ = ["PLACE", "ControlPlane", "Distribution", "Existing", "SecretKeyRef"]

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
_ONE_WAY = Rule(
    "has(self.kubeconfigSecretRef) != has(self.controlPlane)",
    "name exactly one of existing.kubeconfigSecretRef and existing.controlPlane: how the cluster is reached",
)
_SAME_WAY = Rule(
    "has(self.controlPlane) == has(oldSelf.controlPlane)",
    "a live cluster cannot change between existing.kubeconfigSecretRef and existing.controlPlane: "
    "claim a new one",
)


class SecretKeyRef(Schema):
    """A key of a Secret in the claim's own namespace."""

    name: SecretName = Field(description="Name of the Secret, in the claim's namespace.")
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


def _check(pools: Sequence[NodePool]) -> None:
    """Check that node pools say what their nodes are, and ask for nothing that only a cloud could give.

    Raises:
        ValueError: in the rules' words.
    """
    if any(pool.gpu is None for pool in pools):
        raise ValueError(_EXISTING_GPU.message)
    disk = NodePool.model_fields["disk_gib"].default
    if any(p.instance_type or p.reservation or p.zones is not None or p.disk_gib != disk for p in pools):
        raise ValueError(_EXISTING_MACHINE.message)
    if any(pool.fabric is not FabricKind.NONE for pool in pools):
        raise ValueError(_EXISTING_FABRIC.message)


PLACE = Place(
    "existing",
    Existing,
    "Take a cluster that is there already.",
    created=False,
    rules=(_EXISTING_GPU, _EXISTING_MACHINE, _EXISTING_FABRIC),
    check=_check,
)
