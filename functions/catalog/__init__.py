"""Facts about GPUs, machines and models, and versions of what is deployed: data files and their loaders."""

from .gpu_names import gpu_named, gpus_named, same_name
from .machines import GPU, Machine, Region, gpus, machines, regions
from .mig import MigProfile, mig_profiles
from .models import INDEXER_BYTES, ModelFacts, bytes_per_token, full_layer_bytes, layer_bytes, models
from .precision import BYTES_PER_PARAMETER, FP8_WHEN_LOADED_BYTES
from .providers import Provider, providers
from .registries import ecr_registry
from .serving import UNKNOWN, Serving, servings
from .shapes import Shape, state_bytes_per_layer
from .tables import nearest
from .versions import ChartVersion, EksVersions, chart, cluster_autoscaler, eks, image, kubernetes

__all__ = [
    "BYTES_PER_PARAMETER",
    "FP8_WHEN_LOADED_BYTES",
    "GPU",
    "INDEXER_BYTES",
    "UNKNOWN",
    "ChartVersion",
    "EksVersions",
    "Machine",
    "MigProfile",
    "ModelFacts",
    "Provider",
    "Region",
    "Serving",
    "Shape",
    "bytes_per_token",
    "chart",
    "cluster_autoscaler",
    "ecr_registry",
    "eks",
    "full_layer_bytes",
    "gpu_named",
    "gpus",
    "gpus_named",
    "image",
    "kubernetes",
    "layer_bytes",
    "machines",
    "mig_profiles",
    "models",
    "nearest",
    "providers",
    "regions",
    "same_name",
    "servings",
    "state_bytes_per_layer",
]
