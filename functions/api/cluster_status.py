"""What an InferenceCluster tells: enough to place a Model without asking the cloud."""

from __future__ import annotations

from pydantic import Field

from .contract import DEVICE_PLUGIN_CONFIG, MIG_CONFIG, MIG_DEVICE
from .gateway import NamespaceLimits
from .node_pool import Capacity, Nodes, Reservation, SharingMode, Taint
from .places.existing import Distribution
from .schema import Schema
from .tokens import TokenIssuer

__all__ = [
    "Access",
    "Allocatable",
    "Autoscaler",
    "CloudFacts",
    "ClusterStatus",
    "Fabric",
    "Network",
    "NodeImage",
    "OfferedGateway",
    "PodsInUse",
    "PoolStatus",
    "Slices",
    "Summary",
]


class Access(Schema):
    """How the control plane reaches into the cluster."""

    namespace: str = Field(description="Namespace of the ProviderConfigs and of everything composed.")
    kubernetes_provider_config: str = Field(description="ProviderConfig of provider-kubernetes.")
    helm_provider_config: str = Field(description="ProviderConfig of provider-helm.")
    helm_namespace: str | None = Field(
        None,
        description="Namespace of the Helm ProviderConfig and its Releases. Default: that of the others.",
    )


class Slices(Schema):
    """How a pool's GPUs are shared; a Model takes slices as it would take GPUs."""

    mode: str = Field(description="TimeSlicing, MPS or MIG.")
    resource: str = Field(
        description="What a pod asks for, such as nvidia.com/gpu or nvidia.com/mig-1g.10gb."
    )
    per_gpu: int = Field(alias="perGPU", description="Slices of one GPU.")
    memory_mib: int = Field(alias="memoryMiB", description="Memory of one slice, in MiB.")

    @property
    def node_labels(self) -> dict[str, str]:
        """Labels by which the GPU Operator shares a node's GPUs like this."""
        if self.mode == SharingMode.MIG:
            return {MIG_CONFIG: f"all-{self.resource.removeprefix(MIG_DEVICE)}"}
        return {DEVICE_PLUGIN_CONFIG: self.setting}

    @property
    def setting(self) -> str:
        """Name of the device plugin's setting for it, such as timeslicing-4, where its mode has one.

        A node's label DEVICE_PLUGIN_CONFIG says which setting it has.
        """
        return f"{self.mode.lower()}-{self.per_gpu}"


class Fabric(Schema):
    """The network between a pool's nodes that GPUs write to without the CPU (RDMA)."""

    resource: str = Field(description="What a pod asks for, such as vpc.amazonaws.com/efa.")
    per_node: int = Field(description="Devices of one node.")


class Allocatable(Schema):
    """What pods can request of one node, beside its GPUs."""

    cpu_millicores: int = Field(description="CPU, in thousandths of a core.")
    memory_mib: int = Field(alias="memoryMiB", description="Memory, in MiB.")


class PodsInUse(Schema):
    """Pods of placed Models that take as many GPUs each."""

    gpus: int = Field(description="GPUs, or slices where they are shared, of each pod.")
    pods: int = Field(description="How many such pods there are.")


class PoolStatus(Schema):
    """One node pool as planned; recorded, so that a newer catalog moves no live pool."""

    name: str = Field(description="Name of the pool.")
    gpu_model: str = Field(description="GPU model, as the catalog names it.")
    gpus_per_node: int = Field(description="GPUs in one node.")
    gpu_memory_mib: int = Field(alias="gpuMemoryMiB", description="Usable memory of one GPU, in MiB.")
    compute_capability: str | None = Field(
        None,
        description="CUDA compute capability of its GPUs, such as 8.9, where the spec declares it; none: "
        "the catalog's.",
    )
    instance_type: str | None = Field(None, description="Machine type, where a cloud was asked for one.")
    allocatable: Allocatable | None = Field(
        None,
        description="CPU and memory that pods can request of one node: estimated from its machine type, or "
        "the least of the nodes found; none: not known.",
    )
    nodes: Nodes = Field(description="Bounds of the pool's size, in nodes.")
    capacity: Capacity = Field(Capacity.ON_DEMAND, description="How its machines are bought.")
    reservation: Reservation | None = Field(None, description="Where its machines are bought already.")
    zones: list[str] | None = Field(
        None, description="Zones that were named for it; none: those known to have its machine."
    )
    price_usd_per_hour: float | None = Field(
        None, description="Listed on-demand price of one node, in US dollars an hour, for comparing pools."
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels that its nodes have, and no other pool's."
    )
    taints: list[Taint] | None = Field(
        None, description="Taints of its nodes beside nvidia.com/gpu, for pods to tolerate."
    )
    alternatives: list[str] | None = Field(
        None,
        description="Other machines that would do, the cheapest first, each with its listed on-demand price "
        "in the catalog's own region of the cloud (us-east-1 of AWS).",
    )
    nodes_found: int | None = Field(
        None, description="Nodes that have the pool's labels, where the cluster was there already."
    )
    sharing: Slices | None = Field(None, description="How its GPUs are shared; none: whole GPUs.")
    fabric: Fabric | None = Field(None, description="The RDMA network between its nodes; none: without.")
    gpus_in_use: int | None = Field(
        None, description="GPUs, or slices where they are shared, that placed Models take of the pool's most."
    )
    pods_in_use: list[PodsInUse] | None = Field(
        None, description="The pods that take them, by their size. On which nodes they are is not known."
    )
    leaving: bool | None = Field(
        None,
        description="Whether the spec no longer has the node pool. It stays for the Models on it, and takes "
        "no others.",
    )
    ready: bool = Field(False, description="Whether the pool itself is there.")


