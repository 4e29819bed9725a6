"""What is asked of a SecretDelivery, what is written for it, and what is said of it; all of it pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from functions.api import CLIENTS, EXPIRES_SOON, SecretDelivery, Undeliverable, contract

from .authority import AUTHORITY
from .certificate import judge

__all__ = [
    "CLAIM_NAMESPACE",
    "Asked",
    "Carried",
    "Proven",
    "Undelivered",
    "Version",
    "asked_of",
    "condition",
    "handed_over",
    "is_composed",
    "is_owner",
    "private_key",
    "refuse_source",
    "secret",
    "status_of",
    "value_of",
]

CLAIM_NAMESPACE = "crossplane.io/claim-namespace"
"""Label that core puts on what it composes, over whatever a function says."""
_PULL_SECRET = ".dockerconfigjson"
"""The only key that may come from the deliveries' own namespace, where credentials of clusters are, beside
what the agent has made there itself."""


class Undelivered(Exception):  # noqa: N818  (the answer, not the agent, is at fault)
    """Why a Secret is not delivered, in words that hold no value of a Secret."""

    def __init__(self, reason: Undeliverable, message: str, *, cluster: bool = False) -> None:
        """Keep the reason.

        Args:
            reason: as the condition says it.
            message: what is wrong, and what to do.
            cluster: whether no other Secret can be delivered to the same cluster either.
        """
        super().__init__(message)
        self.reason, self.cluster = reason, cluster


class Asked(NamedTuple):
    """A SecretDelivery."""

    namespace: str
    name: str
    uid: str
    generation: int
    claim_namespace: str
    """Namespace of the claim that it is composed for; empty for one that core has not composed."""
    composite: Mapping[str, Any]
    """The reference to the composite that core composes it for, as an owner; empty where core has not."""
    spec: SecretDelivery
    status: Mapping[str, Any]

    @property
    def cluster(self) -> str:
        """Name of the ProviderConfig; empty for the control plane."""
        return self.spec.provider_config_ref.name if self.spec.provider_config_ref else ""

    @property
    def owner(self) -> dict[str, Any]:
        """The composite as an owner that does not control: Crossplane deletes what a composite controls."""
        return {key: self.composite[key] for key in ("apiVersion", "kind", "name", "uid")}

    @property
    def source(self) -> str:
        """The Secret of the control plane, as messages name it."""
        return f"Secret {self.spec.source.namespace}/{self.spec.source.name}"


class Version(NamedTuple):
    """Which Secret, and which content of it."""

    uid: str
    resource_version: str


class Carried(NamedTuple):
    """What was delivered, without values."""

    source: Version
    clients: tuple[Version | None, ...] = ()
    """Of the Secret of each client, in the delivery's order; None for one that is not there."""
    left_out: str = ""
    """Which clients have no access, and why, in words; empty where all have."""

    def same(self, seen: Carried) -> bool:
        """Tell whether another look has found the same Secrets."""
        return (self.source, self.clients) == (seen.source, seen.clients)


def asked_of(found: Mapping[str, Any]) -> Asked:
    """Read a SecretDelivery.

    Raises:
        ValueError: for one that its CRD would not let in.
    """
    metadata = found["metadata"]
    return Asked(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        int(metadata.get("generation", 0)),
        metadata.get("labels", {}).get(CLAIM_NAMESPACE, ""),
        _controller(metadata) or {},
        SecretDelivery.model_validate(found["spec"]),
        found.get("status", {}),
    )


