"""A node pool of an InferenceCluster: which GPUs, how many nodes, how they are bought and shared."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from .forms import Form
from .node_keys import KEY, KEYS, LENGTH, OPTIONAL_VALUE, VALUE, check_keys
from .schema import Rule, Schema, rules

__all__ = [
    "Capacity",
    "FabricKind",
    "Gpu",
    "NodePool",
    "Nodes",
    "Reservation",
    "ReservationKind",
    "Sharing",
    "SharingMode",
    "Taint",
]

_MIN_MAX = Rule(
    "self.min <= self.max",
    "nodes.min must not be larger than nodes.max, which has a default where it is left out",
)
_GPU_OR_TYPE = Rule(
    "has(self.gpu) || has(self.instanceType)",
    "a node pool names its GPU (gpu: {model: L4}) or its machine (instanceType: g6.xlarge)",
)
_SPOT_OR_RESERVED = Rule(
    "self.capacity != 'Spot' || !has(self.reservation)",
    "capacity Spot and a reservation exclude each other: drop one of them",
)
_RESERVED = Rule(
    "(self.capacity == 'Reserved') == has(self.reservation)",
    "capacity Reserved and reservation go together: reservation.id says which one, such as "
    "cr-0123456789abcdef0",
)
_FABRIC_OF_SEVERAL = Rule(
    "self.fabric != 'RDMA' || self.nodes.max > 1",
    "fabric RDMA connects several nodes: set nodes.max to 2 or more, or drop fabric",
)
_FABRIC_OF_WHOLE_GPUS = Rule(
    "self.fabric != 'RDMA' || self.sharing.mode == 'None'",
    "fabric RDMA connects whole GPUs, of Models larger than one node: drop fabric or sharing",
)
_COUNTED = Rule(
    "(self.mode in ['TimeSlicing', 'MPS']) == has(self.slicesPerGPU)",
    "sharing.slicesPerGPU goes with mode TimeSlicing or MPS: how many Models share one GPU",
)
_PROFILED = Rule(
    "(self.mode == 'MIG') == has(self.profile)",
    "sharing.profile goes with mode MIG: the size of a slice, such as 1g.10gb",
)
_DECLARED = Rule(
    "has(self.memoryGiB) == has(self.computeCapability)",
    "gpu.memoryGiB and gpu.computeCapability go together: they declare a GPU that the catalog does not know",
)
_POOL_NAME = Form(
    "[a-z]([a-z0-9-]*[a-z0-9])?",
    "a node pool's name has small letters, digits and '-' only, begins with a letter and does not end with "
    "'-', such as l4-spot",
)


_LabelValue = Annotated[
    str, AfterValidator(VALUE.check), Field(max_length=LENGTH, json_schema_extra=rules(VALUE.rule))
]


class Capacity(StrEnum):
    """How a pool's machines are bought."""

    ON_DEMAND = "OnDemand"
    SPOT = "Spot"
    RESERVED = "Reserved"


class ReservationKind(StrEnum):
    """What kind of reservation a pool draws from."""

    ON_DEMAND = "OnDemand"
    CAPACITY_BLOCK = "CapacityBlock"


class SharingMode(StrEnum):
    """How a pool's GPUs are shared between pods."""

    NONE = "None"
    TIME_SLICING = "TimeSlicing"
    MPS = "MPS"
    MIG = "MIG"


class FabricKind(StrEnum):
    """What connects the GPUs of a pool's nodes."""

    NONE = "None"
    RDMA = "RDMA"


class Gpu(Schema):
    """The GPUs of one node."""

    model_config = ConfigDict(json_schema_extra=rules(_DECLARED))

    model: str = Field(
        description="GPU model, such as L4, L40S or H100-80GB; also as the driver or the node label "
        "nvidia.com/gpu.product names it.",
        min_length=1,
        max_length=63,
    )
    count: int = Field(1, description="GPUs in one node. Default 1.", ge=1, le=16)
    memory_gib: float | None = Field(
        None,
        alias="memoryGiB",
        description="Memory of one GPU of an existing cluster, in GiB as the driver reports it: the nodes' "
        "label nvidia.com/gpu.memory, which is in MiB, divided by 1024 (an RTX 4090 has 23.9). Default: the "
        "catalog's.",
        ge=1,
        le=1024,
    )
    compute_capability: str | None = Field(
        None,
        description="CUDA compute capability of the GPUs of an existing cluster, such as 8.9: the nodes' "
        "labels nvidia.com/gpu.compute.major and nvidia.com/gpu.compute.minor. Default: the catalog's.",
        pattern=r"^\d{1,2}\.\d$",
        max_length=4,
    )

    @property
    def memory_mib(self) -> int | None:
        """The declared memory of one GPU, in MiB."""
        return None if self.memory_gib is None else int(self.memory_gib * 1024)

    @model_validator(mode="after")
    def _declared_whole(self) -> Self:
        if (self.memory_gib is None) != (self.compute_capability is None):
            raise ValueError(_DECLARED.message)
        return self


class Nodes(Schema):
    """How many nodes a pool may have."""

    model_config = ConfigDict(json_schema_extra=rules(_MIN_MAX))

    min: int = Field(
        0,
        description="Fewest nodes. Default 0: an autoscaler adds nodes when Models need them, and takes "
        "them away after. In an existing cluster: how many must be found.",
        ge=0,
        le=1000,
    )
    max: int = Field(
        1,
        description="Most nodes. Default 1. In an existing cluster: how many Models may count on.",
        ge=1,
        le=1000,
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"{_MIN_MAX.message}: got {self.min} and {self.max}")
        return self


