"""In which order composed resources are deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from functions.api import contract
from functions.base import Request, Resource, goes_after, remote

from .cloud import CLUSTER

__all__ = ["after_load_balancer", "of_deletion"]


def of_deletion(
    composite: str, cluster: Mapping[str, Any], resources: Sequence[Resource], last: Collection[str]
) -> list[Resource]:
    """Compose what holds back the deletion of some resources until the cluster is gone.

    Args:
        composite: the composite's name.
        cluster: apiVersion, kind and metadata of the cluster itself.
        resources: of the cluster.
        last: names in the composition of those that outlive the cluster.
    """
    return [
        goes_after(f"{r.name}-last", composite, r.manifest, cluster, (r.name, CLUSTER))
        for r in resources
        if r.manifest and r.name in last
    ]


def after_load_balancer(
    request: Request,
    cluster: Mapping[str, Any],
    resources: Sequence[Resource],
    ways_in: Collection[str],
    *,
    asked: bool,
) -> tuple[list[Resource], list[str]]:
    """Compose what keeps the cluster until the gateway's load balancer is gone, which the cluster deletes.

    A load balancer that is left behind costs money, and keeps its subnets from going.

    Args:
        request: with the Service that has the load balancer, where there is one.
        cluster: apiVersion, kind and metadata of the cluster itself.
        resources: of the cluster.
        ways_in: names in the composition of those by which the Service is deleted in the cluster.
        asked: whether the spec asks for a gateway.

    Returns:
        The Usages, and the names of those that nothing asks for any more.
    """
    names = [f"{CLUSTER}{_AFTER}", *(f"{name}{_AFTER}" for name in ways_in)]
    service = request.resource(contract.GATEWAY_ADDRESS)
    if service is None:
        # A Service that is asked for may only be unseen.
        return [], [] if asked else names
    # One that has something outside of the cluster is deleted there: no policies, or all of them.
    if service.texts("spec", "managementPolicies") not in ((), ("*",)):
        return [], names
    namespace = service.text("metadata", "namespace") or ""
    live = {
        "apiVersion": remote.KUBERNETES_API,
        "kind": "Object",
        "metadata": {"name": service.name, "namespace": namespace},
    }
    kept = {f"{r.name}{_AFTER}": r.manifest for r in resources if r.name in ways_in and r.manifest}
    return [
        goes_after(name, request.name, manifest, live, (CLUSTER,))
        for name, manifest in {names[0]: cluster, **kept}.items()
    ], []


_AFTER = "-after-load-balancer"