def _controller(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner that controls an object; None where nothing does."""
    return next((owner for owner in metadata.get("ownerReferences", ()) if owner.get("controller")), None)


def refuse_source(asked: Asked) -> None:
    """Refuse to read, or to write, what is not the claim's, whoever has written the delivery.

    Raises:
        Undelivered: saying whose Secret it is.
    """
    source, target = asked.spec.source, asked.spec.target
    beside = target.namespace == asked.claim_namespace and asked.composite
    if not asked.cluster and not beside:
        raise Undelivered(
            Undeliverable.NOT_ALLOWED,
            f"Secret {target.namespace}/{target.name} of the control plane is not this delivery's to write: "
            f"it is not beside the claim. {_COMPOSED_ALONE}",
        )
    here = source.namespace == asked.namespace
    may = (
        asked.spec.made and here and asked.claim_namespace and asked.composite,
        not asked.spec.made and asked.claim_namespace and source.namespace == asked.claim_namespace,
        not asked.spec.made and here and source.key == _PULL_SECRET == target.key,
    )
    if any(may):
        return
    whose = (
        f"the claim is in namespace {asked.claim_namespace}" if asked.claim_namespace else "it has no claim"
    )
    raise Undelivered(
        Undeliverable.NOT_ALLOWED,
        f"{asked.source} is not this delivery's to read: {whose}. {_COMPOSED_ALONE}",
    )


_COMPOSED_ALONE = (
    "Deliveries are composed by Freehold's functions alone: delete one that somebody else has made"
)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def value_of(asked: Asked, found: Mapping[str, Any]) -> str:
    """Return the value of the key in the Secret of the control plane, in base64.

    Raises:
        Undelivered: where the key is missing or empty.
    """
    key = asked.spec.source.key
    value = (found.get("data") or {}).get(key) or ""
    try:
        full = bool(base64.b64decode(value).strip())
    except binascii.Error:
        full = False
    if not full:
        raise Undelivered(
            Undeliverable.KEY_MISSING,
            f"{asked.source} has nothing under the key {key}: put the value there, or correct the reference",
        )
    return str(value)


_PRIVATE_KEY = "tls.key"
_SOON_SECONDS = 14 * 86400
"""How long before its end a certificate is said to expire."""


class Proven(NamedTuple):
    """A certificate that serves its host."""

    more: dict[str, str]
    """What is delivered beside the value, by key, in base64."""
    warning: str = ""
    """What is to be done soon; empty: nothing."""
    authorities: str = ""
    """Whoever vouches for it and was made here, as PEM; empty: the agent has made none."""


def private_key(asked: Asked, found: Mapping[str, Any], value: str, now: float) -> Proven:
    """Return what is delivered beside the value: the private key of a certificate; else nothing.

    Args:
        asked: the delivery.
        found: the Secret of the control plane.
        value: in base64.
        now: in seconds since 1970.

    Raises:
        Undelivered: where the two do not serve the host that the delivery names.
    """
    host = asked.spec.target.certificate_for
    if not host:
        return Proven({})
    data = found.get("data") or {}
    key = str(data.get(_PRIVATE_KEY) or "")
    own = base64.b64decode(data.get(AUTHORITY) or "").decode("ascii", "replace") if asked.spec.made else ""
    authorities = own or asked.spec.target.authorities or ""
    judged = judge(base64.b64decode(value), base64.b64decode(key), host, authorities)
    if judged.problem:
        known = ", of an authority that spec.gateway.tls.ca names" if authorities else ""
        raise Undelivered(
            Undeliverable.CERTIFICATE_INVALID,
            f"{asked.source}: {judged.problem}. Put a certificate for {host} there{known}, with its key",
        )
    if judged.ends - now > _SOON_SECONDS:
        return Proven({_PRIVATE_KEY: key}, authorities=own)
    ends = datetime.fromtimestamp(judged.ends, UTC).strftime("%Y-%m-%d %H:%M")
    warning = f"the certificate in {asked.source} expires on {ends} UTC: put one there that lasts longer"
    return Proven({_PRIVATE_KEY: key}, warning, own)


def secret(
    asked: Asked, value: str, owner: Mapping[str, Any], more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the Secret to apply; it goes with what owns it.

    Args:
        asked: the delivery.
        value: in base64.
        owner: a reference to what owns it.
        more: what is delivered beside the value, by key, in base64.
    """
    target = asked.spec.target
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": target.labels,
            "ownerReferences": [dict(owner)],
        },
        "type": target.type,
        "data": {
            **{key: _encoded(text) for key, text in target.texts.items()},
            target.key: value,
            **(more or {}),
        },
    }


