"""What an InferenceCluster tells: enough to place a Model without asking the cloud."""

from __future__ import annotations

from pydantic import Field

from .cluster import Capacity, Nodes
from .schema import Schema

__all__ = ["Access", "ClusterStatus", "Network", "PoolStatus"]


class Access(Schema):
    """How the control plane reaches into the cluster."""

    namespace: str = Field(description="Namespace of the ProviderConfigs and of everything composed.")
    kubernetes_provider_config: str = Field(description="ProviderConfig of provider-kubernetes.")
    helm_provider_config: str = Field(description="ProviderConfig of provider-helm.")
    helm_namespace: str | None = Field(
        None,
        description="Namespace of the Helm ProviderConfig and its Releases. Default: that of the others.",
    )


class PoolStatus(Schema):
    """One node pool as planned; recorded, so that a newer catalog moves no live pool."""

    name: str = Field(description="Name of the pool.")
    gpu_model: str = Field(description="GPU model, as the catalog names it.")
    gpus_per_node: int = Field(description="GPUs in one node.")
    gpu_memory_mib: int = Field(alias="gpuMemoryMiB", description="Usable memory of one GPU, in MiB.")
    instance_type: str | None = Field(None, description="Machine type, where a cloud was asked for one.")
    nodes: Nodes = Field(description="Bounds of the pool's size, in nodes.")
    capacity: Capacity = Field(Capacity.ON_DEMAND, description="How its machines are bought.")
    price_usd_per_hour: float | None = Field(
        None, description="Listed on-demand price of one node, in US dollars an hour, for comparing pools."
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels that its nodes have, and no other pool's."
    )
    ready: bool = Field(False, description="Whether the pool itself is there.")


class Network(Schema):
    """Where the cluster's subnets are; recorded, since subnets cannot move."""

    zones: list[str] = Field(description="Availability zones of the subnets, in their order.")


class ClusterStatus(Schema):
    """Status of an InferenceCluster."""

    access: Access | None = Field(None, description="How the control plane reaches into the cluster.")
    node_pools: list[PoolStatus] | None = Field(None, description="The GPU node pools.")
    network: Network | None = Field(None, description="The network that was created.")
    kubernetes_version: str | None = Field(None, description="Kubernetes minor version that was asked for.")
    storage_class_name: str | None = Field(
        None, description="StorageClass for model weights; none is the cluster's default class."
    )
    shared_storage: bool = Field(
        False, description="Whether volumes of that class can be read on several nodes at once."
    )
