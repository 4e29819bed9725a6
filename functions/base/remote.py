"""Objects of the control plane that reach into a cluster or guard it, from plain values.

provider-kubernetes: `kubernetes_object`, `collection`. provider-helm: `release`. Both:
`provider_config`. Crossplane: `usage`, and `goes_after` for an order of deletion. Each
returns a manifest; `goes_after` returns the composed resource. CEL queries say when
provider-kubernetes reports an Object as ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .naming import HELM_RELEASE, unique_name
from .outcome import Resource

__all__ = [
    "HELM_API",
    "JOB_SUCCEEDED",
    "KUBERNETES_API",
    "NAMESPACE_ACTIVE",
    "NEVER_DELETE",
    "OBSERVE_ONLY",
    "ON_CREATE",
    "PROTECTION_API",
    "RUNS",
    "Chart",
    "Manifest",
    "SecretKey",
    "all_replicas",
    "cel",
    "collection",
    "goes_after",
    "kubernetes_object",
    "provider_config",
    "release",
    "usage",
]

Manifest = dict[str, Any]

KUBERNETES_API = "kubernetes.m.crossplane.io/v1alpha1"
"""API version of provider-kubernetes' namespaced Object, ObservedObjectCollection and ProviderConfig."""
HELM_API = "helm.m.crossplane.io/v1beta1"
"""API version of provider-helm's namespaced Release and ProviderConfig."""
PROTECTION_API = "protection.crossplane.io/v1beta1"
"""API version of Usage and ClusterUsage."""

NEVER_DELETE = ("Observe", "Create", "Update")
"""Management policies of an object in a cluster that goes with its claim, or is gone already.

Deleting the object in the control plane then asks nothing of the cluster. A deletion that can
no longer reach the cluster would hold the claim for ever.
"""
OBSERVE_ONLY = ("Observe",)
"""Management policies of an object that is looked at and never changed or deleted."""

# Readiness of an Object.

ON_CREATE: Mapping[str, str] = {"policy": "SuccessfulCreate"}
"""Ready once the object exists: provider-kubernetes' own default."""


def cel(query: str) -> Mapping[str, str]:
    """Make an Object ready when a CEL query over `object`, as it is observed, holds."""
    return {"policy": "DeriveFromCelQuery", "celQuery": query}


NAMESPACE_ACTIVE = "object.status.phase == 'Active'"
JOB_SUCCEEDED = "has(object.status.succeeded) && object.status.succeeded > 0"

_GENERATION = "object.status.observedGeneration >= object.metadata.generation"
_OBSERVED = {
    "Deployment": f"has(object.status.observedGeneration) && {_GENERATION}",
    # LeaderWorkerSet 0.6 has no observedGeneration.
    "LeaderWorkerSet": f"has(object.status) && (!has(object.status.observedGeneration) || {_GENERATION})",
}
_AVAILABLE = {"Deployment": "availableReplicas", "LeaderWorkerSet": "readyReplicas"}

_CURRENT = f"has(object.status) && has(object.status.observedGeneration) && {_GENERATION} "
RUNS: Mapping[str, str] = {
    "Deployment": _CURRENT + "&& has(object.status.updatedReplicas) && has(object.status.availableReplicas) "
    "&& object.status.updatedReplicas >= object.spec.replicas "
    "&& object.status.availableReplicas >= object.spec.replicas",
    # One pod on each of its nodes; there may be no such node.
    "DaemonSet": _CURRENT + "&& object.status.numberReady >= object.status.desiredNumberScheduled",
}
"""CEL queries by kind: every pod that a workload asks for is of the newest generation and ready."""


def all_replicas(kind: str, replicas: int) -> str:
    """Return the CEL query that holds while a workload has so many new and ready replicas.

    Args:
        kind: Deployment or LeaderWorkerSet.
        replicas: how many; the workload's own number may lag behind.
    """
    counts = (f"object.status.{field}" for field in ("updatedReplicas", _AVAILABLE[kind]))
    enough = (f"(has({count}) ? {count} : 0) >= {replicas}" for count in counts)
    return " && ".join((_OBSERVED[kind], *enough))


