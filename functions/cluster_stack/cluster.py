"""A cluster in which components are installed, and what reaches into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.api import Access, contract
from functions.base import Resource, remote, unique_name

__all__ = ["FIRST", "LAST", "NAMESPACE", "Cluster", "before_the_mark", "in_cluster"]

FIRST = "-first"
"""Ends the name of a Usage by which something is deleted before something else."""
LAST = "-last"
"""Ends the name of a Usage by which something is deleted after something else."""
NAMESPACE = "-namespace"
"""Ends the name of the Object that is a component's namespace."""


@dataclass(frozen=True)
class Cluster:
    """A cluster in which components are installed."""

    composite: str
    """The composite's name: part of every name."""
    access: Access
    deleted_with_claim: bool
    """Whether the cluster is deleted with its claim, and everything inside with it."""
    claim_namespace: str = ""
    """The claim's namespace; empty for a composite without a claim."""

    @property
    def helm_namespace(self) -> str:
        """Namespace of Helm's ProviderConfig, and so of every Release."""
        return self.access.helm_namespace or self.access.namespace

    @property
    def open(self) -> tuple[str, ...]:
        """Composed resources that must be ready before anything is created in the cluster."""
        order = () if self.deleted_with_claim else contract.ORDER_OF_DELETION
        return (contract.REACHABLE, *order)


def in_cluster(
    cluster: Cluster,
    name: str,
    manifest: Mapping[str, Any],
    after: tuple[str, ...],
    readiness: Mapping[str, str] | None = None,
    *,
    watch: bool = False,
    goes: bool = False,
    looks: bool = False,
) -> Resource:
    """Compose an Object that makes something in the cluster and leaves it there, unless it `goes`.

    One that `looks` makes nothing, and shows what somebody else has made.
    """
    made = remote.kubernetes_object(
        unique_name(cluster.composite, name),
        cluster.access.namespace,
        cluster.access.kubernetes_provider_config,
        manifest,
        readiness=readiness,
        policies=remote.OBSERVE_ONLY if looks else () if goes else remote.NEVER_DELETE,
        watch=watch,
    )
    return Resource(f"cluster-stack/{name}", made, after)


def before_the_mark(cluster: Cluster, made: Sequence[Resource]) -> list[Resource]:
    """Compose the Usages that keep the mark of an existing cluster until something is deleted there.

    A claim that waits for the cluster then installs its own after that, and the ProviderConfigs, which the
    mark keeps, are there for as long as something has to be deleted. In a cluster that is deleted with its
    claim, nothing is uninstalled.

    Args:
        cluster: that the claim leaves.
        made: Objects and Releases; those that leave what they manage are passed over.
    """
    if cluster.deleted_with_claim:
        return []
    mark = {
        "apiVersion": remote.KUBERNETES_API,
        "kind": "Object",
        "metadata": {
            "name": unique_name(cluster.composite, contract.HOLDER.partition("/")[2]),
            "namespace": cluster.access.namespace,
        },
    }
    return [
        # Created with what it keeps the mark for, not once that is ready: the claim may be deleted before.
        remote.goes_after(f"{r.name}{FIRST}", cluster.composite, mark, r.manifest, r.after)
        for r in made
        if r.manifest and "managementPolicies" not in r.manifest["spec"]
    ]
