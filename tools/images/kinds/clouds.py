"""What a control plane has to serve for each cloud: providers, and of their kinds those that are composed.

A provider has many kinds, each a CRD that takes some MiB of the API server's memory. Where Crossplane serves
none by default (package/crossplane-values.yaml), a ManagedResourceActivationPolicy names those to serve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functions.base import remote
from functions.catalog import Provider, providers
from functions.node_pools.place import Place
from functions.node_pools.registry import PLACES
from tools.images.kinds.about import DESCRIPTION, README, TITLE
from tools.manifests import Manifest

__all__ = ["CLOUDS", "EVERYWHERE", "activation", "meta", "package_name", "providers_of"]

CLOUDS: Sequence[Place] = [place for place in PLACES if place.kinds]
EVERYWHERE = {
    remote.KUBERNETES_API.partition("/")[0]: ("Object", "ObservedObjectCollection"),
    remote.HELM_API.partition("/")[0]: ("Release",),
}
"""Kinds of the providers that every cluster needs, by API group."""


def package_name(cloud: Place) -> str:
    """Return the name of a cloud's Configuration."""
    return f"configuration-freehold-{cloud.name}"


def providers_of(cloud: Place) -> list[Provider]:
    """Return the provider packages that a cloud needs."""
    return [providers()[group] for group in cloud.kinds]


def meta(cloud: Place, crossplane: Mapping[str, str], depends_on: Sequence[Manifest]) -> Manifest:
    """Return what a cloud's Configuration says of itself.

    Args:
        cloud: the place.
        crossplane: which versions of Crossplane it takes.
        depends_on: what it depends on beside the cloud's provider packages.
    """
    return {
        "apiVersion": "meta.pkg.crossplane.io/v1",
        "kind": "Configuration",
        "metadata": {
            "name": package_name(cloud),
            "annotations": {
                TITLE: f"Freehold on {cloud.label}",
                DESCRIPTION: f"Providers that Freehold needs on {cloud.label}, with the kinds it composes.",
                README: _readme(cloud),
            },
        },
        "spec": {
            "crossplane": dict(crossplane),
            "dependsOn": [*depends_on, *map(_dependency, providers_of(cloud))],
        },
    }


def _dependency(provider: Provider) -> Manifest:
    """Return a dependency on a provider: newer ones mend faults, the next major one may have other kinds."""
    major = int(provider.since.partition(".")[0])
    return {
        "apiVersion": "pkg.crossplane.io/v1",
        "kind": "Provider",
        "package": provider.package,
        "version": f">=v{provider.since}, <v{major + 1}.0.0",
    }


def activation(name: str, kinds: Mapping[str, Sequence[str]]) -> Manifest:
    """Return the policy that has a control plane serve kinds.

    Args:
        name: of the policy.
        kinds: by API group.
    """
    return {
        "apiVersion": "apiextensions.crossplane.io/v1alpha1",
        "kind": "ManagedResourceActivationPolicy",
        "metadata": {"name": name},
        "spec": {
            "activate": [
                f"{_plural(kind)}.{group}" for group in sorted(kinds) for kind in sorted(kinds[group])
            ]
        },
    }


def _plural(kind: str) -> str:
    """Return the plural of a kind as CRDs of providers spell it, such as rolepolicies."""
    name = kind.lower()
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def _readme(cloud: Place) -> str:
    kinds = "\n".join(
        f"- `{group}`: {', '.join(sorted(cloud.kinds[group]))}" for group in sorted(cloud.kinds)
    )
    return (
        f"Installs configuration-freehold and the provider packages that InferenceClusters on {cloud.label} "
        "need, and has Crossplane serve just the kinds that are composed there:\n\n"
        f"{kinds}\n\n"
        "This matters where Crossplane activates no kinds by default (`provider.defaultActivations: []` of "
        "its chart). Credentials, and the permissions that these kinds need: docs/install.md.\n"
    )
