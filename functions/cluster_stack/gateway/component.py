"""The gateway as a component: Envoy Gateway's chart, and one Gateway for all Models of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import GatewayChart, contract
from functions.base import Request

from ..component import Component, Namespace, PodSecurity, workload
from ..facts import Facts
from ..secrets import Brought
from . import limits, manifests, trouble

__all__ = ["COMPONENT", "addresses"]

# Envoy Gateway keeps the Envoys in its own namespace, or may make Deployments in every namespace.
_NAMESPACE = Namespace(
    contract.GATEWAY_NAMESPACE, PodSecurity.RESTRICTED, labels=manifests.MANAGED_BY, goes=True
)


def _values(facts: Facts) -> dict[str, Any]:
    tolerations = {"tolerations": manifests.tolerations(facts)}
    assert facts.gateway is not None, "the component is wanted only with one"
    counts, runs = limits.config(facts.gateway, tolerations)
    return {
        # Of what stands outside of the namespace.
        "fullnameOverride": contract.GATEWAY_NAMESPACE,
        "config": {
            "envoyGateway": {
                # Of our own, so that an Envoy Gateway which somebody else has installed leaves ours alone.
                "gateway": {"controllerName": manifests.CONTROLLER},
                # Of the namespaces below alone, in which nobody but Freehold writes: it runs in Envoys, and
                # the controller tries it.
                "extensionApis": {"enableLua": True},
                **counts,
                "provider": {
                    "type": "Kubernetes",
                    # Of other namespaces nothing is looked at: neither their Gateways nor their routes.
                    "kubernetes": {
                        "watch": {
                            "type": "NamespaceSelector",
                            "namespaceSelector": {"matchLabels": manifests.MANAGED_BY},
                        },
                        **runs,
                    },
                },
            }
        },
        # It changes pods of every namespace, to tell Envoys their zone, by which nothing is routed here.
        "topologyInjector": {"enabled": False},
        "deployment": {"pod": tolerations},
        "certgen": {"job": tolerations},
    }


def _secrets(facts: Facts) -> Sequence[Brought]:
    gateways = (facts.gateway, facts.former.gateway if facts.former else None)
    gateway = next((each for each in gateways if each and each.issuer_ref is None), None)
    if gateway is None:
        return ()
    named = gateway.secret_ref
    if named is None:
        return (Brought(manifests.BROUGHT, "", gateway.host, "the gateway's certificate"),)
    label = f"the gateway's certificate in Secret {named.name}"
    return (Brought(manifests.BROUGHT, named.name, gateway.host, label, gateway.authorities or ""),)


def addresses(request: Request) -> list[str]:
    """Return the addresses, or DNS names, that lead to the gateway; none while it has none."""
    return manifests.addresses(request)


COMPONENT = Component(
    name=contract.GATEWAY_COMPONENT,
    label="the gateway",
    about="Envoy Gateway, where spec.gateway asks for it.",
    namespace=_NAMESPACE,
    wanted=lambda facts: facts.gateway is not None,
    values=_values,
    given=GatewayChart,
    observed=(workload(contract.GATEWAY_COMPONENT, "Deployment", _NAMESPACE, "envoy-gateway"),),
    own=manifests.own,
    parts=manifests.PARTS,
    secrets=_secrets,
    brings=(manifests.BROUGHT,),
    trouble=trouble.of,
    warning=trouble.soon,
)
