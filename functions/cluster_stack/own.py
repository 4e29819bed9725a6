"""What a component has in a cluster beside its chart: manifests of our own, and Secrets that are brought.

It comes once the chart works, and leaves an existing cluster before the chart does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from functions.api import contract
from functions.base import Request, Resource, Unanswered, remote, unique_name

from .cluster import FIRST, LAST, NAMESPACE, Cluster, before_the_mark, in_cluster
from .component import Component
from .facts import Facts
from .secrets import Brought, delivery, delivery_name, delivery_resource, owner

__all__ = ["of", "order_of_deletion", "own_names"]

_OWNER, _DELIVERY = "-owner", "-delivery"


def own_names(component: Component) -> list[str]:
    """Name everything that may be composed of it."""
    parts = [f"cluster-stack/{component.name}-{part}" for part in component.parts]
    brought = [f"cluster-stack/{component.name}-{name}" for name in component.brings]
    return [*parts, *(name + ending for name in brought for ending in (_OWNER, _DELIVERY))]


def of(
    request: Request, cluster: Cluster, component: Component, facts: Facts, after: Sequence[str]
) -> list[Resource]:
    """Compose what a component has beside its chart.

    Args:
        request: of the cluster.
        cluster: where it is.
        component: whose.
        facts: of the cluster.
        after: names in the composition of what the chart has made, which all must work before.
    """
    stays = not cluster.deleted_with_claim
    secrets = component.secrets(facts)
    named = {secret.name: f"cluster-stack/{component.name}-{secret.name}{_DELIVERY}" for secret in secrets}
    resources = [r for secret in secrets for r in _brought(request, cluster, component, secret, after)]
    for part, own in component.own(facts).items():
        needs = tuple(named.get(name) or f"cluster-stack/{component.name}-{name}" for name in own.after)
        metadata = own.manifest["metadata"]
        whose = {} if own.looks else {"app.kubernetes.io/managed-by": "freehold"}
        labels = {**whose, **metadata.get("labels", {})}
        made = in_cluster(
            cluster,
            f"{component.name}-{part}",
            {**own.manifest, "metadata": {**metadata, **({"labels": labels} if labels else {})}},
            (*after, *needs),
            remote.cel(own.works) if own.works else None,
            watch=bool(own.works),
            goes=own.reaches_out or (own.goes and stays),
            looks=own.looks,
        )
        resources.append(replace(made, label=own.label))
    return resources


def _brought(
    request: Request, cluster: Cluster, component: Component, secret: Brought, after: Sequence[str]
) -> list[Resource]:
    """Compose what brings a Secret into the component's namespace.

    Crossplane applies nothing of a composite with a kind that the control plane does not know.
    """
    name = f"{component.name}-{secret.name}"
    own = unique_name(cluster.composite, f"{name}{_DELIVERY}")
    into, access = component.namespace.name, cluster.access
    owned = in_cluster(
        cluster,
        f"{name}{_OWNER}",
        owner(secret, into, own),
        tuple(after),
        goes=not cluster.deleted_with_claim,
    )
    source = (
        (cluster.claim_namespace or access.namespace, secret.source)
        if secret.source
        else (access.namespace, unique_name(cluster.composite, name))
    )
    manifest = delivery(
        own,
        secret,
        source,
        into=into,
        provider_config=(access.namespace, access.kubernetes_provider_config),
    )
    brought = delivery_resource(delivery_name(component.name, secret.name), manifest, owned.name, secret)
    if not _is_known(request, brought.name):
        brought = brought.waiting("the agent of the control plane, which package/install.yaml brings")
    return [replace(owned, label=f"the ConfigMap that owns {secret.label}"), brought]


def _is_known(request: Request, name: str) -> bool:
    """Tell whether the control plane knows the kind of deliveries."""
    if name in request.observed:
        return True
    try:
        return request.require_kind(contract.DELIVERY_API_VERSION, contract.DELIVERY_KIND)
    except Unanswered:
        return True  # a Crossplane that cannot say so goes on as ever


def order_of_deletion(
    cluster: Cluster, component: Component, facts: Facts, composed: Sequence[Resource]
) -> list[Resource]:
    """Compose the Usages by which a component leaves a cluster that stays.

    First what `goes` of its own, which the chart's controller clears up after; then the chart; then the
    namespace, with what is left inside; then the mark of the claim.
    """
    if cluster.deleted_with_claim or not component.namespace.goes:
        return []
    found = {resource.name: resource for resource in composed}
    namespace, release = (
        found[f"cluster-stack/{component.name}{NAMESPACE}"],
        found[f"cluster-stack/{component.name}"],
    )
    assert namespace.manifest, "a namespace waits for nothing that is not known"
    assert release.manifest, "a Release waits for nothing that is not known"
    goes = [
        f"cluster-stack/{component.name}-{part}" for part, own in component.own(facts).items() if own.goes
    ]
    return [
        *(
            remote.goes_after(
                f"{name}{FIRST}", cluster.composite, release.manifest, manifest, found[name].after
            )
            for name in goes
            if (manifest := found[name].manifest)
        ),
        remote.goes_after(
            f"{namespace.name}{LAST}", cluster.composite, namespace.manifest, release.manifest, release.after
        ),
        *before_the_mark(cluster, [namespace]),
    ]