def kubernetes_object(
    name: str,
    namespace: str,
    provider_config: str,
    manifest: Mapping[str, Any],
    *,
    readiness: Mapping[str, str] | None = None,
    policies: Sequence[str] = (),
    watch: bool = False,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Return an Object, which stands for a manifest in another cluster.

    Args:
        name: of the Object.
        namespace: of the Object and its ProviderConfig.
        provider_config: name of the ProviderConfig.
        manifest: the object in the other cluster.
        readiness: `cel(...)` or ON_CREATE; None leaves it to the provider, which takes ON_CREATE.
        policies: management policies; none: the provider's default, all.
        watch: whether a change of the object is seen at once, instead of at the next poll.
        labels: of the Object.
        annotations: of the Object.
    """
    spec: Manifest = {
        "forProvider": {"manifest": manifest},
        "providerConfigRef": {"kind": "ProviderConfig", "name": provider_config},
    }
    if policies:
        spec["managementPolicies"] = list(policies)
    if readiness:
        spec["readiness"] = dict(readiness)
    if watch:
        spec["watch"] = True
    return {
        "apiVersion": KUBERNETES_API,
        "kind": "Object",
        "metadata": _metadata(name, namespace, labels, annotations),
        "spec": spec,
    }


def collection(
    name: str,
    namespace: str,
    provider_config: str,
    *,
    kind: tuple[str, str],
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Return an ObservedObjectCollection, which copies each object with the labels into an Object.

    Args:
        name: of the collection.
        namespace: of the collection, its ProviderConfig and the Objects.
        provider_config: name of the ProviderConfig.
        kind: API version and kind of what is looked for in the other cluster.
        labels: that the objects looked for have.
        annotations: of the collection.
    """
    api_version, looked_for = kind
    return {
        "apiVersion": KUBERNETES_API,
        "kind": "ObservedObjectCollection",
        "metadata": _metadata(name, namespace, None, annotations),
        "spec": {
            "observeObjects": {
                "apiVersion": api_version,
                "kind": looked_for,
                "selector": {"matchLabels": dict(labels)},
            },
            "providerConfigRef": {"kind": "ProviderConfig", "name": provider_config},
        },
    }


@dataclass(frozen=True)
class SecretKey:
    """A key of a Secret in the control plane."""

    namespace: str
    name: str
    key: str


def provider_config(
    api_version: str,
    name: str,
    namespace: str,
    kubeconfig: SecretKey | None,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a namespaced ProviderConfig: a cluster-wide one could be used from any namespace.

    Args:
        api_version: KUBERNETES_API or HELM_API.
        name: of the ProviderConfig.
        namespace: of the ProviderConfig.
        kubeconfig: of the cluster; None: the provider's own identity, in the cluster it runs in.
        labels: of the ProviderConfig.
    """
    credentials: Manifest = {"source": "InjectedIdentity"}
    if kubeconfig is not None:
        ref = {"namespace": kubeconfig.namespace, "name": kubeconfig.name, "key": kubeconfig.key}
        credentials = {"source": "Secret", "secretRef": ref}
    return {
        "apiVersion": api_version,
        "kind": "ProviderConfig",
        "metadata": _metadata(name, namespace, labels, None),
        "spec": {"credentials": credentials},
    }


@dataclass(frozen=True)
class Chart:
    """A Helm chart at one version."""

    name: str
    repository: str
    version: str
    pull_secret: str = ""
    """Secret beside the Release with `username` and `password` of the repository; empty: none."""


# A failed Release is tried again this often, and after that, or without a limit, never
# (shouldRollBack in provider-helm v1.4.0): a cluster that was away for an hour would
# stay without its stack until somebody changes the spec. One try a poll, so a week's worth.
_RETRIES = 1000


def release(
    name: str,
    namespace: str,
    provider_config: str,
    *,
    helm_name: str,
    chart: Chart,
    into: str,
    values: Mapping[str, Any],
    policies: Sequence[str] = (),
) -> Manifest:
    """Return a Helm Release. It does not wait for pods: slow ones would make it a failed Release.

    Args:
        name: of the Release in the control plane.
        namespace: of the Release and its ProviderConfig.
        provider_config: name of the ProviderConfig.
        helm_name: Helm's own of the release; one that exists in the cluster is adopted and changed.
        chart: what is installed.
        into: namespace in the cluster, which Helm creates.
        values: of the chart.
        policies: management policies; none: the provider's default, all.

    Raises:
        ValueError: for a Helm name that is too long.
    """
    if len(helm_name) > HELM_RELEASE:
        raise ValueError(f"a Helm release has at most {HELM_RELEASE} characters: {helm_name}")
    secret = {"pullSecretRef": {"name": chart.pull_secret}} if chart.pull_secret else {}
    source = {"name": chart.name, "repository": chart.repository, "version": chart.version, **secret}
    spec: Manifest = {
        "forProvider": {
            "chart": source,
            "namespace": into,
            "values": values,
        },
        "rollbackLimit": _RETRIES,
        "providerConfigRef": {"kind": "ProviderConfig", "name": provider_config},
    }
    if policies:
        spec["managementPolicies"] = list(policies)
    return {
        "apiVersion": HELM_API,
        "kind": "Release",
        "metadata": _metadata(name, namespace, None, {"crossplane.io/external-name": helm_name}),
        "spec": spec,
    }


def usage(
    name: str,
    of: Mapping[str, Any],
    *,
    namespace: str = "",
    by: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Manifest:
    """Return what refuses the deletion of an object: a Usage, or a ClusterUsage without a namespace.

    Args:
        name: of the Usage.
        of: the object that stays; its apiVersion, kind and name are taken, and its namespace where
            that is another.
        namespace: of the Usage and of what uses the object; empty for a cluster-scoped object.
        by: the object that must be gone first. The deletion is asked for again then.
        reason: what the refusal says.
    """
    used = _named(of)
    elsewhere = of["metadata"].get("namespace", namespace)
    if elsewhere != namespace:
        used["resourceRef"]["namespace"] = elsewhere
    spec: Manifest = {"of": used}
    if by is not None:
        spec |= {"by": _named(by), "replayDeletion": True}
    if reason:
        spec["reason"] = reason
    return {
        "apiVersion": PROTECTION_API,
        "kind": "Usage" if namespace else "ClusterUsage",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": spec,
    }


def goes_after(
    name: str, composite: str, kept: Mapping[str, Any], gone: Mapping[str, Any], after: tuple[str, ...]
) -> Resource:
    """Compose the Usage that holds back the deletion of one object until another is gone.

    Functions do not run on deletion, so the order stands beforehand.

    Args:
        name: the Usage's own in the composition, `FUNCTION/what`.
        composite: the composite's name.
        kept: the manifest of what goes last.
        gone: the manifest of what goes first; the Usage stands beside it.
        after: composed resources that must be ready before the Usage is created.
    """
    own = unique_name(composite, name.partition("/")[2])
    return Resource(name, usage(own, kept, namespace=gone["metadata"]["namespace"], by=gone), after)


def _named(manifest: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "resourceRef": {"name": manifest["metadata"]["name"]},
    }


def _metadata(
    name: str, namespace: str, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None
) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return metadata
