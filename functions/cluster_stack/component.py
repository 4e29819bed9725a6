"""A component: something that one Helm chart installs in a cluster, or manifests of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from functions.api import Chart, Schema
from functions.base import Request, remote

from .facts import Facts
from .secrets import Brought

__all__ = [
    "KUBE_SYSTEM",
    "Auxiliary",
    "Component",
    "Namespace",
    "Observed",
    "Own",
    "PodSecurity",
    "Trouble",
    "workload",
]


class PodSecurity(StrEnum):
    """A level of the pod security standards, which an API server enforces in a namespace.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster in which a component's pods run."""

    name: str
    pod_security: PodSecurity | None
    """The strictest level that all pods of the component meet, which the namespace enforces.

    A cluster that enforces a stricter one by default would refuse them. None for a namespace
    of Kubernetes' own, which is not ours to label.
    """
    labels: Mapping[str, str] = field(default_factory=dict)
    """Others of its labels."""
    goes: bool = False
    """Whether it is deleted, with all that is inside, once its component has left a cluster that stays."""


KUBE_SYSTEM = Namespace("kube-system", None)


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


_WORKS = {
    "Deployment": remote.RUNS["Deployment"],
    # Of a DaemonSet each node that joins has a pod to start, which is no fault: it works when every
    # node has its pod (a refused pod is missing) and one is ready.
    "DaemonSet": "has(object.status) && has(object.status.observedGeneration) "
    "&& object.status.observedGeneration >= object.metadata.generation "
    "&& (object.status.desiredNumberScheduled == 0 || (object.status.numberReady > 0 "
    "&& object.status.currentNumberScheduled >= object.status.desiredNumberScheduled))",
}


def workload(component: str, kind: str, namespace: Namespace, name: str) -> Observed:
    """Observe a Deployment or DaemonSet of a component's chart.

    Args:
        component: the component's name.
        kind: Deployment or DaemonSet.
        namespace: of the workload.
        name: of the workload.
    """
    metadata = {"name": name, "namespace": namespace.name}
    target = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata}
    return Observed(f"{component}-{kind.lower()}", target, _WORKS[kind])


@dataclass(frozen=True)
class Own:
    """A manifest of our own that a component needs beside its chart."""

    manifest: Mapping[str, Any]
    """The object in the cluster; without the label of who manages it."""
    after: tuple[str, ...] = ()
    """Other parts, or Secrets, of the component that must be ready before; the chart always is."""
    works: str = ""
    """CEL over `object` that holds while it does its work; empty: from when it exists."""
    label: str = ""
    """How messages name it; empty: by its kind and name."""
    goes: bool = False
    """Whether it is deleted in a cluster that stays, while the chart is still installed.

    What stands in the component's namespace goes with that where the namespace goes.
    """
    reaches_out: bool = False
    """Whether it has something outside of the cluster, so that it is deleted before any cluster is."""
    looks: bool = False
    """Whether somebody else makes it: it is looked at, and never changed."""


class Trouble(NamedTuple):
    """What is wrong with a component that exists, as it says itself."""

    reason: str
    """Of the condition, in CamelCase."""
    text: str
    """What is wrong, and what to do."""


@dataclass(frozen=True)
class Component:
    """What one chart installs, and when."""

    name: str
    """As `status.components`, the catalog of charts and composed resources name it."""
    label: str
    """As messages name it."""
    about: str
    """The description of its field in the function's input."""
    namespace: Namespace
    wanted: Callable[[Facts], bool]
    """Tells whether a cluster needs it."""
    values: Callable[[Facts], dict[str, Any]]
    """The chart's values, as the package sets them."""
    given: type[Chart] = Chart
    """The model of its field in the function's input."""
    observed: tuple[Observed, ...] = ()
    """What says that it works, beside Helm."""
    after: tuple[str, ...] = ()
    """Names of components that must be installed before."""
    upgrades_crds: bool = False
    """Whether its chart has CRDs of its own that nothing upgrades: Helm does not, nor does the chart."""
    stays: bool = False
    """Whether it stays in a cluster that no longer needs it, until the cluster goes."""
    advice: Callable[[Facts], str] = lambda _: ""
    """What else to do about it while it does not work, as a clause; empty for nothing."""
    own: Callable[[Facts], Mapping[str, Own]] = lambda _: {}
    """Manifests of our own, which come once all that is `observed` works, by what they are."""
    secrets: Callable[[Facts], Sequence[Brought]] = lambda _: ()
    """Secrets of the claim's namespace that are brought into the component's."""
    parts: tuple[str, ...] = ()
    """Every key that `own` may return."""
    brings: tuple[str, ...] = ()
    """Names of all that `secrets` may return."""
    trouble: Callable[[Request], Trouble | None] = lambda _: None
    """Tells what is wrong once all of it exists; None where nothing says so."""
    warning: Callable[[Request], str] = lambda _: ""
    """Tells what will be wrong soon, and what to do before; empty for nothing."""

    @property
    def field(self) -> str:
        """The name of its field in the function's input, as Python spells it."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Auxiliary:
    """What is installed as manifests of our own, and what a cluster is ready without."""

    name: str
    """As `status.components` and composed resources name it."""
    label: str
    """As messages name it."""
    about: str
    """The description of its field in the function's input."""
    given: type[Schema]
    """The model of that field."""
    namespace: Namespace
    manifests: Callable[[Any, Facts], Mapping[str, Mapping[str, Any]]]
    """From its part of the input, the objects in the cluster by what they are."""
    parts: tuple[str, ...]
    """Every key that `manifests` may return.

    The last one is the workload, whose conditions say whether it runs; without it, it is not installed.
    """
    without: str
    """What is missing while it does not run, as a clause."""
    observed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """apiVersion, kind and metadata of objects of an existing cluster that its manifests depend on.

    By what they are. They are looked at and never changed, while the workload is asked for.
    """
