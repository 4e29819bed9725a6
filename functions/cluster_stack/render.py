"""A component as composed resources: its Release, and what says that it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from functions.api import Chart, Distribution, contract
from functions.base import HELM_RELEASE, Request, Resource, exists, remote, unique_name
from functions.catalog import chart

from . import crds, own
from .cluster import FIRST, NAMESPACE, Cluster, before_the_mark, in_cluster
from .component import Auxiliary, Component, Namespace, Observed
from .facts import Facts

__all__ = [
    "QUOTA",
    "Rendered",
    "auxiliary_names",
    "auxiliary_workload",
    "release_name",
    "render",
    "render_auxiliary",
]

QUOTA = "-quota"
"""Ends the name of the Object that lets a namespace have pods of the system's priorities."""


class Rendered(NamedTuple):
    """A component as composed resources."""

    resources: tuple[Resource, ...]
    """All that must be ready for it to work."""
    upgrade: Resource | None
    """What has the CRDs of its chart upgraded."""
    held: crds.Held | None
    """Why its Release keeps the chart of before."""


def render(request: Request, cluster: Cluster, component: Component, facts: Facts, given: Chart) -> Rendered:
    """Compose a component: its namespace, its Release, what says that it works, and what it has beside.

    Args:
        request: of the cluster.
        cluster: where it is installed.
        component: what is installed.
        facts: what its values depend on.
        given: the platform team's chart, of which each field may be unset.
    """
    before = _namespace(cluster, component, facts)
    installed = _release(cluster, component, facts, given, before)
    upgrade = crds.upgrade(request, cluster, component, given, installed)
    held = crds.hold(request, cluster, component, given, installed)
    if held:
        installed = installed.waiting(held.text)
    chart_ = [installed, *(_observation(cluster, what, installed) for what in component.observed)]
    beside = own.of(request, cluster, component, facts, [resource.name for resource in chart_])
    return Rendered((*before, *chart_, *beside), upgrade, held)


def release_name(component: str) -> str:
    """Return the name in the composition of a component's Release."""
    return f"cluster-stack/{component}"


def render_auxiliary(cluster: Cluster, auxiliary: Auxiliary, given: Any, facts: Facts) -> list[Resource]:
    """Compose what a cluster is ready without: its namespace first, its workload last.

    It goes with the claim where the cluster stays, and before the mark of the claim, behind which the
    provider's way in is kept. What is in the namespace goes with that.

    Args:
        cluster: where it is installed.
        auxiliary: what is installed.
        given: the platform team's part of the input.
        facts: of the cluster.
    """
    manifests = dict(auxiliary.manifests(given, facts))
    looks = {} if facts.cloud or auxiliary.parts[-1] not in manifests else auxiliary.observed
    observed = [_look(cluster, f"{auxiliary.name}-{part}", target) for part, target in looks.items()]
    if any(_inside(manifest) for manifest in manifests.values()):
        manifests = {NAMESPACE[1:]: _namespace_manifest(auxiliary.namespace), **manifests}
    namespace = f"cluster-stack/{auxiliary.name}{NAMESPACE}"
    made = [
        in_cluster(
            cluster,
            f"{auxiliary.name}-{part}",
            manifest,
            (namespace,) if _inside(manifest) else cluster.open,
            remote.cel(remote.RUNS[kind]) if (kind := manifest["kind"]) in remote.RUNS else None,
            watch=kind in remote.RUNS,
            goes=not cluster.deleted_with_claim and not _inside(manifest),
        )
        for part, manifest in manifests.items()
    ]
    # Whatever becomes of them, the composite is ready.
    made = [replace(resource, ready=exists, label=auxiliary.label) for resource in (*observed, *made)]
    return [*made, *before_the_mark(cluster, made)]


def _inside(manifest: Mapping[str, Any]) -> bool:
    """Tell whether something stands in a namespace."""
    return "namespace" in manifest["metadata"]


def auxiliary_workload(auxiliary: Auxiliary) -> str:
    """Name the composed resource whose conditions say whether it runs."""
    return f"cluster-stack/{auxiliary.name}-{auxiliary.parts[-1]}"


