"""A Model's route at its cluster's gateway, and the key without which nothing passes it.

In their order: the agent makes the key and brings it into the cluster; the policies follow, and when the
Model's pods have answered once, the route. A route without its policies would let everybody in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.api import contract
from functions.base import Condition, Request, Resource, Status, Whose, remote, unique_name

from ..plan import Plan
from . import tokens
from .clients import client_keys, ids, own_id, rotation
from .delivery import deliveries, resources_of
from .limits import counted
from .load import carried
from .network_policy import SERVING_POLICY
from .objects import in_cluster
from .routing import (
    ACCEPTED,
    POLICIES,
    base,
    gateway_object,
    http_route,
    leads,
    match,
    origin,
    refusal,
    rule,
    target,
)

__all__ = [
    "PARTS",
    "ROUTE",
    "answers",
    "gone",
    "key",
    "key_source",
    "refused",
    "route",
    "shared_model",
    "shared_url",
    "url",
]

_ROUTE, _SECURITY, _TRAFFIC = "route", "route-security", "route-traffic"
ROUTE = f"vllm/{_ROUTE}"
"""Composed resource: the route itself."""
PARTS = (ROUTE, f"vllm/{_SECURITY}", f"vllm/{_TRAFFIC}")
"""Composed resources of the route, in the order in which they go."""
_KEY = "api-key"
"""In names of what brings the key."""
_WAIT = "3600s"
"""How long nothing need be sent on a stream: a request may wait in the engine's queue for its first token."""
_BODY = "10Mi"
"""The largest request: more than a million tokens, or some images, of text."""


def url(plan: Plan) -> str:
    """Return the Model's OpenAI base URL at the gateway; it has the claim's name and no placement's."""
    return f"{origin(plan)}{base(plan)}/v1"


def shared_url(plan: Plan) -> str:
    """Return the OpenAI base URL of all Models of the cluster."""
    return f"{origin(plan)}/v1"


def shared_model(plan: Plan) -> str:
    """Return what requests at the shared address name the Model by."""
    return f"{plan.claim.namespace}/{plan.claim.name}"


def key_source(plan: Plan) -> remote.SecretKey:
    """Return where the agent keeps the key: in the platform namespace, one for all placements of a Model."""
    namespace = plan.placement.provider_config_namespace
    return remote.SecretKey(namespace, unique_name(plan.composite, _KEY), "key")


def key(plan: Plan) -> list[Resource]:
    """Compose what brings the key to the gateway; none without a gateway."""
    if plan.gateway is None:
        return []
    return deliveries(
        plan,
        _KEY,
        key_source(plan),
        own_id(plan),
        "the Model's key",
        made=rotation(plan),
        clients=client_keys(plan),
        called=contract.MODEL_KEYS,
    )


def route(plan: Plan, workload: str, key: Sequence[Resource]) -> list[Resource]:
    """Compose the route and its policies; none without a gateway.

    Args:
        plan: of the Model.
        workload: composed resource that has answered before there is a route.
        key: what brings the key.
    """
    if plan.gateway is None:
        return []
    # The delivery is ready once the key is in the cluster.
    delivered = [resource.name.removeprefix("vllm/") for resource in key]
    before = (_SECURITY, _TRAFFIC, "service", SERVING_POLICY, workload.removeprefix("vllm/"))
    return [
        in_cluster(
            plan, _SECURITY, _security(plan), label="the policy of the Model's route", after=delivered
        ),
        in_cluster(plan, _TRAFFIC, _traffic(plan), label="the timeouts of the Model's route"),
        in_cluster(
            plan,
            _ROUTE,
            http_route(plan, [*_own(plan), *_shared(plan)]),
            label="the Model's route at the gateway",
            after=before,
            ready=ACCEPTED,
        ),
        *tokens.route(plan, before),
    ]


