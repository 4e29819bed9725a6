"""What is installed, and how the cluster is reached."""

from __future__ import annotations

from dataclasses import dataclass

from functions.api import Access, Chart, ClusterSpec, GPUStackInput
from functions.base import Request, unique_name
from functions.catalog import ChartVersion, chart

__all__ = ["Plan", "make"]


@dataclass(frozen=True)
class Plan:
    """The GPU stack of one cluster."""

    composite: str
    """The composite's name: part of every name."""
    access: Access
    owned: bool
    """Whether the claim created the cluster, which then comes with NVIDIA's driver and
    toolkit in its node image, and takes everything inside along when it goes."""
    gpu_operator: ChartVersion
    node_feature_discovery: ChartVersion

    def object_name(self, what: str) -> str:
        """Name a composed object."""
        return unique_name(self.composite, what)


def make(request: Request, access: Access) -> Plan:
    """Decide what is installed in the cluster that `access` reaches.

    Raises:
        Invalid: for a spec or an input of another shape.
    """
    spec = request.spec(ClusterSpec)
    given = request.parameters(GPUStackInput)
    return Plan(
        composite=request.name,
        access=access,
        owned=spec.existing is None,
        gpu_operator=_version("gpu-operator", given.gpu_operator),
        node_feature_discovery=_version("node-feature-discovery", given.node_feature_discovery),
    )


def _version(name: str, given: Chart) -> ChartVersion:
    known = chart(name)
    return ChartVersion(name, given.repository or known.repository, given.version or known.version)
