"""A component: something that one Helm chart installs in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.base import remote

from .facts import Facts

__all__ = ["Component", "Observed", "workload"]


@dataclass(frozen=True)
class Observed:
    """An object in the cluster that says whether a component does its work.

    Helm is done as soon as the API server has taken a chart's manifests.
    """

    name: str
    """In the composition, after the function's name."""
    target: Mapping[str, Any]
    """apiVersion, kind and metadata of the object."""
    works: str
    """CEL over `object` that holds while the component works."""


def workload(component: str, kind: str, namespace: str, name: str) -> Observed:
    """Observe a Deployment or DaemonSet of a component's chart.

    Args:
        component: the component's name.
        kind: Deployment or DaemonSet.
        namespace: of the workload.
        name: of the workload.
    """
    target = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    return Observed(f"{component}-{kind.lower()}", target, remote.RUNS[kind])


@dataclass(frozen=True)
class Component:
    """What one chart installs, and when."""

    name: str
    """As `status.components`, the catalog of charts and composed resources name it."""
    label: str
    """As messages name it."""
    about: str
    """The description of its field in the function's input."""
    namespace: str
    """Where its pods run."""
    wanted: Callable[[Facts], bool]
    """Tells whether a cluster needs it."""
    values: Callable[[Facts], dict[str, Any]]
    """The chart's values, as the package sets them."""
    observed: tuple[Observed, ...] = ()
    """What says that it works, beside Helm."""
    after: tuple[str, ...] = ()
    """Names of components that must be installed before."""
    stays: bool = False
    """Whether it stays in a cluster that no longer needs it, until the cluster goes."""

    @property
    def field(self) -> str:
        """The name of its field in the function's input, as Python spells it."""
        return self.name.replace("-", "_")
