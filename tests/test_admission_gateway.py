"""What an API server refuses of a cluster's gateway, and that a function does in the same words."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ClusterSpec
from functions.base import Invalid, parse
from tests.test_admission import AWS, EXISTING, POOL, cluster
from tools.admission import admit

SECRET = {"secretRef": {"name": "models-tls"}}
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NO_HOST = "this is no DNS name: write it in lower case with its domain, as in models.example.org"
ONE_CERTIFICATE = "name exactly one of gateway.tls.secretRef and gateway.tls.issuerRef"
CERTIFICATES = "gateway.tls.ca holds certificates as PEM, and no private key: everybody may read it"


def gateway(place: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    asked = {"host": "models.example.org", "tls": SECRET, **fields}
    given = {key: value for key, value in asked.items() if value is not None}
    return cluster({**(place or {"existing": EXISTING}), "nodePools": [POOL], "gateway": given})


PUBLIC = '{"keys": [{"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"}]}'
PRIVATE = '{"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d" : "secret"}]}'
SHARED = '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'
NO_KEYS = "jwks is a JSON Web Key Set of public keys"
ONE_SOURCE = "name exactly one of jwks and jwksURI"
CORP = {"name": "corp", "issuer": "https://login.example.org/", "jwks": PUBLIC}


def issuers(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a gateway that lists an issuer; None leaves a field out."""
    given = {key: value for key, value in {**CORP, **fields}.items() if value is not None}
    return gateway(issuers=[given, *more])


BAD = {
    "an issuer without keys": (issuers(jwks=None), ONE_SOURCE),
    "an issuer with keys from two places": (issuers(jwksURI="https://login.example.org/keys"), ONE_SOURCE),
    "keys over plain HTTP": (
        issuers(jwks=None, jwksURI="http://login.example.org/keys"),
        "begins with https://",
    ),
    "no keys": (issuers(jwks="https://login.example.org/keys"), NO_KEYS),
    "a private key of an issuer": (issuers(jwks=PRIVATE), NO_KEYS),
    "a key that who verifies could sign with": (issuers(jwks=SHARED), NO_KEYS),
    "an issuer's blanks": (issuers(issuer="https://a b"), "this is no issuer"),
    "an issuer that is no address": (issuers(issuer="corp"), "this is no issuer"),
    "tokens in another header": (issuers(header="X-Token"), "header"),
    "a client's claim with blanks": (issuers(clientClaim="a b"), "this is no name of a claim"),
    "a URL": (gateway(host="https://models.example.org"), NO_HOST),
    "a port": (gateway(host="models.example.org:8443"), NO_HOST),
    "a path": (gateway(host="models.example.org/v1"), NO_HOST),
    "any host": (gateway(host="*.example.org"), NO_HOST),
    "capitals": (gateway(host="Models.example.org"), NO_HOST),
    "no domain": (gateway(host="models"), NO_HOST),
    "an address's end": (gateway(host="models.example.org."), NO_HOST),
    "a label of 64 characters": (gateway(host=f"{'a' * 64}.example.org"), NO_HOST),
    "no certificate": (gateway(tls={}), ONE_CERTIFICATE),
    "two certificates": (gateway(tls={**SECRET, "issuerRef": {"name": "own"}}), ONE_CERTIFICATE),
    "a Secret of another namespace": (
        gateway(tls={"secretRef": {"name": "../b/secrets/c"}}),
        "this is no name of a Secret",
    ),
    "a private key for everybody": (
        gateway(tls={**SECRET, "ca": f"{CA}-----BEGIN PRIVATE KEY-----"}),
        CERTIFICATES,
    ),
    "an authority's name": (gateway(tls={**SECRET, "ca": "our CA"}), CERTIFICATES),
    "a ceiling's minute that uses up the month": (
        gateway(limits={"namespaces": [{"name": "team-a", "tokensPerMinute": 6, "tokensPerMonth": 5}]}),
        "the first minute would use up the month",
    ),
    "a public load balancer by accident": (
        gateway(reach="Organisation"),
        "gateway.reach Organisation in an existing cluster needs gateway.serviceAnnotations",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    claim, message = BAD[name]
    problems = [str(problem) for problem in admit([claim])]
    assert any(message in problem for problem in problems), problems
    with pytest.raises(Invalid) as caught:
        parse(ClusterSpec, claim["spec"], "spec")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "claim",
    [
        gateway(),
        gateway(host=f"{'a' * 63}.b-c.example"),
        gateway(host="models.freehold-gateway.svc"),
        gateway(tls=None),
        gateway(reach="Organisation", serviceAnnotations={}),
        gateway({"aws": AWS}, reach="Organisation"),
        gateway(reach="Internet"),
        gateway(tls={**SECRET, "ca": CA * 3}),
        gateway(tls={"issuerRef": {"name": "own", "kind": "Issuer"}}),
        issuers(),
        issuers(jwks=None, jwksURI="https://login.example.org:8443/keys?v=1", clientClaim="ext.id"),
        issuers(header="Txn-Token"),
        issuers({**CORP, "name": "apps", "issuer": "https://kubernetes.default.svc.cluster.local"}),
    ],
)
def test_next_to_what_is_refused(claim: dict[str, Any]) -> None:
    assert admit([claim]) == []
    parse(ClusterSpec, claim["spec"], "spec")


def test_what_only_a_function_sees_of_keys() -> None:
    for jwks in (
        '{"keys": []}',
        '{"keys": [{"kid": "1"}]}',
        '{"keys": [1]}',
        '"keys"',
        '{"keys": [{"kty": "x"}]}',
    ):
        with pytest.raises(Invalid, match=NO_KEYS):
            parse(ClusterSpec, issuers(jwks=jwks)["spec"], "spec")
    with pytest.raises(Invalid, match=r"gateway.issuers names https://login.example.org/ more than once"):
        parse(ClusterSpec, issuers({**CORP, "name": "again"})["spec"], "spec")
