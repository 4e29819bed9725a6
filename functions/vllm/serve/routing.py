"""What a Model's routes at the gateway are made of, whatever lets a request in there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.api import TokenHeader, contract
from functions.base import View

from ..plan import Plan

__all__ = [
    "ACCEPTED",
    "POLICIES",
    "ROUTES",
    "base",
    "gateway_object",
    "http_route",
    "leads",
    "match",
    "origin",
    "refusal",
    "rule",
    "target",
]

ROUTES, POLICIES = "gateway.networking.k8s.io", "gateway.envoyproxy.io"
"""API groups of routes, and of the policies for them."""
_STATUS = ("status", "atProvider", "manifest", "status")
_TAKEN = ("Accepted", "ResolvedRefs")
ACCEPTED = (
    "has(object.status) && has(object.status.parents) && object.status.parents.exists(p, "
    f"p.parentRef.name == '{contract.GATEWAY}' && has(p.conditions) && ['Accepted', 'ResolvedRefs'].all(t, "
    "p.conditions.exists(c, c.type == t && c.status == 'True' "
    "&& (!has(c.observedGeneration) || c.observedGeneration >= object.metadata.generation))))"
)
"""CEL that holds once the gateway has taken a route."""


def origin(plan: Plan) -> str:
    """Return the gateway's address."""
    assert plan.gateway is not None, "there is a gateway"
    port = "" if plan.gateway.port == 443 else f":{plan.gateway.port}"
    return f"https://{plan.gateway.host}{port}"


def base(plan: Plan) -> str:
    """Return the path that begins all paths of the Model's own address."""
    return f"/{plan.claim.namespace}/{plan.claim.name}"


def gateway_object(plan: Plan, group: str, kind: str, spec: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Return an object of the Gateway API, or of Envoy Gateway's, in the Model's namespace."""
    version = "v1" if group == ROUTES else "v1alpha1"
    metadata = {"name": name or plan.engine.name, "namespace": plan.placement.namespace}
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def http_route(plan: Plan, rules: list[dict[str, Any]], name: str = "") -> dict[str, Any]:
    """Return a route at the gateway's host; a route takes 16 rules at most."""
    assert plan.gateway is not None, "there is a gateway"
    parent = {
        "name": contract.GATEWAY,
        "namespace": contract.GATEWAY_NAMESPACE,
        "sectionName": contract.GATEWAY_LISTENER,
    }
    spec = {"parentRefs": [parent], "hostnames": [plan.gateway.host], "rules": rules}
    return gateway_object(plan, ROUTES, "HTTPRoute", spec, name)


def match(path: str, method: str, **more: Any) -> dict[str, Any]:
    """Return a match of one path and method."""
    return {"path": {"type": "Exact", "value": path}, "method": method, **more}


def rule(
    plan: Plan, matches: list[dict[str, Any]], own: str, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the rule of one path; what no rule names, such as the engine's metrics, is not found.

    Args:
        plan: of the Model.
        matches: what the rule is for.
        own: the engine's path.
        told: what of the request's headers is changed on the way to the engine.
    """
    rewrite = {"path": {"type": "ReplaceFullPath", "replaceFullPath": own}}
    return leads(plan, matches, {"type": "URLRewrite", "urlRewrite": rewrite}, told=told)


def leads(
    plan: Plan,
    matches: list[dict[str, Any]],
    *filters: dict[str, Any],
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a rule that leads to the Model.

    No engine gets a transaction token, at whatever route it comes: a team chooses its engine's image, and
    the token may be good for other Models.
    """
    removed = (*(told or {}).get("remove", ()), TokenHeader.TXN_TOKEN.value)
    modifier = {**(told or {}), "remove": list(removed)}
    return {
        "matches": matches,
        "filters": [*filters, {"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}],
        "backendRefs": [{"name": plan.engine.name, "port": plan.engine.port}],
        # Envoy's own limit would cut a stream after 15 seconds.
        "timeouts": {"request": "0s"},
    }


def target(name: str) -> dict[str, Any]:
    """Return how a policy names a route."""
    return {"group": ROUTES, "kind": "HTTPRoute", "name": name}


def refusal(live: View) -> View | None:
    """Return the condition by which a controller refuses an object of the Gateway API."""
    for kind in ("parents", "ancestors"):
        for parent in live.each(*_STATUS, kind):
            for condition in parent.each("conditions"):
                if condition.text("type") in _TAKEN and condition.text("status") == "False":
                    return condition
    return None
