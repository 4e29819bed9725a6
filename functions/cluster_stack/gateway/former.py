"""The certificate that a gateway's listener has until the one that the spec asks for is in the cluster."""

from __future__ import annotations

from functions.api import Gateway, GatewayTls, Issuer, IssuerRef, SecretDelivery, TlsSecretRef, contract
from functions.base import Request, View, condition_true

from ..facts import Former
from .manifests import BROUGHT, CERTIFICATE, GATEWAY, IN_CLUSTER, ISSUED, composed, secret_of

__all__ = ["former"]

_ASKED = ("spec", "forProvider", "manifest")
"""Where an Object has what it makes."""


def former(request: Request, asked: Gateway | None) -> Former | None:
    """Return where the listener's certificate is from, as long as that is elsewhere than the spec asks for.

    cert-manager's certificate and one that is brought are two Secrets. The listener turns to the other once
    that is in the cluster, and what makes the one of before stays until it has turned.

    Args:
        request: with the live listener, and what makes its certificate.
        asked: as the spec has it.
    """
    listener = request.resource(composed(GATEWAY))
    if asked is None or listener is None:
        return None
    wanted = secret_of(asked)
    names = (_named(listener, *_ASKED), _named(listener, *IN_CLUSTER))
    if not any(name and name != wanted for name in names):
        return None
    before = _brought(request, asked) if wanted == ISSUED else _issued(request, asked)
    serves = bool(names[0]) and names[0] != wanted and not _is_there(request, wanted)
    return Former(before, serves=serves)


def _named(listener: View, *where: str) -> str | None:
    """Return the name of the Secret that the listener has its certificate from."""
    for each in listener.each(*where, "spec", "listeners"):
        for ref in each.each("tls", "certificateRefs"):
            return ref.text("name")
    return None


def _is_there(request: Request, wanted: str) -> bool:
    """Tell whether a Secret is in the cluster, as whoever makes it says."""
    maker = request.resource(contract.GATEWAY_CERTIFICATE if wanted == BROUGHT else composed(CERTIFICATE))
    return maker is not None and condition_true()(maker)


def _brought(request: Request, asked: Gateway) -> Gateway | None:
    """Return the gateway with the certificate that the live delivery brings; None where there is none."""
    live = request.resource(contract.GATEWAY_CERTIFICATE)
    delivery = live.parsed(SecretDelivery, "spec") if live else None
    if delivery is None:
        return None
    tls = None
    if not delivery.made:
        ref = TlsSecretRef(name=delivery.source.name)
        tls = GatewayTls(secret_ref=ref, ca=delivery.target.authorities)
    host = delivery.target.certificate_for or asked.host
    return asked.model_copy(update={"host": host, "tls": tls})


def _issued(request: Request, asked: Gateway) -> Gateway | None:
    """Return the gateway with the certificate that cert-manager has issued; None where there is none."""
    live = request.resource(composed(CERTIFICATE))
    name = live.text(*_ASKED, "spec", "issuerRef", "name") if live else None
    if live is None or name is None:
        return None
    kind = live.text(*_ASKED, "spec", "issuerRef", "kind") or Issuer.CLUSTER_ISSUER
    hosts = live.texts(*_ASKED, "spec", "dnsNames") or (asked.host,)
    tls = GatewayTls(issuer_ref=IssuerRef(name=name, kind=Issuer(kind)))
    return asked.model_copy(update={"host": hosts[0], "tls": tls})
