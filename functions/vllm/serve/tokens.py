"""A Model's second route at the gateway, for tokens of issuers (JWT) that the platform lists.

A key and a token come in the same header, and policies of one route would ask for both. So a request with
what has a token's form comes to a route of its own; so does one with a transaction token, which has a header
of its own, and lets in by itself. Which issuers there are is the platform's to say; of the
spec a name is taken, and no address and no key.

What of a token belongs to the Model, audience and claims, is asked by the route's authorization. What Envoy
verifies it by is the issuer's alone, and so the same for all Models: it stands in the listener, of which each
change ends streams in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from functions.api import TokenHeader, TokenIssuer, Tokens, contract
from functions.base import Request, Resource

from ..plan import Plan
from .objects import in_cluster
from .routing import ACCEPTED, POLICIES, base, gateway_object, http_route, match, refusal, rule, target

__all__ = ["PARTS", "ROUTE", "gone", "name", "not_taken", "route", "taken"]

_ROUTE, _SECURITY = "token-route", "token-route-security"
ROUTE = f"vllm/{_ROUTE}"
"""Composed resource: the route itself."""
PARTS = (ROUTE, f"vllm/{_SECURITY}")
"""Composed resources, in the order in which they go."""
_TOKEN = r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
"""A signed token: its first part is JSON in base64, whose `{"` is `eyJ`."""
_BEFORE = {TokenHeader.AUTHORIZATION: "Bearer ", TokenHeader.TXN_TOKEN: ""}
"""What stands before a token in each header."""


def name(plan: Plan) -> str:
    """Return the name of the route and its policy in the Model's namespace."""
    return f"{plan.engine.name}-tokens"


def taken(plan: Plan) -> list[tuple[Tokens, TokenIssuer]]:
    """Return whose tokens the Model takes: those of issuers that the cluster's gateway lists, by name.

    The order of the claim would be another filter in the listener that all Models share.
    """
    offered = (plan.gateway.issuers if plan.gateway else None) or ()
    listed = {issuer.name: issuer for issuer in offered}
    asked = sorted(plan.spec.access.jwt, key=lambda tokens: tokens.issuer)
    return [(tokens, issuer) for tokens in asked if (issuer := listed.get(tokens.issuer))]


def route(plan: Plan, after: Sequence[str]) -> list[Resource]:
    """Compose the route and its policy; none where the Model takes no tokens.

    Args:
        plan: of the Model.
        after: what the route waits for, as the route for keys does.
    """
    if not taken(plan):
        return []
    return [
        in_cluster(plan, _SECURITY, _security(plan), label="the policy of the Model's route for tokens"),
        in_cluster(
            plan,
            _ROUTE,
            _http_route(plan),
            label="the Model's route for tokens at the gateway",
            after=(_SECURITY, *after),
            ready=ACCEPTED,
        ),
    ]


def gone(request: Request, plan: Plan) -> list[str]:
    """Return what goes where the Model takes no tokens: the route first, since its policy closes it."""
    if taken(plan):
        return []
    return [name for name in PARTS if name in request.observed][:1]


def not_taken(request: Request, plan: Plan) -> list[str]:
    """Say whose tokens are not taken, and why; keys are, whatever becomes of tokens."""
    asked = [tokens.issuer for tokens in plan.spec.access.jwt]
    if not asked:
        return []
    if plan.gateway is None:
        return [
            "no tokens of spec.access.jwt are taken: the Model's cluster has no gateway. Ask its owner for "
            "one"
        ]
    known = {tokens.issuer for tokens, _ in taken(plan)}
    unknown = [issuer for issuer in asked if issuer not in known]
    said = []
    if unknown:
        names = ", ".join(unknown)
        said.append(
            f"spec.access.jwt: tokens of {names} are not taken, since the cluster's gateway lists no such "
            "issuer. Correct the name, or ask the cluster's owner to list it in spec.gateway.issuers"
        )
    for name in PARTS:
        live = request.resource(name)
        why = refusal(live) if live else None
        if why is not None:
            words = (why.text("message") or why.text("reason") or "no word why").rstrip(". \n")
            said.append(
                f"spec.access.jwt: no tokens are taken, since the cluster's gateway refuses the route for "
                f"them: {words}. Ask the cluster's owner to see after the gateway"
            )
            break
    return said


