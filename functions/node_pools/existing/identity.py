"""Which cluster an existing cluster is, and whose: the UID of its kube-system, and a ConfigMap in there.

A kubeconfig only says how a cluster is reached. Everything that is composed for the claim
would follow another kubeconfig into another cluster at once, so another one is tried beside the
present one first. And two claims of one cluster would own the same Helm releases: the
deletion of one would uninstall them for both.
"""

from __future__ import annotations

from dataclasses import dataclass

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

HOLDER = "node-pools/holder"
_AFTER_HOLDER, _AFTER_RELEASES = "node-pools/kubeconfig-after-holder", "node-pools/kubeconfig-after-releases"
_TRIED, _ANSWERS = "node-pools/provider-config-tried", "node-pools/reachable-tried"
_MARK = {"namespace": "kube-system", "name": "freehold-holder"}
"""The ConfigMap that says which claim has taken the cluster."""
_MANIFEST = ("status", "atProvider", "manifest")
_HOLDER, _CLAIM = "composite", "claim"


@dataclass(frozen=True)
class Identity:
    """How the cluster is reached, as far as that is known to be the claim's cluster."""

    way: reach.Way
    """The way that is asked for, or the present one."""
    uid: str
    """UID of the cluster's kube-system; empty while it is not known."""
    tried: tuple[Resource, ...] = ()
    """What tries the kubeconfig that is asked for, beside the present one."""
    gone: tuple[str, ...] = ()
    problem: Condition | Progress | None = None
    """Why the cluster is not reached as asked."""
    closed: Condition | None = None
    """The condition ControlPlaneReady where what answers is another cluster."""


def identity(request: Request, asked: reach.Way) -> Identity:
    """Decide by which kubeconfig the cluster is reached.

    Args:
        request: with the live ProviderConfig and what was found through it.
        asked: the way that the spec asks for.
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
    present_way = reach.Way(asked.composite, asked.namespace, present)
    problem = _other(asked, found, uid) if found else _trying(asked)
    return Identity(present_way, uid, _try(asked), problem=problem)


def _uid(request: Request, name: str) -> str:
    """Return the UID of the kube-system that an Object observes; empty while there is none."""
    seen = request.resource(name)
    return (seen and seen.text(*_MANIFEST, "metadata", "uid")) or ""


def _kubeconfig(live: View) -> remote.SecretKey | None:
    """Return the Secret of a live ProviderConfig; None for the providers' own identity."""
    ref = ("spec", "credentials", "secretRef")
    parts = [live.text(*ref, key) or "" for key in ("namespace", "name", "key")]
    return remote.SecretKey(*parts) if any(parts) else None


def _try(asked: reach.Way) -> tuple[Resource, ...]:
    """Compose what asks the cluster of another kubeconfig for its UID, and changes nothing there."""
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


def _trying(asked: reach.Way) -> Progress:
    hint = f"Until {_source(asked)} is known to reach this claim's cluster, the kubeconfig of before is used"
    return Progress("Planned", (_TRIED, _ANSWERS), "", Whose.PLATFORM, hint)


def _other(asked: reach.Way, found: str, uid: str) -> Condition:
    return Condition(
        "Planned",
        Status.FALSE,
        "OtherCluster",
        f"{_source(asked)} reaches another cluster (UID of kube-system {found}) than this claim has taken "
        f"({uid}): nothing is changed in either. Restore the kubeconfig, or claim the other cluster under "
        "another name",
        Whose.PLATFORM,
    )


def _exchanged(asked: reach.Way, found: str, uid: str) -> tuple[Condition, Condition]:
    """Say that the kubeconfig in use reaches another cluster: the providers have followed it by then."""
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


def _source(way: reach.Way) -> str:
    if way.kubeconfig is None:
        return "spec.existing.controlPlane"
    return f"the kubeconfig in Secret {way.kubeconfig.namespace}/{way.kubeconfig.name}"


def holder(request: Request, way: reach.Way) -> tuple[Resource, ...]:
    """Compose the mark of the claim that has taken the cluster, and what keeps the way in until it is gone.

    The first claim makes it, and only that one deletes it: whoever finds another's mark looks on.
    """
    data = {_HOLDER: request.name, _CLAIM: _claim(request)}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(_MARK), "data": data}
    made = remote.kubernetes_object(
        unique_name(request.name, "holder"),
        way.namespace,
        way.kubernetes,
        manifest,
        readiness=remote.cel(f"object.data.{_HOLDER} == '{request.name}'"),
        policies=("Observe", "Create", "Delete") if _is_own(request) else ("Observe", "Create"),
    )
    way_in = _object(remote.KUBERNETES_API, "ProviderConfig", way.kubernetes, way.namespace)
    return (
        # Not ready before it may be deleted: a claim that is ready leaves no mark behind.
        Resource(HOLDER, made, (reach.KUBERNETES,), _is_ready, label="the mark of who has taken the cluster"),
        remote.goes_after(f"{HOLDER}-first", request.name, way_in, made, (reach.KUBERNETES,)),
        *_kubeconfig_last(request, way, made),
    )


def _kubeconfig_last(request: Request, way: reach.Way, mark: remote.Manifest) -> tuple[Resource, ...]:
    """Compose what keeps the kubeconfig until everything in the cluster is gone.

    Whoever deletes the claim's namespace deletes the Secret in the same moment, and no Release
    could be uninstalled. Releases keep Helm's ProviderConfig, which keeps the Secret.
    """
    if way.kubeconfig is None:
        return ()
    secret = _object("v1", "Secret", way.kubeconfig.name, way.kubeconfig.namespace)
    helm = _object(remote.HELM_API, "ProviderConfig", way.helm, way.helm_namespace)
    return (
        remote.goes_after(_AFTER_HOLDER, request.name, secret, mark, (reach.KUBERNETES,)),
        remote.goes_after(_AFTER_RELEASES, request.name, secret, helm, (reach.HELM,)),
    )


def _object(api_version: str, kind: str, name: str, namespace: str) -> remote.Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _is_ready(seen: View) -> bool:
    return condition_true()(seen) and "Delete" in seen.texts("spec", "managementPolicies")


def _is_own(request: Request) -> bool:
    """Tell whether the mark in the cluster is this claim's, as observed or, with no status, as composed."""
    seen = request.resource(HOLDER)
    if seen is None:
        return False
    holds = seen.text(*_MANIFEST, "data", _HOLDER)
    return holds == request.name if holds else "Delete" in seen.texts("spec", "managementPolicies")


def held_by(request: Request) -> str:
    """Return whose the cluster is, where another claim has taken it; empty otherwise."""
    seen = request.resource(HOLDER)
    holds = seen and seen.text(*_MANIFEST, "data", _HOLDER)
    if seen is None or not holds or holds == request.name:
        return ""
    return seen.text(*_MANIFEST, "data", _CLAIM) or holds


def is_held(request: Request) -> bool:
    """Tell whether the cluster is known to be this claim's."""
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