class Network(Schema):
    """Where the cluster's subnets are; recorded, since subnets cannot move."""

    zones: list[str] = Field(description="Availability zones of the subnets, in their order.")


class Autoscaler(Schema):
    """What the cluster's autoscaler needs to know, where one is installed."""

    cloud: str = Field(description="The cloud whose node groups it sizes: aws.")
    cluster_name: str = Field(description="Name of the cluster in the cloud.")
    region: str = Field(description="The cloud's region.")


class CloudFacts(Schema):
    """The cloud in which a cluster was created."""

    name: str = Field(description="Name of the cloud, as the field of the spec: aws.")
    region: str = Field(description="The cloud's region.")
    partition: str | None = Field(
        None, description="Part of the cloud with endpoints and accounts of its own, such as aws-cn."
    )
    service_annotations: dict[str, str] | None = Field(
        None,
        description="Annotations by which a Service gets the load balancer that spec.gateway.reach asks for.",
    )


class NodeImage(Schema):
    """What the image of the GPU nodes contains; what it lacks is installed in the cluster."""

    driver: bool = Field(description="Whether the image contains NVIDIA's driver.")
    container_toolkit: bool = Field(
        description="Whether the image contains NVIDIA's container toolkit, configured for containerd."
    )


class Summary(Schema):
    """All node pools in one line each: a column of kubectl prints the first match of a list only."""

    node_pools: str = Field(description="Names of the node pools.")
    gpus: str = Field(description="GPUs of a node, pool by pool.")


class OfferedGateway(Schema):
    """Where clients reach the Models of the cluster."""

    host: str = Field(description="DNS name of the cluster's gateway, which its certificate is for.")
    port: int = Field(443, description="TCP port, which speaks TLS. Default 443.")
    ca: str | None = Field(
        None,
        description="Certificates of the authorities that vouch for the gateway's, as PEM; none: those that "
        "every client knows.",
    )
    issuers: list[TokenIssuer] | None = Field(
        None,
        description="Whose tokens Models may take, none or some; of a placed Model, those that it names.",
    )
    limits: list[NamespaceLimits] | None = Field(
        None,
        description="Ceilings by namespace, where the gateway counts, so that Models' limits hold; none: it "
        "does not count.",
    )

    def seen_by(self, namespace: str) -> OfferedGateway:
        """Return what Models of a namespace may know: the ceiling of no other."""
        if self.limits is None:
            return self
        return self.model_copy(update={"limits": [each for each in self.limits if each.name == namespace]})


class ClusterStatus(Schema):
    """Status of an InferenceCluster."""

    summary: Summary | None = Field(None, description="The node pools in one line, for kubectl get.")

    access: Access | None = Field(None, description="How the control plane reaches into the cluster.")
    node_pools: list[PoolStatus] | None = Field(None, description="The GPU node pools.")
    network: Network | None = Field(None, description="The network.")
    autoscaler: Autoscaler | None = Field(None, description="What sizes the pools; none: nothing does.")
    components: list[str] | None = Field(
        None,
        description="What was installed in the cluster and has worked, such as gpu-operator or "
        "leader-worker-set.",
    )
    gateway: OfferedGateway | None = Field(
        None, description="Where clients reach the cluster's Models; none: no gateway has worked here."
    )
    gateway_addresses: list[str] | None = Field(
        None,
        description="Addresses, or DNS names, of the gateway: let its host lead to one of them. None: it has "
        "none yet, or there is no gateway.",
    )
    cloud: CloudFacts | None = Field(
        None, description="The cloud in which the cluster was created; none: it existed before its claim."
    )
    node_image: NodeImage | None = Field(
        None,
        description="What the image of the GPU nodes contains; none: not known, so that the cluster's "
        "GPU Operator installs what a node lacks.",
    )
    cluster_uid: str | None = Field(
        None,
        alias="clusterUID",
        description="UID of the kube-system namespace of a cluster that existed before its claim: which "
        "cluster it is, whatever kubeconfig reaches it.",
    )
    held_by: str | None = Field(
        None,
        description="The InferenceCluster that has taken the cluster, where that is another. Nothing is "
        "installed, changed or uninstalled for this one.",
    )
    deleted_with_claim: bool | None = Field(
        None,
        description="Whether the deletion of the claim deletes the cluster, with everything in the cluster.",
    )
    distribution: Distribution | None = Field(
        None, description="Kubernetes distribution, where that changes how containers come to GPUs."
    )
    kubernetes_version: str | None = Field(None, description="Kubernetes minor version that was asked for.")
    storage_class_name: str | None = Field(
        None, description="StorageClass for model weights; none is the cluster's default class."
    )
    shared_storage: bool = Field(
        False, description="Whether volumes of that class can be read on several nodes at once."
    )
    shared_storage_class_name: str | None = Field(
        None,
        description="StorageClass whose volumes several nodes read at once, where it is another than "
        "storageClassName.",
    )