def gone(request: Request) -> list[str]:
    """Return what goes of routes whose gateway is gone: the routes first, since their policies close them."""
    routes = [name for name in (ROUTE, tokens.ROUTE) if name in request.observed]
    parts = (*PARTS, *tokens.PARTS, *resources_of(_KEY))
    return routes or [name for name in parts if name in request.observed]


def answers(request: Request) -> bool:
    """Tell whether the gateway has taken the route."""
    live = request.resource(ROUTE)
    return live is not None and live.status_of("Ready") == "True"


def refused(request: Request, type_: str) -> Condition | None:
    """Return the condition of a Model whose route, or a policy of it, the gateway refuses; None for none.

    Args:
        request: the Model's.
        type_: of the condition.
    """
    for name in PARTS:
        live = request.resource(name)
        said = refusal(live) if live else None
        if said is not None:
            why = (said.text("message") or said.text("reason") or "no word why").rstrip(". \n")
            text = (
                f"the cluster's gateway refuses the Model's route: {why}. Ask the cluster's owner to see "
                "after the gateway"
            )
            return Condition(type_, Status.FALSE, "RouteRefused", text, Whose.PLATFORM)
    return None


def _own(plan: Plan) -> list[dict[str, Any]]:
    return [
        rule(plan, [match(f"{base(plan)}{path}", method)], own)
        for path, (method, own) in plan.engine.api.items()
    ]


def _shared(plan: Plan) -> list[dict[str, Any]]:
    """Return the rules of the address that all Models of the cluster share; a route takes 16 rules at most.

    Its own route, which function-cluster-stack composes, asks for a key, reads which Model a body names and
    sets the header. The policies of this route hold for what comes here by it, but for the key.
    """
    header = {"type": "Exact", "name": contract.GATEWAY_MODEL, "value": shared_model(plan)}
    posted = [(path, own) for path, (method, own) in plan.engine.api.items() if method == "POST"]
    same = [match(path, "POST", headers=[header]) for path, own in posted if path == own]
    others = [rule(plan, [match(path, "POST", headers=[header])], own) for path, own in posted if path != own]
    return [leads(plan, same), *others]


def _security(plan: Plan) -> dict[str, Any]:
    """Let in who has a key of the Model.

    Where the Secret of keys is empty, Envoy takes the keys of whichever route of the listener it met first.
    So the holders are named, too: another Model's keys have others.
    """
    header = {"name": contract.GATEWAY_CLIENT, "values": ids(plan)}
    spec = {
        "targetRefs": [target(plan.engine.name)],
        "apiKeyAuth": {
            "credentialRefs": [{"group": "", "kind": "Secret", "name": contract.MODEL_KEYS}],
            "extractFrom": [{"headers": ["Authorization"]}],
            "forwardClientIDHeader": contract.GATEWAY_CLIENT,
            "sanitize": True,
        },
        "authorization": {
            "defaultAction": "Deny",
            "rules": [{"name": "own-key", "action": "Allow", "principal": {"headers": [header]}}],
        },
    }
    return gateway_object(plan, POLICIES, "SecurityPolicy", spec)


def _traffic(plan: Plan) -> dict[str, Any]:
    """Never cut a stream, bound what is under way, and send nothing twice that may have been begun.

    Envoy passes on no request before it has all of it, so clients that send slowly hold no connection of the
    engine's. It reads the body once the key has been found right.
    """
    routes = [plan.engine.name, *([tokens.name(plan)] if tokens.taken(plan) else [])]
    spec = {
        "targetRefs": [target(name) for name in routes],
        "requestBuffer": {"limit": _BODY},
        "timeout": {
            "tcp": {"connectTimeout": "10s"},
            "http": {"requestTimeout": "0s", "maxStreamDuration": "0s", "streamIdleTimeout": _WAIT},
        },
        "retry": {
            "numRetries": 2,
            "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset-before-request"]},
        },
        **carried(plan),
        **counted(plan),
    }
    return gateway_object(plan, POLICIES, "BackendTrafficPolicy", spec)
