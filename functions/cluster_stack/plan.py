"""What is installed, for which pools, and how the cluster is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.api import Access, Autoscaler, Chart, ClusterSpec, ClusterStackInput, ClusterStatus, PoolStatus
from functions.base import Request, unique_name
from functions.catalog import ChartVersion, chart, kubernetes

__all__ = ["Plan", "make"]


@dataclass(frozen=True)
class Plan:
    """The components of one cluster."""

    composite: str
    """The composite's name: part of every name."""
    access: Access
    owned: bool
    """Whether the claim created the cluster, which then comes with NVIDIA's driver and
    toolkit in its node image, and takes everything inside along when it goes."""
    pools: tuple[PoolStatus, ...]
    autoscaler: Autoscaler | None
    """What is to size the pools; None: nothing does."""
    kubernetes: str
    """Minor version of a cluster that is created."""
    given: ClusterStackInput
    live: frozenset[str]
    """Names of the function's composed resources that exist."""

    def object_name(self, what: str) -> str:
        """Name a composed object."""
        return unique_name(self.composite, what)

    def chart(self, component: str) -> ChartVersion:
        """Return the chart of a component: the platform's choice first, then the package's."""
        known, given = chart(component), self._given(component)
        return ChartVersion(known.name, given.repository or known.repository, given.version or known.version)

    def values(self, component: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """Lay the platform's values of a component's chart over the package's own."""
        return _over(own, self._given(component).values)

    def _given(self, component: str) -> Chart:
        found: Chart = getattr(self.given, component.replace("-", "_"))
        return found

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
    given = request.parameters(ClusterStackInput)
    if status.access is None or status.node_pools is None:
        return None
    return Plan(
        composite=request.name,
        access=status.access,
        owned=spec.existing is None,
        pools=tuple(status.node_pools),
        autoscaler=status.autoscaler,
        kubernetes=status.kubernetes_version or kubernetes(),
        given=given,
        live=frozenset(name for name in request.observed if name.startswith("cluster-stack/")),
    )


def _over(under: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others as Helm does: maps are merged, everything else is replaced."""
    both = {
        key: _over(under[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(under.get(key), Mapping)
    }
    return {**under, **above, **both}
