"""Which cluster a kubeconfig reaches, and which claim has taken that cluster.

The UID of namespace kube-system tells clusters apart. With another kubeconfig, every Object and
Release of the claim would follow into another cluster at once. So a ProviderConfig of its own first
tries the other kubeconfig.

ConfigMap kube-system/freehold-holder names the claim that has taken the cluster. Two claims would own
the same Helm releases, and the deletion of one claim would uninstall the releases for both.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.api import contract
from functions.base import (
    Condition,
    Progress,
    Request,
    Resource,
    Status,
    View,
    Whose,
    condition_true,
    exists,
    remote,
    unique_name,
)

from .. import reach
from ..pools.pool import recorded

__all__ = ["HOLDER", "Identity", "held_by", "holder", "identity", "is_held", "taken"]

HOLDER = contract.HOLDER
_KUBERNETES_LAST, _HELM_LAST = contract.ORDER_OF_DELETION
_AFTER_HOLDER, _AFTER_RELEASES = "node-pools/kubeconfig-after-holder", "node-pools/kubeconfig-after-releases"
_TRIED, _ANSWERS = "node-pools/provider-config-tried", "node-pools/reachable-tried"
_MARK = {"namespace": "kube-system", "name": "freehold-holder"}
"""The ConfigMap that says which claim has taken the cluster."""
_MANIFEST = ("status", "atProvider", "manifest")
_HOLDER, _CLAIM = "composite", "claim"


@dataclass(frozen=True)
class Identity:
    """Which cluster the claim has, and how the cluster is reached."""

    access: reach.ClusterAccess
    """By the kubeconfig that the spec names; by the one in use while the other is not known to be right."""
    uid: str
    """UID of the cluster's kube-system; empty while it is not known."""
    tried: tuple[Resource, ...] = ()
    """The ProviderConfig and the Object that try the kubeconfig that the spec names."""
    gone: tuple[str, ...] = ()
    """Names in the composition of what tried a kubeconfig before."""
    problem: Condition | Progress | None = None
    """The condition Planned, where the spec's kubeconfig is not the one in use or reaches another cluster."""
    closed: Condition | None = None
    """The condition ControlPlaneReady, where another cluster answers."""


def identity(request: Request, asked: reach.ClusterAccess) -> Identity:
    """Decide by which kubeconfig the cluster is reached.

    Args:
        request: with the live ProviderConfig, and the Objects that observe kube-system.
        asked: by the kubeconfig that the spec names.
    """
    seen = _uid(request, reach.REACHABLE)
    uid = recorded(request).cluster_uid or seen
    live = request.resource(reach.KUBERNETES)
    present = None if live is None else _kubeconfig(live)
    tried = tuple(name for name in (_TRIED, _ANSWERS) if name in request.observed)
    if not uid or live is None or present == asked.kubeconfig:
        if uid and seen and seen != uid:
            told, closed = _exchanged(asked, seen, uid)
            return Identity(asked, uid, gone=tried, problem=told, closed=closed)
        return Identity(asked, uid, gone=tried)
    found = _uid(request, _ANSWERS)
    if found == uid:
        return Identity(asked, uid, gone=tried)
    present_access = reach.ClusterAccess(asked.composite, asked.namespace, present)
    problem = _other(asked, found, uid) if found else _trying(asked)
    return Identity(present_access, uid, _try(asked), problem=problem)


def _uid(request: Request, name: str) -> str:
    """Return the UID of the kube-system that an Object observes; empty while there is none."""
    seen = request.resource(name)
    return (seen and seen.text(*_MANIFEST, "metadata", "uid")) or ""


def _kubeconfig(live: View) -> remote.SecretKey | None:
    """Return the Secret of a live ProviderConfig; None for the providers' own identity."""
    ref = ("spec", "credentials", "secretRef")
    parts = [live.text(*ref, key) or "" for key in ("namespace", "name", "key")]
    return remote.SecretKey(*parts) if any(parts) else None


def _try(asked: reach.ClusterAccess) -> tuple[Resource, ...]:
    """Compose a ProviderConfig with the other kubeconfig, and an Object that only observes kube-system."""
    name = unique_name(asked.composite, "tried")
    config = remote.provider_config(remote.KUBERNETES_API, name, asked.namespace, asked.kubeconfig)
    answers = remote.kubernetes_object(
        unique_name(asked.composite, "reachable-tried"),
        asked.namespace,
        name,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        readiness=remote.cel(remote.NAMESPACE_ACTIVE),
        policies=remote.OBSERVE_ONLY,
    )
    label = "the cluster of the kubeconfig that is asked for"
    return (
        Resource(_TRIED, config, ready=exists, label=f"the ProviderConfig of {label}"),
        Resource(_ANSWERS, answers, (_TRIED,), label=label),
    )


def _trying(asked: reach.ClusterAccess) -> Progress:
    hint = f"Until {_source(asked)} is known to reach this claim's cluster, the kubeconfig of before is used"
    return Progress("Planned", (_TRIED, _ANSWERS), "", Whose.PLATFORM, hint)


def _other(asked: reach.ClusterAccess, found: str, uid: str) -> Condition:
    return Condition(
        "Planned",
        Status.FALSE,
        "OtherCluster",
        f"{_source(asked)} reaches another cluster (UID of kube-system {found}) than this claim has taken "
        f"({uid}): nothing is changed in either. Restore the kubeconfig, or claim the other cluster under "
        "another name",
        Whose.PLATFORM,
    )