def auxiliary_names(auxiliary: Auxiliary) -> list[str]:
    """Name everything that may be composed of what a cluster is ready without, its Usages included."""
    every = (NAMESPACE[1:], *auxiliary.observed, *auxiliary.parts)
    parts = [f"cluster-stack/{auxiliary.name}-{part}" for part in every]
    return [name + ending for name in parts for ending in ("", FIRST)]


def _namespace_manifest(namespace: Namespace) -> dict[str, Any]:
    level = namespace.pod_security
    assert level is not None, "a namespace of Kubernetes' own is not composed"
    enforced = {f"pod-security.kubernetes.io/{mode}": level.value for mode in ("enforce", "warn")}
    labels = {**namespace.labels, **enforced}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name, "labels": labels}}


def _namespace(cluster: Cluster, component: Component, facts: Facts) -> list[Resource]:
    """Compose the namespace of a component's pods; nothing for one of Kubernetes' own.

    It stays when the claim goes, as those that Helm creates, since somebody else may use it by then; but for
    one that is the component's alone.
    """
    if component.namespace.pod_security is None:
        return []
    manifest = _namespace_manifest(component.namespace)
    ready = remote.cel(remote.NAMESPACE_ACTIVE)
    goes = component.namespace.goes and not cluster.deleted_with_claim
    namespace = in_cluster(cluster, f"{component.name}{NAMESPACE}", manifest, cluster.open, ready, goes=goes)
    if facts.distribution is not Distribution.GKE:
        return [namespace]
    # GKE admits pods of the system's priorities only where a quota allows them:
    # https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/google-gke.html
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "system-priorities", "namespace": component.namespace.name},
        "spec": {
            "hard": {"pods": "10000"},
            "scopeSelector": {
                "matchExpressions": [
                    {
                        "scopeName": "PriorityClass",
                        "operator": "In",
                        "values": ["system-node-critical", "system-cluster-critical"],
                    }
                ]
            },
        },
    }
    return [namespace, in_cluster(cluster, f"{component.name}{QUOTA}", quota, (namespace.name,))]


def _release(
    cluster: Cluster, component: Component, facts: Facts, given: Chart, before: Sequence[Resource]
) -> Resource:
    known = chart(component.name)
    secret = given.pull_secret_ref
    manifest = remote.release(
        unique_name(cluster.composite, component.name),
        cluster.helm_namespace,
        cluster.access.helm_provider_config,
        # A name of this claim's own: a Release adopts, and changes, an installation of the same name,
        # and of two claims of one cluster each would uninstall the other's. Helm refuses the second
        # claim, whose objects carry the first one's name.
        helm_name=unique_name(
            "freehold", component.name, limit=HELM_RELEASE, unique=(cluster.composite, component.name)
        ),
        chart=remote.Chart(
            known.name,
            given.repository or known.repository,
            given.version or known.version,
            secret.name if secret else "",
        ),
        into=component.namespace.name,
        values=_over(component.values(facts), given.values),
        policies=remote.NEVER_DELETE if cluster.deleted_with_claim else (),
    )
    components = (release_name(name) for name in component.after)
    return Resource(
        release_name(component.name),
        manifest,
        (*cluster.open, *components, *(r.name for r in before)),
        label=component.label,
    )


def _look(cluster: Cluster, name: str, target: Mapping[str, Any]) -> Resource:
    """Compose an Object that looks at something in the cluster now and then.

    Not watched: the provider would keep every object of that kind in memory.
    """
    manifest = remote.kubernetes_object(
        unique_name(cluster.composite, name),
        cluster.access.namespace,
        cluster.access.kubernetes_provider_config,
        target,
        policies=remote.OBSERVE_ONLY,
    )
    return Resource(f"cluster-stack/{name}", manifest, (contract.REACHABLE,))


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


def _over(under: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others as Helm does: maps are merged, everything else is replaced."""
    both = {
        key: _over(under[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and isinstance(under.get(key), Mapping)
    }
    return {**under, **above, **both}
