"""Secrets that a component needs in the cluster: the agent brings the claim's, or makes them.

No Object holds them: a SecretDelivery names the Secret, and a ConfigMap in the cluster owns the one there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.api import SecretDelivery, contract
from functions.base import Resource, View, condition_true

__all__ = ["Brought", "delivery", "delivery_name", "delivery_resource", "owner"]


@dataclass(frozen=True)
class Brought:
    """A certificate, with its private key."""

    name: str
    """Of the Secret in the cluster."""
    source: str
    """Name of the Secret in the claim's namespace; empty: the agent makes the certificate."""
    host: str
    """DNS name that the certificate must be for."""
    label: str
    """How messages name it."""
    authorities: str = ""
    """Those that must vouch for the certificate, as PEM; empty: nobody asks who has issued it."""


def owner(brought: Brought, namespace: str, delivery: str) -> dict[str, Any]:
    """Return the ConfigMap that owns a Secret in the cluster, by which the agent knows where it may write.

    Args:
        brought: the Secret.
        namespace: of both.
        delivery: name of the SecretDelivery.
    """
    metadata = {
        "name": brought.name,
        "namespace": namespace,
        "annotations": {contract.DELIVERY_OF: delivery},
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def delivery(
    name: str,
    brought: Brought,
    source: tuple[str, str],
    *,
    into: str,
    provider_config: tuple[str, str],
) -> dict[str, Any]:
    """Return the SecretDelivery of a certificate.

    Args:
        name: of the SecretDelivery.
        brought: the Secret.
        source: namespace and name of the Secret in the control plane.
        into: namespace of the Secret in the cluster.
        provider_config: namespace and name of the ProviderConfig by which the cluster is reached.
    """
    namespace, config = provider_config
    spec = {
        "source": {"namespace": source[0], "name": source[1], "key": "tls.crt"},
        **({} if brought.source else {"made": True}),
        "target": {
            "namespace": into,
            "name": brought.name,
            "key": "tls.crt",
            "type": "kubernetes.io/tls",
            "labels": {"app.kubernetes.io/managed-by": "freehold"},
            "certificateFor": brought.host,
            **({"authorities": brought.authorities} if brought.authorities else {}),
        },
        "providerConfigRef": {"kind": "ProviderConfig", "name": config},
    }
    SecretDelivery.model_validate(spec)
    return {
        "apiVersion": contract.DELIVERY_API_VERSION,
        "kind": contract.DELIVERY_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def delivery_name(component: str, secret: str) -> str:
    """Return the name in the composition of a Secret's delivery."""
    return f"cluster-stack/{component}-{secret}-delivery"


def delivery_resource(name: str, manifest: dict[str, Any], after: str, brought: Brought) -> Resource:
    """Return the composed resource of a delivery, ready once its present source was delivered."""
    source = manifest["spec"]["source"]

    def ready(observed: View) -> bool:
        last = {key: observed.text("status", "delivered", key) for key in source}
        return condition_true()(observed) and (not observed.has("status", "delivered") or last == source)

    return Resource(name, manifest, (after,), ready, label=brought.label)
