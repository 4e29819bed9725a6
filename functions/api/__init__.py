"""Both XRs and the functions' inputs as typed models; the XRDs are generated from them."""

from .cluster import Aws, Capacity, ClusterSpec, Existing, Gpu, NodePool, Nodes, ProviderConfigRef
from .cluster_status import Access, ClusterStatus, Network, PoolStatus
from .inputs import Chart, GPUStackInput, NodePoolsInput, VLLMInput
from .model import Architecture, ClusterChoice, ModelSpec, Precision
from .model_status import Endpoint, ModelStatus, Placement, Sizing
from .schema import Schema

API_VERSION = "freehold.dev/v1alpha1"
"""API group and version of both XRs, their claims and the functions' inputs."""

__all__ = [
    "API_VERSION",
    "Access",
    "Architecture",
    "Aws",
    "Capacity",
    "Chart",
    "ClusterChoice",
    "ClusterSpec",
    "ClusterStatus",
    "Endpoint",
    "Existing",
    "GPUStackInput",
    "Gpu",
    "ModelSpec",
    "ModelStatus",
    "Network",
    "NodePool",
    "NodePoolsInput",
    "Nodes",
    "Placement",
    "PoolStatus",
    "Precision",
    "ProviderConfigRef",
    "Schema",
    "Sizing",
    "VLLMInput",
]
