"""Secrets of the control plane that a Model needs in its cluster, brought there by the agent.

An Object that held a Secret would hold the value too, in etcd and before every function. So what is composed
is a SecretDelivery, which names the Secret, and a ConfigMap in the cluster, which owns the delivered Secret:
when the ConfigMap goes, Kubernetes there deletes the Secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from functions.api import Undeliverable, contract
from functions.base import (
    Condition,
    Request,
    Resource,
    Status,
    Unanswered,
    View,
    Whose,
    condition_true,
    exists,
    own_fields,
    remote,
)

from ..plan import Plan
from .objects import in_cluster, labels

__all__ = [
    "TOKEN_LABEL",
    "Delivered",
    "brought",
    "delivered",
    "deliveries",
    "delivery",
    "owner",
    "resources_of",
    "undelivered",
    "whose_fault",
]

TOKEN_LABEL = "the Hub token that spec.source.huggingFace.tokenSecretRef names"
"""How messages name a Hub token."""
_PREFIX = "vllm/"
_OWNER, _DELIVERY = "-owner", "-delivery"
_CLAIMS = (Undeliverable.SOURCE_MISSING, Undeliverable.KEY_MISSING)
"""Reasons that are up to whoever has the Secret of the control plane."""


class Delivered(NamedTuple):
    """The Secrets that a placement needs, and what becomes of those that an older package brought."""

    resources: list[Resource]
    gone: list[str]
    notes: list[str]


def resources_of(what: str) -> tuple[str, ...]:
    """Return the names of composed resources by which this package, or an older one, brings a Secret."""
    return tuple(f"{_PREFIX}{what}{end}" for end in ("", _OWNER, _DELIVERY))


def deliveries(
    plan: Plan,
    what: str,
    source: remote.SecretKey,
    key: str,
    label: str,
    type_: str = "Opaque",
    asked_at: str = "",
    *,
    made: dict[str, Any] | None = None,
    clients: Sequence[dict[str, Any]] = (),
    called: str = "",
) -> list[Resource]:
    """Compose what brings a Secret into the Model's namespace.

    Args:
        plan: of the Model.
        what: in the names of what is composed.
        source: the value in the control plane.
        key: of the value there.
        label: how messages name the Secret.
        type_: of the Secret there.
        asked_at: when a user asked for the Secret as it is now; empty: nobody did.
        made: how the value changes that the agent makes; None: it makes none.
        clients: whose keys stand beside the value.
        called: name of the Secret there; empty: `what`.
    """
    name = plan.object_name(f"{what}{_DELIVERY}")
    namespace, called = plan.placement.namespace, called or what
    owned_by = in_cluster(
        plan, f"{what}{_OWNER}", owner(called, namespace, name), label=f"the ConfigMap that owns {label}"
    )
    manifest = delivery(
        name,
        (plan.placement.provider_config_namespace, plan.placement.provider_config),
        source,
        {"namespace": namespace, "name": called, "key": key, "type": type_, "labels": labels(plan)},
    )
    manifest["metadata"]["labels"] = {contract.MODEL: plan.name}
    if made:
        manifest["spec"] |= {"made": True, "rotation": made}
    if clients:
        manifest["spec"]["clients"] = list(clients)
    if asked_at:
        manifest["spec"]["source"]["askedAt"] = asked_at
    return [owned_by, brought(f"{_PREFIX}{what}{_DELIVERY}", manifest, owned_by.name, label)]


def brought(name: str, manifest: dict[str, Any], after: str, label: str) -> Resource:
    """Return the composed resource of a delivery, ready once its present source was delivered."""
    source = manifest["spec"]["source"]

    def ready(observed: View) -> bool:
        last = {key: observed.text("status", "delivered", key) for key in source}
        return condition_true()(observed) and (not observed.has("status", "delivered") or last == source)

    return Resource(name, manifest, (after,), ready, label=label)


def owner(secret: str, namespace: str, delivery: str) -> dict[str, Any]:
    """Return the ConfigMap that owns a Secret in the cluster.

    Args:
        secret: name of the Secret, and of the ConfigMap.
        namespace: of both.
        delivery: name of the SecretDelivery; the agent writes into no namespace without it.
    """
    metadata = {"name": secret, "namespace": namespace, "annotations": {contract.DELIVERY_OF: delivery}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def delivery(
    name: str, cluster: tuple[str, str], source: remote.SecretKey, target: dict[str, Any]
) -> dict[str, Any]:
    """Return a SecretDelivery.

    Args:
        name: of the SecretDelivery.
        cluster: namespace and name of the ProviderConfig; an empty name is the control plane.
        source: the value in the control plane.
        target: namespace, name, key, type and labels of the Secret in the cluster.
    """
    namespace, provider_config = cluster
    spec = {
        "source": {"namespace": source.namespace, "name": source.name, "key": source.key},
        "target": target,
        **(
            {"providerConfigRef": {"kind": "ProviderConfig", "name": provider_config}}
            if provider_config
            else {}
        ),
    }
    return {
        "apiVersion": contract.DELIVERY_API_VERSION,
        "kind": contract.DELIVERY_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def agent_is_known(request: Request, asked: Iterable[Resource]) -> bool:
    """Tell whether the control plane knows the kind of deliveries; one of them that lives says so, too.

    Crossplane stops at the first kind that it does not know, and applies nothing of the composite.
    """
    if any(resource.name in request.observed for resource in asked):
        return True
    try:
        return request.require_kind(contract.DELIVERY_API_VERSION, contract.DELIVERY_KIND)
    except Unanswered:
        return True  # a Crossplane that cannot say so goes on as ever


def delivered(request: Request, asked: Sequence[Resource], *, needed: bool) -> Delivered:
    """Have Secrets delivered, and take over those that Objects of an older package hold.

    Such an Object stays until the agent has delivered the Secret, then it is told to leave the Secret alone,
    and then it goes: pods never lack the Secret. While the agent cannot deliver, the Object does.

    Args:
        request: the Model's.
        asked: what `deliveries` has composed.
        needed: whether something waits for the Secrets. Where all is downloaded, a Model serves without.
    """
    found = Delivered([], [], [])
    asked_for = [resource for resource in asked if resource.name.endswith(_DELIVERY)]
    known = not asked_for or agent_is_known(request, asked_for)
    for resource in asked:
        name = resource.name.removesuffix(_DELIVERY).removesuffix(_OWNER)
        before = request.resource(name)
        held = before is not None and condition_true()(before)
        waited_for = needed and not held
        if not known and not waited_for:
            if resource in asked_for:
                how = "still reaches the cluster by an Object that holds it" if held else "is not delivered"
                found.notes.append(f"{resource.label} {how}: {_INSTALL}")
            continue
        if resource not in asked_for:
            found.resources.append(resource if waited_for else replace(resource, ready=exists))
            continue
        if not known:
            found.resources.append(resource.waiting("the agent of the control plane"))
            continue
        live = request.resource(resource.name)
        if before is not None and live is not None and resource.ready(live):
            _take_over(request, name, before, found)
        found.resources.append(resource if waited_for else replace(resource, ready=exists, after=()))
    return found


def _take_over(request: Request, name: str, before: View, found: Delivered) -> None:
    if set(before.texts("spec", "managementPolicies")) == set(remote.NEVER_DELETE):
        found.gone.append(name)
        return
    made = own_fields(request.observed[name])
    spec = {**made["spec"], "managementPolicies": list(remote.NEVER_DELETE)}
    found.resources.append(Resource(name, {**made, "spec": spec}, label="the Secret of an older package"))


_INSTALL = (
    "apply package/install.yaml of this version to the control plane, which brings the kind SecretDelivery "
    "and the agent that delivers Secrets"
)


def undelivered(request: Request, type_: str, resources: Iterable[Resource]) -> Condition | None:
    """Return the condition of a Model that lacks a Secret in its cluster; None where none is known to lack.

    Args:
        request: the Model's.
        type_: of the condition.
        resources: those composed, among which the deliveries are.
    """
    for resource in resources:
        if not resource.name.endswith(_DELIVERY):
            continue
        if resource.manifest is None:
            text = f"nothing delivers {resource.label} to the cluster: {_INSTALL}"
            return Condition(type_, Status.FALSE, "AgentMissing", text, Whose.PLATFORM)
        live = request.resource(resource.name)
        if live is None or resource.ready(live):
            continue
        said = live.condition("Synced")
        seen = live.number("status", "observedGeneration") or 0
        if said is None or seen < (live.number("metadata", "generation") or 0):
            namespace = resource.manifest["metadata"]["namespace"]
            text = (
                f"the agent has not delivered {resource.label} to the cluster yet: if this lasts, "
                f"look why Deployment {contract.DELIVERY_AGENT} in namespace {namespace} of the control "
                "plane does not run"
            )
            return Condition(type_, Status.FALSE, "WaitsForAgent", text, Whose.PLATFORM)
        text = f"{resource.label} cannot be delivered to the cluster: {said.text('message') or 'no word why'}"
        reason = said.text("reason") or "Undelivered"
        return Condition(type_, Status.FALSE, reason, text, whose_fault(request, live))
    return None


def whose_fault(request: Request, live: View) -> Whose:
    """Tell who has to act for a delivery that fails."""
    said = live.condition("Synced")
    reason = said.text("reason") if said else ""
    own = live.text("spec", "source", "namespace") == request.claim.namespace
    return Whose.MODEL if own and reason in _CLAIMS else Whose.PLATFORM
