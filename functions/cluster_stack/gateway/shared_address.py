"""The address that all Models of a cluster share: https://HOST/v1, with the model named in the body.

Its route knows the keys of all Models and leads nowhere. A key is checked first; then the body is read, and
the Model that it names goes into a header, by which Envoy chooses anew: a Model's own route, whose policy
lets in the Model's own clients, or again this one, which refuses everybody. So a Model that does not exist
and one that the key is not for are refused by the same filter with the same words.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from functions.api import Gateway, contract

from ..agent import ANSWERS, SERVICE_ACCOUNT
from ..component import Own
from . import overload, usage

__all__ = ["PARTS", "POSTED", "bounds", "own", "script"]

_READS, _CHECKS, _LISTS, _BOUNDS, _ROUTE, _LIST, _MAY, _AGENT = PARTS = (
    "shared-reads",
    "shared-checks",
    "shared-lists",
    "shared-bounds",
    "shared-route",
    "shared-list",
    "shared-role",
    "shared-binding",
)
"""Names of the parts, which end those of composed resources."""
_NAMESPACE = contract.GATEWAY_NAMESPACE
_ROUTES, _ENVOY = "gateway.networking.k8s.io", "gateway.envoyproxy.io"
_ASK, _MODELS = "shared", "shared-models"
"""Names of the two routes, of requests and of the list of Models."""
POSTED = ("chat/completions", "completions", "responses", "embeddings", "rerank", "score", "classify")
"""As the Models' routes have them."""
_BODY = "10Mi"
"""A whole body is held, by each request until it is sent on: an Envoy has a GiB."""
_WAIT = "3600s"


def own(gateway: Gateway, listens: tuple[str, ...]) -> dict[str, Own]:
    """Return the manifests of the shared address, by what they are; nobody waits for them.

    Args:
        gateway: of the cluster.
        listens: parts of the gateway that must be ready before.
    """
    policies = (_READS, _CHECKS, _LISTS, _BOUNDS)
    return {
        _MAY: Own(_role()),
        _AGENT: Own(_binding()),
        _READS: Own(_reads(), listens),
        _CHECKS: Own(_checks(_ASK, {"authorization": {"defaultAction": "Deny"}}), listens),
        _LISTS: Own(_checks(_MODELS, {}), listens),
        _BOUNDS: Own(bounds(), listens),
        _ROUTE: Own(_route(gateway), policies),
        _LIST: Own(_list(gateway), policies),
    }


@cache
def script() -> str:
    """Return the Lua that reads which Model a body names."""
    return resources.files(__package__).joinpath("model_of_body.lua").read_text(encoding="utf-8")


def _object(api_version: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": _NAMESPACE},
        **content,
    }


def _targets(*routes: str) -> list[dict[str, Any]]:
    return [{"group": _ROUTES, "kind": "HTTPRoute", "name": name} for name in routes]


def _http_route(gateway: Gateway, name: str, rule: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "parentRefs": [{"name": contract.GATEWAY, "sectionName": contract.GATEWAY_LISTENER}],
        "hostnames": [gateway.host],
        # Envoy's own limit would cut a stream after 15 seconds.
        "rules": [{**rule, "timeouts": {"request": "0s"}}],
    }
    return _object(f"{_ROUTES}/v1", "HTTPRoute", name, spec=spec)


def _match(method: str, path: str) -> dict[str, Any]:
    return {"method": method, "path": {"type": "Exact", "value": f"/v1/{path}"}}


def _backend() -> dict[str, Any]:
    """Return the agent, which answers what Models there are."""
    return {"name": ANSWERS.name, "namespace": ANSWERS.namespace, "port": ANSWERS.port}


def _route(gateway: Gateway) -> dict[str, Any]:
    """Return the route of requests; its policy lets nothing on to the backend, which knows no such path."""
    matches = [_match("POST", path) for path in POSTED]
    return _http_route(gateway, _ASK, {"matches": matches, "backendRefs": [_backend()]})


def _list(gateway: Gateway) -> dict[str, Any]:
    return _http_route(gateway, _MODELS, {"matches": [_match("GET", "models")], "backendRefs": [_backend()]})


def _checks(route: str, more: dict[str, Any]) -> dict[str, Any]:
    """Let in who has a key of any Model: to the list, and to no Model.

    Envoy asks for a key once, by the policy of the route that it found first, and for the client by the
    policy of the route that it chose at last.
    """
    spec = {
        "targetRefs": _targets(route),
        "apiKeyAuth": {
            "credentialRefs": [{"group": "", "kind": "Secret", "name": contract.GATEWAY_KEYS}],
            "extractFrom": [{"headers": ["Authorization"]}],
            "forwardClientIDHeader": contract.GATEWAY_CLIENT,
            "sanitize": True,
        },
        **more,
    }
    return _object(f"{_ENVOY}/v1alpha1", "SecurityPolicy", route, spec=spec)


def _reads() -> dict[str, Any]:
    """Have the body read, and then what is done at every other route: counting, refusing too much."""
    scripts = [{"type": "Inline", "inline": script()}, usage.lua(), overload.lua()]
    spec = {"targetRefs": _targets(_ASK), "lua": scripts}
    return _object(f"{_ENVOY}/v1alpha1", "EnvoyExtensionPolicy", _ASK, spec=spec)


def bounds() -> dict[str, Any]:
    """Bound the body, cut no stream, and say in OpenAI's words what Envoy refuses.

    The words of the first route hold for the Model's, too, so they are the same whatever there is.
    """
    spec = {
        "targetRefs": _targets(_ASK, _MODELS),
        "requestBuffer": {"limit": _BODY},
        "timeout": {
            "tcp": {"connectTimeout": "10s"},
            "http": {"requestTimeout": "0s", "maxStreamDuration": "0s", "streamIdleTimeout": _WAIT},
        },
        "responseOverride": [
            _says(
                401,
                401,
                "No valid key: send one of a Model's as Authorization: Bearer KEY. Tokens of issuers are "
                "taken at a Model's own address alone, /NAMESPACE/NAME/v1.",
                code="invalid_api_key",
            ),
            _says(
                403,
                404,
                "The model does not exist, or the key is not for it.",
                param="model",
                code="model_not_found",
            ),
            _says(
                413,
                413,
                f"The body is larger than {_BODY}B.",
            ),
        ],
    }
    return _object(f"{_ENVOY}/v1alpha1", "BackendTrafficPolicy", _ASK, spec=spec)


def _says(
    of: int, status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {
        "match": {"statusCodes": [{"type": "Value", "value": of}]},
        "source": "Local",
        "response": {
            "statusCode": status,
            "contentType": "application/json",
            "body": {"type": "Inline", "inline": json.dumps({"error": error})},
        },
    }


def _role() -> dict[str, Any]:
    """Return what lets the agent write one Secret; it reads none here."""
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [contract.GATEWAY_KEYS],
        # An apply of what is not there yet is a create of that name.
        "verbs": ["create", "patch"],
    }
    return _object("rbac.authorization.k8s.io/v1", "Role", "agent-keys", rules=[rule])


def _binding() -> dict[str, Any]:
    name, namespace = SERVICE_ACCOUNT
    return _object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "agent-keys",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent-keys"},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    )
