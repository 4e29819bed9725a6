"""Both XRs and the functions' inputs as typed models; the XRDs are generated from them."""

from .cluster import ClusterSpec
from .cluster_status import (
    Access,
    Autoscaler,
    CloudFacts,
    ClusterStatus,
    Fabric,
    Network,
    NodeImage,
    PoolStatus,
    Slices,
    Summary,
)
from .engine import OWNED
from .inputs import AgentInput, Chart, Cloud, EksInput, NodePoolsInput, ProviderConfigRule, VLLMInput
from .model import (
    Architecture,
    ClusterChoice,
    GpuChoice,
    ModelSpec,
    Precision,
    Quantization,
    Replicas,
    Requirement,
    Task,
)
from .model_report import Ending, PodReport, PodsOf, PodTrouble, Trouble
from .model_status import Endpoint, EngineStatus, ModelFiles, ModelStatus, Placement, RunnerUp, Sizing
from .node_pool import (
    Capacity,
    FabricKind,
    Gpu,
    NodePool,
    Nodes,
    Reservation,
    ReservationKind,
    Sharing,
    SharingMode,
    Taint,
)
from .offer import Offer, OfferedBy
from .places.aws import DEFAULT_VPC, Aws, AwsSubnet, ExistingNetwork, ProviderConfigRef, SystemPool
from .places.existing import ControlPlane, Distribution, Existing
from .schema import Schema

API_VERSION = "freehold.dev/v1alpha1"
"""API group and version of both XRs, their claims and the functions' inputs."""

__all__ = [
    "API_VERSION",
    "DEFAULT_VPC",
    "OWNED",
    "Access",
    "AgentInput",
    "Architecture",
    "Autoscaler",
    "Aws",
    "AwsSubnet",
    "Capacity",
    "Chart",
    "Cloud",
    "CloudFacts",
    "ClusterChoice",
    "ClusterSpec",
    "ClusterStatus",
    "ControlPlane",
    "Distribution",
    "EksInput",
    "Ending",
    "Endpoint",
    "EngineStatus",
    "Existing",
    "ExistingNetwork",
    "Fabric",
    "FabricKind",
    "Gpu",
    "GpuChoice",
    "ModelFiles",
    "ModelSpec",
    "ModelStatus",
    "Network",
    "NodeImage",
    "NodePool",
    "NodePoolsInput",
    "Nodes",
    "Offer",
    "OfferedBy",
    "Placement",
    "PodReport",
    "PodTrouble",
    "PodsOf",
    "PoolStatus",
    "Precision",
    "ProviderConfigRef",
    "ProviderConfigRule",
    "Quantization",
    "Replicas",
    "Requirement",
    "Reservation",
    "ReservationKind",
    "RunnerUp",
    "Schema",
    "Sharing",
    "SharingMode",
    "Sizing",
    "Slices",
    "Summary",
    "SystemPool",
    "Taint",
    "Task",
    "Trouble",
    "VLLMInput",
]