class Reservation(Schema):
    """Machines that are paid for already."""

    id: str = Field(
        description="The cloud's id of the reservation, such as cr-0123456789abcdef0.",
        min_length=1,
        max_length=200,
    )
    kind: ReservationKind = Field(
        ReservationKind.ON_DEMAND,
        description="OnDemand: a reservation without an end; CapacityBlock: one bought for a time, which "
        "holds nodes only during it. Default OnDemand.",
    )


class Sharing(Schema):
    """Several Models on one GPU."""

    model_config = ConfigDict(json_schema_extra=rules(_COUNTED, _PROFILED))

    mode: SharingMode = Field(
        SharingMode.NONE,
        description="None; TimeSlicing: in turns, without separation of memory; MPS: at once, with a part of "
        "the memory each; MIG: hardware partitions, on GPUs that have them. Default None.",
    )
    slices_per_gpu: int | None = Field(
        None,
        alias="slicesPerGPU",
        description="How many Models share one GPU, with mode TimeSlicing or MPS.",
        ge=2,
        le=48,
    )
    profile: str | None = Field(
        None,
        description="MIG profile of every slice, such as 1g.10gb: as many as fit a GPU.",
        pattern=r"^[1-7]g\.\d+gb$",
        max_length=12,
    )

    @model_validator(mode="after")
    def _goes_with_mode(self) -> Self:
        counted = self.mode in (SharingMode.TIME_SLICING, SharingMode.MPS)
        if counted != (self.slices_per_gpu is not None):
            raise ValueError(_COUNTED.message)
        if (self.mode is SharingMode.MIG) != (self.profile is not None):
            raise ValueError(_PROFILED.message)
        return self


class Taint(Schema):
    """A taint of the pool's nodes, beside that of every GPU pool; its Models tolerate it."""

    key: Annotated[str, AfterValidator(KEY.check)] = Field(
        description="Key of the taint, such as example.com/team.",
        max_length=LENGTH,
        json_schema_extra=rules(KEY.rule),
    )
    value: Annotated[str, AfterValidator(OPTIONAL_VALUE.check)] = Field(
        "",
        description="Value of the taint. Default empty.",
        max_length=LENGTH,
        json_schema_extra=rules(OPTIONAL_VALUE.rule),
    )
    effect: str = Field(
        "NoSchedule",
        description="NoSchedule, PreferNoSchedule or NoExecute. Default NoSchedule.",
        pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$",
    )


class NodePool(Schema):
    """Equal GPU nodes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _GPU_OR_TYPE, _SPOT_OR_RESERVED, _RESERVED, _FABRIC_OF_SEVERAL, _FABRIC_OF_WHOLE_GPUS
        )
    )

    name: Annotated[str, AfterValidator(_POOL_NAME.check)] = Field(
        description="Name of the pool, unique in the cluster; at most 20 of a-z, 0-9 and '-'.",
        max_length=20,
        json_schema_extra=rules(_POOL_NAME.rule),
    )
    gpu: Gpu | None = Field(
        None, description="GPUs of a node. The catalog picks the cheapest machine that has exactly these."
    )
    instance_type: str | None = Field(
        None,
        description="Machine type, such as g6.xlarge; overrides the catalog's pick and must agree with gpu.",
        max_length=40,
    )
    nodes: Nodes = Field(Nodes(), description="Bounds of the pool's size, in nodes.")
    capacity: Capacity = Field(
        Capacity.ON_DEMAND,
        description="OnDemand; Spot: cheaper and may be taken back; Reserved: from reservation. "
        "Default OnDemand.",
    )
    reservation: Reservation | None = Field(None, description="Which reservation, with capacity Reserved.")
    zones: list[Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=30)]] | None = Field(
        None,
        description="Zones of the pool's nodes, among the cluster's. Default: those known to have its "
        "machine; one of them with fabric RDMA.",
        min_length=1,
        max_length=6,
    )
    fabric: FabricKind = Field(
        FabricKind.NONE,
        description="RDMA connects the GPUs of several nodes (EFA on AWS), for a model larger than one node. "
        "Default None.",
    )
    sharing: Sharing = Field(Sharing(), description="Several Models on one GPU. Default: whole GPUs.")
    disk_gib: int = Field(
        200,
        alias="diskGiB",
        description="Encrypted root disk of a node, in GiB. Cannot change on a live pool. Default 200.",
        ge=50,
        le=16384,
    )
    labels: Annotated[dict[str, _LabelValue], AfterValidator(check_keys)] = Field(
        default_factory=dict,
        description="Labels of the pool's nodes, beside the package's own. At most 20. In an existing "
        "cluster: those by which its nodes are known, instead of the GPU model and count that GPU Feature "
        "Discovery finds.",
        max_length=20,
        json_schema_extra=rules(*KEYS),
    )
    taints: list[Taint] = Field(
        default_factory=list,
        description="Taints of the pool's nodes, beside nvidia.com/gpu. At most 20.",
        max_length=20,
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.gpu is None and self.instance_type is None:
            raise ValueError(_GPU_OR_TYPE.message)
        if self.capacity is Capacity.SPOT and self.reservation is not None:
            raise ValueError(_SPOT_OR_RESERVED.message)
        if (self.capacity is Capacity.RESERVED) != (self.reservation is not None):
            raise ValueError(_RESERVED.message)
        if self.fabric is FabricKind.RDMA and self.nodes.max == 1:
            raise ValueError(f"{_FABRIC_OF_SEVERAL.message} (node pool {self.name})")
        if self.fabric is FabricKind.RDMA and self.sharing.mode is not SharingMode.NONE:
            raise ValueError(f"{_FABRIC_OF_WHOLE_GPUS.message} (node pool {self.name})")
        return self