def _exchanged(asked: reach.ClusterAccess, found: str, uid: str) -> tuple[Condition, Condition]:
    """Say that the Secret's kubeconfig was exchanged: the providers use the new one by then."""
    why = (
        f"{_source(asked)} now reaches another cluster (UID of kube-system {found}) than this claim has "
        f"taken ({uid}). Nothing new is installed, but the providers apply there what they have applied "
        "here, Models included. Restore the kubeconfig, then remove from the other cluster what it got, or "
        "claim that one under another name"
    )
    closed = f"{_source(asked)} reaches another cluster: see the condition Planned"
    return (
        Condition("Planned", Status.FALSE, "OtherCluster", why, Whose.PLATFORM),
        Condition("ControlPlaneReady", Status.FALSE, "OtherCluster", closed, Whose.PLATFORM),
    )


def _source(access: reach.ClusterAccess) -> str:
    if access.kubeconfig is None:
        return "spec.existing.controlPlane"
    return f"the kubeconfig in Secret {access.kubeconfig.namespace}/{access.kubeconfig.name}"


def holder(request: Request, access: reach.ClusterAccess) -> tuple[Resource, ...]:
    """Compose the ConfigMap that marks the cluster as this claim's, and the order of its deletion.

    The first claim creates the ConfigMap, and no other claim may delete or change it. The
    ProviderConfigs and the kubeconfig stay until the ConfigMap is deleted.
    """
    data = {_HOLDER: request.name, _CLAIM: _claim(request)}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(_MARK), "data": data}
    made = remote.kubernetes_object(
        unique_name(request.name, HOLDER.partition("/")[2]),
        access.namespace,
        access.kubernetes,
        manifest,
        readiness=remote.cel(f"object.data.{_HOLDER} == '{request.name}'"),
        policies=("Observe", "Create", "Delete") if _is_own(request) else ("Observe", "Create"),
    )
    kubernetes = _object(remote.KUBERNETES_API, "ProviderConfig", access.kubernetes, access.namespace)
    helm = _object(remote.HELM_API, "ProviderConfig", access.helm, access.helm_namespace)
    return (
        # Ready only with the policy Delete: a claim that was ready leaves no ConfigMap behind.
        Resource(HOLDER, made, (reach.KUBERNETES,), _is_ready, label="the mark of who has taken the cluster"),
        remote.goes_after(_KUBERNETES_LAST, request.name, kubernetes, made, (reach.KUBERNETES,)),
        remote.goes_after(_HELM_LAST, request.name, helm, made, (reach.KUBERNETES, reach.HELM)),
        *_kubeconfig_last(request, access, made),
    )


def _kubeconfig_last(
    request: Request, access: reach.ClusterAccess, mark: remote.Manifest
) -> tuple[Resource, ...]:
    """Compose the Usages that keep the kubeconfig until nothing of the claim is in the cluster.

    Without the kubeconfig no Release could be uninstalled. Each Release keeps the mark (a Usage of
    function-cluster-stack), the mark keeps Helm's ProviderConfig, and that keeps the Secret.
    """
    if access.kubeconfig is None:
        return ()
    secret = _object("v1", "Secret", access.kubeconfig.name, access.kubeconfig.namespace)
    helm = _object(remote.HELM_API, "ProviderConfig", access.helm, access.helm_namespace)
    return (
        remote.goes_after(_AFTER_HOLDER, request.name, secret, mark, (reach.KUBERNETES,)),
        remote.goes_after(_AFTER_RELEASES, request.name, secret, helm, (reach.HELM,)),
    )


def _object(api_version: str, kind: str, name: str, namespace: str) -> remote.Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _is_ready(seen: View) -> bool:
    return condition_true()(seen) and "Delete" in seen.texts("spec", "managementPolicies")


def _is_own(request: Request) -> bool:
    """Tell whether the ConfigMap names this claim; without a status, by the Object's own policies."""
    seen = request.resource(HOLDER)
    if seen is None:
        return False
    holds = seen.text(*_MANIFEST, "data", _HOLDER)
    return holds == request.name if holds else "Delete" in seen.texts("spec", "managementPolicies")


def held_by(request: Request) -> str:
    """Return the other claim that has taken the cluster; empty where none has."""
    seen = request.resource(HOLDER)
    holds = seen and seen.text(*_MANIFEST, "data", _HOLDER)
    if seen is None or not holds or holds == request.name:
        return ""
    return seen.text(*_MANIFEST, "data", _CLAIM) or holds


def is_held(request: Request) -> bool:
    """Tell whether this claim has taken the cluster."""
    seen = request.resource(HOLDER)
    return seen is not None and _is_ready(seen) and not held_by(request)


def taken(other: str) -> tuple[Condition, Condition]:
    """Return the conditions of a claim whose cluster another claim has taken."""
    mark = f"{_MARK['namespace']}/{_MARK['name']}"
    why = (
        f"InferenceCluster {other} has taken this cluster, and two claims would own the same Helm releases: "
        "nothing is installed, changed or uninstalled for this claim. Place Models on that InferenceCluster "
        f"and delete this claim. Where that one no longer exists, delete ConfigMap {mark} in the cluster"
    )
    closed = f"InferenceCluster {other} has taken this cluster: see the condition Planned"
    return (
        Condition("Planned", Status.FALSE, "ClusterTaken", why, Whose.PLATFORM),
        Condition("ControlPlaneReady", Status.FALSE, "ClusterTaken", closed, Whose.PLATFORM),
    )


def _claim(request: Request) -> str:
    return f"{request.claim.namespace}/{request.claim.name}".strip("/")
