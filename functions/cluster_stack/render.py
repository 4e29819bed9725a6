"""A component as composed resources: its Release, and what says that it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from functions.api import Access, Chart, Distribution, contract
from functions.base import HELM_RELEASE, Resource, exists, remote, unique_name
from functions.catalog import chart

from .component import Auxiliary, Component, Namespace, Observed
from .facts import Facts

__all__ = [
    "Cluster",
    "auxiliary_names",
    "auxiliary_workload",
    "keep_helm_provider_config",
    "names",
    "release_name",
    "render",
    "render_auxiliary",
]

_FIRST = "-first"
"""Ends the name of the Usage by which a Release is uninstalled before Helm's ProviderConfig goes."""
_NAMESPACE = "-namespace"
"""Ends the name of the Object that is a component's namespace."""
_QUOTA = "-quota"
"""Ends the name of the Object that lets a namespace have pods of the system's priorities."""


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
    """Compose a component: its namespace, its Release, and what says that it works.

    Args:
        cluster: where it is installed.
        component: what is installed.
        facts: what its values depend on.
        given: the platform team's chart, of which each field may be unset.
    """
    before = _namespace(cluster, component, facts)
    installed = _release(cluster, component, facts, given, before)
    return [*before, installed, *(_observation(cluster, what, installed) for what in component.observed)]


def release_name(component: str) -> str:
    """Return the name in the composition of a component's Release."""
    return f"cluster-stack/{component}"


def names(component: Component) -> list[str]:
    """Name everything that may be composed of a component, its Usage included."""
    release = release_name(component.name)
    parts = [release, *(release + ending for ending in (_FIRST, _NAMESPACE, _QUOTA))]
    return [*parts, *(f"cluster-stack/{what.name}" for what in component.observed)]


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
        manifests = {_NAMESPACE[1:]: _namespace_manifest(auxiliary.namespace), **manifests}
    namespace = f"cluster-stack/{auxiliary.name}{_NAMESPACE}"
    made = [
        _object(
            cluster,
            f"{auxiliary.name}-{part}",
            manifest,
            (namespace if _inside(manifest) else contract.REACHABLE,),
            remote.cel(remote.RUNS[kind]) if (kind := manifest["kind"]) in remote.RUNS else None,
            watch=kind in remote.RUNS,
            goes=not cluster.deleted_with_claim and not _inside(manifest),
        )
        for part, manifest in manifests.items()
    ]
    # Whatever becomes of them, the composite is ready.
    made = [replace(resource, ready=exists, label=auxiliary.label) for resource in (*observed, *made)]
    return [*made, *_before_the_mark(cluster, made)]


def _inside(manifest: Mapping[str, Any]) -> bool:
    """Tell whether something stands in a namespace."""
    return "namespace" in manifest["metadata"]


def _before_the_mark(cluster: Cluster, made: Sequence[Resource]) -> list[Resource]:
    """Compose the Usages that keep the mark of an existing cluster until some Objects are deleted there.

    A claim that waits for the cluster then installs its own after that, and the ProviderConfig, which the
    mark keeps, is there for as long as something has to be deleted.
    """
    mark = {
        "apiVersion": remote.KUBERNETES_API,
        "kind": "Object",
        "metadata": {
            "name": unique_name(cluster.composite, contract.HOLDER.partition("/")[2]),
            "namespace": cluster.access.namespace,
        },
    }
    return [
        remote.goes_after(f"{r.name}{_FIRST}", cluster.composite, mark, r.manifest, r.after)
        for r in made
        if r.manifest and "managementPolicies" not in r.manifest["spec"]
    ]


def auxiliary_workload(auxiliary: Auxiliary) -> str:
    """Name the composed resource whose conditions say whether it runs."""
    return f"cluster-stack/{auxiliary.name}-{auxiliary.parts[-1]}"


def auxiliary_names(auxiliary: Auxiliary) -> list[str]:
    """Name everything that may be composed of what a cluster is ready without, its Usages included."""
    every = (_NAMESPACE[1:], *auxiliary.observed, *auxiliary.parts)
    parts = [f"cluster-stack/{auxiliary.name}-{part}" for part in every]
    return [name + ending for name in parts for ending in ("", _FIRST)]


def _namespace_manifest(namespace: Namespace) -> dict[str, Any]:
    level = namespace.pod_security
    assert level is not None, "a namespace of Kubernetes' own is not composed"
    labels = {f"pod-security.kubernetes.io/{mode}": level.value for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name, "labels": labels}}


def _namespace(cluster: Cluster, component: Component, facts: Facts) -> list[Resource]:
    """Compose the namespace of a component's pods; nothing for one of Kubernetes' own.

    It stays when the claim goes, as those that Helm creates: somebody else may use it by then.
    """
    if component.namespace.pod_security is None:
        return []
    manifest = _namespace_manifest(component.namespace)
    ready = remote.cel(remote.NAMESPACE_ACTIVE)
    namespace = _object(cluster, f"{component.name}{_NAMESPACE}", manifest, (contract.REACHABLE,), ready)
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
    return [namespace, _object(cluster, f"{component.name}{_QUOTA}", quota, (namespace.name,))]


def _object(
    cluster: Cluster,
    name: str,
    manifest: Mapping[str, Any],
    after: tuple[str, ...],
    readiness: Mapping[str, str] | None = None,
    *,
    watch: bool = False,
    goes: bool = False,
) -> Resource:
    """Compose an Object that makes something in the cluster and leaves it there, unless it `goes`."""
    made = remote.kubernetes_object(
        unique_name(cluster.composite, name),
        cluster.access.namespace,
        cluster.access.kubernetes_provider_config,
        manifest,
        readiness=readiness,
        policies=() if goes else remote.NEVER_DELETE,
        watch=watch,
    )
    return Resource(f"cluster-stack/{name}", made, after)


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
        (contract.REACHABLE, *components, *(r.name for r in before)),
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


def keep_helm_provider_config(cluster: Cluster, resources: Sequence[Resource]) -> list[Resource]:
    """Compose the Usages that keep Helm's ProviderConfig until every Release is uninstalled.

    A deleted composite's ProviderConfigUsages go before the Releases, and a Release without a
    ProviderConfig can never be uninstalled. In a cluster that is deleted with its claim, nothing is
    uninstalled.
    """
    if cluster.deleted_with_claim:
        return []
    provider_config = {
        "apiVersion": remote.HELM_API,
        "kind": "ProviderConfig",
        "metadata": {"name": cluster.access.helm_provider_config, "namespace": cluster.helm_namespace},
    }
    return [
        # Created with the Release, not once the Release is ready: the claim may be deleted before.
        remote.goes_after(f"{r.name}{_FIRST}", cluster.composite, provider_config, r.manifest, r.after)
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
