"""What placed Models need to know of the cluster, published apart from its status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from functions.api import (
    ClusterStatus,
    Gateway,
    NamespaceLimits,
    Offer,
    OfferedBy,
    OfferedGateway,
    PoolStatus,
    contract,
)
from functions.base import Claim, Request, Resource, View, exists, label_value, unique_name

__all__ = ["gateway", "manifest", "resource"]

_FLEETING = {
    "ready": False,
    "nodes_found": None,
    "gpus_in_use": None,
    "pods_in_use": None,
    "alternatives": None,
}
"""What a pool's status says beside what a Model on it depends on."""


_NAME = "node-pools/offer"


def gateway(request: Request, asked: Gateway | None, *, taken: bool) -> OfferedGateway | None:
    """Return the gateway that the cluster offers: from when it first worked, and while the spec asks for one.

    Models that have an address keep it while the gateway fails, while the status is lost, and while the spec
    names a host that is another cluster's.

    Args:
        request: with the composite's status, and the live offer.
        asked: as the spec has it.
        taken: whether another cluster has the host.
    """
    if asked is None:
        return None
    offered = _offered(request)
    if taken:
        return offered
    worked = contract.GATEWAY_COMPONENT in View(request.composite).texts("status", "components")
    if not worked and offered is None:
        return None
    found = _found(request, asked, offered)
    return found and found.model_copy(update={"limits": _limits(request, asked, offered)})


def _limits(request: Request, asked: Gateway, offered: OfferedGateway | None) -> list[NamespaceLimits] | None:
    """Return the ceilings from when the gateway has counted first; None while it does not count.

    A policy with a limit that Envoy Gateway cannot have counted has the whole route answer 500.
    """
    if asked.limits is None:
        return None
    live = request.resource(contract.GATEWAY_LIMITS)
    counts = live is not None and live.status_of("Ready") == "True"
    return asked.limits.namespaces if counts or (offered and offered.limits is not None) else None


def _found(request: Request, asked: Gateway, offered: OfferedGateway | None) -> OfferedGateway | None:
    """Return where the gateway is, and who vouches for it: new authorities once the certificate is theirs."""
    live = request.resource(contract.GATEWAY_CERTIFICATE)
    issuers = asked.issuers
    if asked.tls is None:
        made = live.text("status", "authorities") if live else None
        ca = made or (offered.ca if offered else None)
        # Without the authority that was made no client takes the certificate.
        return OfferedGateway(host=asked.host, ca=ca, issuers=issuers) if ca else offered
    named = asked.secret_ref
    arrived = (
        not _serves_another(request)
        if named is None
        else live is None or _is_delivered(live, named.name, asked.authorities)
    )
    if arrived or offered is None:
        return OfferedGateway(host=asked.host, ca=asked.authorities, issuers=issuers)
    # The gateway goes on with the certificate of before, and clients with those who vouch for it.
    return OfferedGateway(host=asked.host, ca=offered.ca, issuers=issuers)


def _is_delivered(live: View, secret: str, authorities: str | None) -> bool:
    """Tell whether the agent has delivered a certificate that authorities vouch for, and not one of before.

    Args:
        live: the delivery.
        secret: name of the Secret that the certificate is from.
        authorities: as PEM; None: nobody asks who has issued it.
    """
    said = live.condition("Synced")
    newest = (live.number("status", "observedGeneration") or 0) >= (
        live.number("metadata", "generation") or 0
    )
    theirs = live.text("spec", "target", "authorities") == authorities
    here = live.text("spec", "source", "name") == secret
    return said is not None and said.text("status") == "True" and newest and theirs and here


def _serves_another(request: Request) -> bool:
    """Tell whether the listener still has a certificate that cert-manager has not issued."""
    live = request.resource(contract.GATEWAY_LISTENS)
    listeners = live.each("status", "atProvider", "manifest", "spec", "listeners") if live else ()
    named = [ref.text("name") for each in listeners for ref in each.each("tls", "certificateRefs")]
    return bool(named) and contract.GATEWAY_ISSUED not in named


def _offered(request: Request) -> OfferedGateway | None:
    live = request.resource(_NAME)
    text = live.text("data", contract.OFFER_KEY) if live else None
    try:
        return View(json.loads(text or "{}")).parsed(OfferedGateway, "gateway")
    except ValueError:
        return None  # Somebody has written something else there, which is written anew.


def resource(
    composite: str, claim: Claim, allowed_namespaces: Sequence[str] | None, status: ClusterStatus
) -> Resource:
    """Compose the offer; it changes only with what a placed Model depends on.

    Args:
        composite: the XInferenceCluster's name.
        claim: whose it is.
        allowed_namespaces: as the spec has them.
        status: with its access and node pools.
    """
    made = manifest(composite, claim, allowed_namespaces, status)
    return Resource(_NAME, made, ready=exists, label="the cluster's offer to Models")


def manifest(
    composite: str, claim: Claim, allowed_namespaces: Sequence[str] | None, status: ClusterStatus
) -> dict[str, Any]:
    """Return the ConfigMap that holds the offer."""
    assert status.access is not None, "every place says how it is reached"
    offered = Offer(
        claim=OfferedBy(namespace=claim.namespace, name=claim.name),
        allowed_namespaces=None if allowed_namespaces is None else list(allowed_namespaces),
        access=status.access,
        node_pools=[_lasting(pool) for pool in status.node_pools or []],
        storage_class_name=status.storage_class_name,
        shared_storage=status.shared_storage,
        shared_storage_class_name=status.shared_storage_class_name,
        gateway=status.gateway,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": unique_name(composite, contract.OFFER),
            "namespace": status.access.namespace,
            "labels": {contract.OFFERED_BY: label_value(composite)},
        },
        "data": {contract.OFFER_KEY: json.dumps(offered.plain(), sort_keys=True)},
    }


def _lasting(pool: PoolStatus) -> PoolStatus:
    return pool.model_copy(update=_FLEETING)
