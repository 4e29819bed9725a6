"""Facts about GPUs, machines and models, and versions of what is deployed: data files and their loader."""

from .machines import GPU, Machine, Region, gpus, machines, regions
from .mig import MigProfile, mig_profiles
from .models import BYTES, ModelFacts, bytes_per_token, layer_bytes, models
from .tables import nearest
from .versions import ChartVersion, chart, image, kubernetes

__all__ = [
    "BYTES",
    "GPU",
    "ChartVersion",
    "Machine",
    "MigProfile",
    "ModelFacts",
    "Region",
    "bytes_per_token",
    "chart",
    "gpus",
    "image",
    "kubernetes",
    "layer_bytes",
    "machines",
    "mig_profiles",
    "models",
    "nearest",
    "regions",
]
