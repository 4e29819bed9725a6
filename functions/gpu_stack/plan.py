"""What is installed, for which pools, and how the cluster is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import Access, Chart, ClusterSpec, ClusterStatus, GPUStackInput, PoolStatus
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
    pools: tuple[PoolStatus, ...]
    gpu_operator: ChartVersion
    node_feature_discovery: ChartVersion

    def object_name(self, what: str) -> str:
        """Name a composed object."""
        return unique_name(self.composite, what)

    @property
    def taints(self) -> list[tuple[str, str, str]]:
        """Key, value and effect of every taint that users give their pools, in order."""
        return sorted({(t.key, t.value, t.effect) for pool in self.pools for t in pool.taints or ()})

    @property
    def tolerations(self) -> list[dict[str, Any]]:
        """What pods need that have to run on every GPU node."""
        return [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            *({"key": k, "operator": "Equal", "value": v, "effect": e} for k, v, e in self.taints),
        ]


def make(request: Request, status: ClusterStatus) -> Plan | None:
    """Decide what is installed in a cluster that says so much of itself; None where that is too little.

    Raises:
        Invalid: for a spec or an input of another shape.
    """
    spec = request.spec(ClusterSpec)
    given = request.parameters(GPUStackInput)
    if status.access is None or status.node_pools is None:
        return None
    return Plan(
        composite=request.name,
        access=status.access,
        owned=spec.existing is None,
        pools=tuple(status.node_pools),
        gpu_operator=_version("gpu-operator", given.gpu_operator),
        node_feature_discovery=_version("node-feature-discovery", given.node_feature_discovery),
    )


def _version(name: str, given: Chart) -> ChartVersion:
    known = chart(name)
    return ChartVersion(name, given.repository or known.repository, given.version or known.version)