def is_composed(metadata: Mapping[str, Any], asked: Asked) -> bool:
    """Tell whether a Secret is composed for the delivery's composite, which then controls it."""
    controller = _controller(metadata)
    return controller is not None and controller["uid"] == asked.composite.get("uid")


def handed_over(metadata: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch by which the composite goes on to own a composed Secret and controls it no more.

    Crossplane deletes only what its composite controls. The patch is refused where the Secret has changed.

    Args:
        metadata: of the Secret.
        owner: a reference to the composite.
    """
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": [dict(owner)]}}


def is_owner(asked: Asked, config_map: Mapping[str, Any]) -> bool:
    """Tell whether a ConfigMap was made for this delivery, and so its namespace is the Model's."""
    annotations = config_map["metadata"].get("annotations") or {}
    return bool(annotations.get(contract.DELIVERY_OF) == asked.name)


def status_of(
    asked: Asked, outcome: Carried | Undelivered, now: str, warning: str = "", authorities: str = ""
) -> dict[str, Any]:
    """Return the status after a try.

    What was delivered stays delivered: `Ready` goes only where the spec names another source, which could
    not be delivered.

    Args:
        asked: the delivery, with the status until now.
        outcome: what was delivered, or why nothing was.
        now: the time, as Kubernetes writes it.
        warning: what is to be done soon, of what was delivered; empty: nothing.
        authorities: who vouches for the certificate that was delivered, as PEM; empty: none made here.
    """
    source = asked.spec.source.plain()
    delivered: Mapping[str, str] = asked.status.get("delivered") or {}
    if isinstance(outcome, Carried):
        version = outcome.source
        delivered = {**source, "uid": version.uid, "resourceVersion": version.resource_version}
        synced = ("True", EXPIRES_SOON, warning) if warning else _DELIVERED
    else:
        synced = ("False", outcome.reason.value, str(outcome)[:_MESSAGE])
        authorities = str(asked.status.get("authorities") or "")
    ready = _DELIVERED if source.items() <= delivered.items() else synced
    before = {each["type"]: each for each in asked.status.get("conditions", ())}
    said = {"Ready": ready, "Synced": synced}
    if asked.spec.clients:
        said[CLIENTS] = _clients(outcome, before.get(CLIENTS))
    conditions = [condition(type_, says, before.get(type_), now) for type_, says in said.items()]
    return {
        "observedGeneration": asked.generation,
        **({"delivered": delivered} if delivered else {}),
        # A status is merged: what is not named would stay.
        **({"authorities": authorities or None} if authorities or "authorities" in asked.status else {}),
        "conditions": conditions,
    }


_DELIVERED = ("True", "Delivered", "")
_MESSAGE = 1024


def _clients(outcome: Carried | Undelivered, before: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Say how the clients do; as before while nothing can be delivered."""
    if isinstance(outcome, Undelivered):
        kept = before or {"status": "False", "reason": outcome.reason.value, "message": str(outcome)}
        return kept["status"], kept["reason"], kept["message"][:_MESSAGE]
    if not outcome.left_out:
        return _DELIVERED
    cut = outcome.left_out if len(outcome.left_out) <= _MESSAGE else f"{outcome.left_out[: _MESSAGE - 3]}..."
    return "False", "LeftOut", cut


def condition(
    type_: str, says: tuple[str, str, str], before: Mapping[str, Any] | None, now: str
) -> dict[str, Any]:
    """Return a condition of a status.

    Args:
        type_: of the condition.
        says: status, reason and message.
        before: the condition until now; None: there was none.
        now: the time, as Kubernetes writes it.
    """
    status, reason, message = says
    since = before["lastTransitionTime"] if before and before["status"] == status else now
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