def _http_route(plan: Plan) -> dict[str, Any]:
    """Return the route; the engine sees whose token it was, and no token."""
    come_in = sorted({issuer.header for _, issuer in taken(plan)})
    forms = [
        {"type": "RegularExpression", "name": header.value, "value": f"{_BEFORE[header]}{_TOKEN}"}
        for header in come_in
    ]
    client = f"%REQ({contract.GATEWAY_ISSUER})%:%REQ({contract.GATEWAY_SUBJECT})%"
    told = {
        "set": [{"name": contract.GATEWAY_CLIENT, "value": client}],
        # Not the two: Envoy removes before it reads what to set.
        "remove": ["Authorization"],
    }
    rules = [
        rule(
            plan,
            [match(f"{base(plan)}{path}", method, headers=[form]) for form in forms],
            own,
            told,
        )
        for path, (method, own) in plan.engine.api.items()
    ]
    return http_route(plan, rules, name(plan))


def _security(plan: Plan) -> dict[str, Any]:
    """Let in whose token is of an issuer, for the Model's audience, and says what the spec asks of it."""
    both = taken(plan)
    spec = {
        "targetRefs": [target(name(plan))],
        "jwt": {"providers": [_provider(issuer) for _, issuer in both]},
        "authorization": {
            "defaultAction": "Deny",
            "rules": [rule for tokens, issuer in both for rule in _rules(tokens, issuer)],
        },
    }
    return gateway_object(plan, POLICIES, "SecurityPolicy", spec, name(plan))


def _provider(issuer: TokenIssuer) -> dict[str, Any]:
    """Return how tokens of an issuer are verified: the same for every Model."""
    keys: dict[str, Any] = (
        {"localJWKS": {"type": "Inline", "inline": issuer.jwks}}
        if issuer.jwks
        else {"remoteJWKS": {"uri": issuer.jwks_uri, "cacheDuration": "300s"}}
    )
    before = _BEFORE[issuer.header]
    prefix = {"valuePrefix": before} if before else {}
    return {
        "name": issuer.name,
        "issuer": issuer.issuer,
        **keys,
        # Else a token in the address would count, too.
        "extractFrom": {"headers": [{"name": issuer.header.value, **prefix}]},
        "claimToHeaders": [
            {"header": contract.GATEWAY_ISSUER, "claim": "iss"},
            {"header": contract.GATEWAY_SUBJECT, "claim": issuer.client_claim},
        ],
    }


def _rules(tokens: Tokens, issuer: TokenIssuer) -> Iterable[dict[str, Any]]:
    """Return what lets in: `aud` is a string or a list of strings (RFC 7519), so there are two rules."""
    claims = [_claim(each.name, each.values, is_list=each.is_list) for each in tokens.claims]
    if tokens.service_accounts:
        claims.append(_claim("sub", [account.subject for account in tokens.service_accounts]))
    # Envoy divides the claim at its blanks.
    scopes = {"scopes": tokens.scopes} if tokens.scopes else {}
    for form, is_list in (("one", False), ("among", True)):
        asked = [_claim("aud", [tokens.audience], is_list=is_list), *claims]
        yield {
            "name": f"{issuer.name}-{form}",
            "action": "Allow",
            "principal": {"jwt": {"provider": issuer.name, "claims": asked, **scopes}},
        }


def _claim(name: str, values: list[str], *, is_list: bool = False) -> dict[str, Any]:
    return {"name": name, "valueType": "StringArray" if is_list else "String", "values": values}
