"""A component as composed resources: its Release, and what says that it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.api import Access, Chart, contract
from functions.base import Resource, remote, unique_name
from functions.catalog import chart

from .component import Component, Observed
from .facts import Facts

__all__ = ["Cluster", "keep_the_way_in", "names", "render"]

_FIRST = "-first"
"""Ends the name of the Usage by which a Release is uninstalled before Helm's ProviderConfig goes."""


@dataclass(frozen=True)
class Cluster:
    """A cluster in which components are installed."""

    composite: str
    """The composite's name: part of every name."""
    access: Access
    deleted_with_claim: bool
    """Whether the cluster is deleted with its claim, and everything inside with it."""

    @property
    def helm_namespace(self) -> str:
        """Namespace of Helm's ProviderConfig, and so of every Release."""
        return self.access.helm_namespace or self.access.namespace


def render(cluster: Cluster, component: Component, facts: Facts, given: Chart) -> list[Resource]:
    """Compose a component: its Release first, then what says that it works.

    Args:
        cluster: where it is installed.
        component: what is installed.
        facts: what its values depend on.
        given: the platform team's chart, of which each field may be unset.
    """
    installed = _release(cluster, component, facts, given)
    return [installed, *(_observation(cluster, what, installed) for what in component.observed)]


def names(component: Component) -> list[str]:
    """Name everything that may be composed of a component, its Usage included."""
    release = f"cluster-stack/{component.name}"
    return [release, f"{release}{_FIRST}", *(f"cluster-stack/{what.name}" for what in component.observed)]


def _release(cluster: Cluster, component: Component, facts: Facts, given: Chart) -> Resource:
    known = chart(component.name)
    manifest = remote.release(
        unique_name(cluster.composite, component.name),
        cluster.helm_namespace,
        cluster.access.helm_provider_config,
        # A name of our own: a Release adopts, and changes, an installation of the same name.
        helm_name=f"freehold-{component.name}",
        chart=remote.Chart(known.name, given.repository or known.repository, given.version or known.version),
        into=component.namespace,
        values=_over(component.values(facts), given.values),
        policies=remote.NEVER_DELETE if cluster.deleted_with_claim else (),
    )
    before = tuple(f"cluster-stack/{name}" for name in component.after)
    return Resource(f"cluster-stack/{component.name}", manifest, (contract.REACHABLE, *before))


def _observation(cluster: Cluster, what: Observed, installed: Resource) -> Resource:
    """Compose an Object that looks at something in the cluster and never changes it."""
    manifest = remote.kubernetes_object(
        unique_name(cluster.composite, what.name),
        cluster.access.namespace,
        cluster.access.kubernetes_provider_config,
        what.target,
        readiness=remote.cel(what.works),
        policies=remote.OBSERVE_ONLY,
        watch=True,
    )
    return Resource(f"cluster-stack/{what.name}", manifest, (installed.name,))


def keep_the_way_in(cluster: Cluster, resources: Sequence[Resource]) -> list[Resource]:
    """Compose what keeps Helm's ProviderConfig until every Release is uninstalled.

    provider-helm's own usages of its ProviderConfig go first when a composite goes, and a
    Release without a ProviderConfig could never be uninstalled. In a cluster that is deleted
    with its claim nothing is uninstalled.
    """
    if cluster.deleted_with_claim:
        return []
    way_in = {
        "apiVersion": remote.HELM_API,
        "kind": "ProviderConfig",
        "metadata": {"name": cluster.access.helm_provider_config, "namespace": cluster.helm_namespace},
    }
    return [
        # With the Release, not once it is ready: it may be deleted before.
        remote.goes_after(f"{r.name}{_FIRST}", cluster.composite, way_in, r.manifest, r.after)
        for r in resources
        if r.manifest and r.manifest["kind"] == "Release"
    ]


def _over(under: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others as Helm does: maps are merged, everything else is replaced."""
    both = {
        key: _over(under[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(under.get(key), Mapping)
    }
    return {**under, **above, **both}
