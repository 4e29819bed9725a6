"""Facts about GPUs, machines and models, and versions of what is deployed: data files and their loader."""

from .machines import GPU, Machine, Region, gpus, machines, regions
from .models import ModelFacts, models
from .tables import nearest
from .versions import ChartVersion, chart, image, kubernetes

__all__ = [
    "GPU",
    "ChartVersion",
    "Machine",
    "ModelFacts",
    "Region",
    "chart",
    "gpus",
    "image",
    "kubernetes",
    "machines",
    "models",
    "nearest",
    "regions",
]
