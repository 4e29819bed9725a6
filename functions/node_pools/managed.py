"""Managed resources of any provider that upjet generates: for AWS, Google Cloud and Azure alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from functions.base import Resource

from .created import Cluster

__all__ = ["Kinds"]


@dataclass(frozen=True)
class Kinds:
    """The kinds of a cloud's provider that are composed here."""

    api: str
    """The part of an apiVersion after the group's first label, such as aws.m.upbound.io/v1beta1."""
    groups: Mapping[str, tuple[str, ...]]
    """Kinds by the first label of their API group, such as eks."""
    tags: str = "tags"
    """Field of forProvider that holds tags: tags or labels, as the cloud calls them."""
    without_tags: frozenset[str] = frozenset()
    """Kinds that take no tags."""

    @cached_property
    def group_of(self) -> Mapping[str, str]:
        """The first label of each kind's API group."""
        return {kind: group for group, kinds in self.groups.items() for kind in kinds}

    @cached_property
    def composed(self) -> Mapping[str, tuple[str, ...]]:
        """Kinds by their whole API group, such as eks.aws.m.upbound.io."""
        family = self.api.partition("/")[0]
        return {f"{group}.{family}": kinds for group, kinds in self.groups.items()}

    def identity(self, cluster: Cluster, kind: str, what: str) -> dict[str, Any]:
        """Return what tells a managed resource from every other: its apiVersion, kind and name."""
        return {
            "apiVersion": f"{self.group_of[kind]}.{self.api}",
            "kind": kind,
            "metadata": {"name": cluster.object_name(what), "namespace": cluster.namespace},
        }

    def managed(
        self,
        cluster: Cluster,
        kind: str,
        what: str,
        fields: Mapping[str, Any],
        *,
        after: tuple[str, ...] = (),
        tags: Mapping[str, str] | None = None,
        spec: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str] | None = None,
        label: str = "",
    ) -> Resource:
        """Compose a managed resource, with tags and the provider's configuration.

        Args:
            cluster: whose resource it is.
            kind: its kind.
            what: its name in the composition after the function's, and part of its own.
            fields: of spec.forProvider, without tags.
            after: what must be ready before the resource is created, named like `what`.
            tags: beside the cluster's own, which go first.
            spec: fields of the spec beside forProvider.
            annotations: of the object.
            label: how messages name the resource; empty: by kind and name.
        """
        tagged = {} if kind in self.without_tags else {self.tags: {**cluster.tags, **(tags or {})}}
        manifest = self.identity(cluster, kind, what)
        if annotations:
            manifest["metadata"]["annotations"] = dict(annotations)
        manifest |= {
            "spec": {
                "forProvider": {**fields, **tagged},
                "providerConfigRef": cluster.provider_config_ref,
                **(spec or {}),
            },
        }
        needs = tuple(f"node-pools/{name}" for name in after)
        return Resource(f"node-pools/{what}", manifest, needs, label=label)
