"""What keeps the gateway from serving, in the words of whoever knows: agent, cert-manager, Envoy Gateway."""

from __future__ import annotations

from functions.api import EXPIRES_SOON, contract
from functions.base import Request, View, condition_true

from ..component import Trouble
from .manifests import CERTIFICATE, CLIENTS, GATEWAY, IN_CLUSTER, SERVICE, composed

__all__ = ["of", "soon"]

_NAMESPACE = contract.GATEWAY_NAMESPACE


def of(request: Request) -> Trouble | None:
    """Return what is wrong, the first cause first; None while nothing says that anything is."""
    return (
        _undelivered(request)
        or _unissued(request)
        or _listener(request)
        or _unprogrammed(request)
        or _not_taken(request)
        or _no_address(request)
    )


def soon(request: Request) -> str:
    """Return what will keep it from serving, and what to do before; empty where nothing is known to."""
    live = request.resource(contract.GATEWAY_CERTIFICATE)
    said = live.condition("Synced") if live else None
    if said is None or said.text("reason") != EXPIRES_SOON:
        return ""
    return said.text("message") or "its certificate expires soon"


def _undelivered(request: Request) -> Trouble | None:
    live = request.resource(contract.GATEWAY_CERTIFICATE)
    said = live.condition("Synced") if live else None
    if said is None or said.text("status") == "True":
        return None
    why = said.text("message") or "the agent does not say why"
    return Trouble(said.text("reason") or "Undelivered", f"its certificate does not reach the cluster: {why}")


def _unissued(request: Request) -> Trouble | None:
    live = request.resource(composed(CERTIFICATE))
    said = _condition(live, "Ready") if live else None
    if said is None or said.text("status") == "True":
        return None
    why = said.text("message") or "cert-manager does not say why"
    return Trouble(
        "CertificateNotIssued",
        f"cert-manager has not issued its certificate: {why}. Look at Certificate {_NAMESPACE}/"
        f"{contract.GATEWAY} of the cluster, and at spec.gateway.tls.issuerRef",
    )


def _listener(request: Request) -> Trouble | None:
    live = request.resource(composed(GATEWAY))
    for listener in live.each(*IN_CLUSTER, "status", "listeners") if live else ():
        for said in listener.each("conditions"):
            if said.text("type") == "ResolvedRefs" and said.text("status") == "False":
                reason = said.text("reason") or "InvalidCertificateRef"
                return Trouble(reason, f"its certificate cannot be used: {_words(said)}")
    return None


def _unprogrammed(request: Request) -> Trouble | None:
    live = request.resource(composed(GATEWAY))
    for type_ in ("Accepted", "Programmed"):
        said = _condition(live, type_) if live else None
        if said is not None and said.text("status") == "False":
            where = f"Look at the pods in namespace {_NAMESPACE} of the cluster"
            return Trouble(
                said.text("reason") or f"Not{type_}", f"Envoy Gateway says: {_words(said)}. {where}"
            )
    return None


def _not_taken(request: Request) -> Trouble | None:
    live = request.resource(composed(CLIENTS))
    for ancestor in live.each(*IN_CLUSTER, "status", "ancestors") if live else ():
        for said in ancestor.each("conditions"):
            if said.text("type") == "Accepted" and said.text("status") == "False":
                text = f"Envoy Gateway does not take its limits for clients: {_words(said)}"
                return Trouble("ClientTrafficPolicyRefused", text)
    return None


def _no_address(request: Request) -> Trouble | None:
    live = request.resource(composed(SERVICE))
    if live is None or condition_true()(live) or not live.has(*IN_CLUSTER):
        return None
    return Trouble(
        "AddressPending",
        f"nothing has given Service {_NAMESPACE}/{contract.GATEWAY} a load balancer yet, which takes a cloud "
        "some minutes. If this lasts, look at the Service's events: a cloud needs quota for it, and subnets "
        "with its tags (on AWS kubernetes.io/role/internal-elb, or kubernetes.io/role/elb for the internet); "
        "a cluster without a cloud needs what hands out addresses, such as MetalLB, or reach Cluster",
    )


def _condition(live: View, type_: str) -> View | None:
    said = live.each(*IN_CLUSTER, "status", "conditions")
    return next((each for each in said if each.text("type") == type_), None)


def _words(said: View) -> str:
    return (said.text("message") or said.text("reason") or "it does not say why").rstrip(". ")
