"""The address that all Models of a cluster share: the keys that its route takes, and the list of Models.

Followed are the namespaces of Models, which nobody but Freehold labels so, their routes at the gateway, which
say what a Model is called by, and their Secrets of keys. Of these one Secret is made, beside the gateway.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from urllib3.exceptions import HTTPError

from functions.api import contract

from .asking import Question
from .cluster import Cluster, Refused
from .keys_of_all import KeysOf, Merged, decoded, merged
from .known import Known
from .watching import Watching

__all__ = ["SharedAddress", "answering"]

_LOG = logging.getLogger(__name__)
NAMESPACES, SECRETS = "/api/v1/namespaces", "/api/v1/secrets"
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
_TARGET = f"/api/v1/namespaces/{contract.GATEWAY_NAMESPACE}/secrets/{contract.GATEWAY_KEYS}"
_NOBODY = "nobody"
"""Client id of a random key that nobody has: of an empty Secret Envoy would take the keys of other routes."""
_SETTLE_SECONDS = 0.3
"""A change waits so long for others."""
_ANEW_SECONDS = 60.0
"""How long until the Secret is written anew, should somebody have changed or deleted it."""
_AGAIN_SECONDS = 5.0
"""How long until it is tried again where it could not be written."""
_CLIENT_SECONDS = 30
"""How long a connection may be silent."""


class _Route(NamedTuple):
    model: str
    """NAMESPACE/NAME, by which requests name the Model."""
    created: int
    """Seconds since 1970."""
    host: str = ""
    path: str = ""
    """Of the Model's own list of models at the gateway; empty where the route names none."""


class SharedAddress:
    """What is known of the Models at the gateway, and the Secret that follows it."""

    def __init__(self, cluster: Cluster) -> None:
        """Know nothing yet."""
        self._cluster = cluster
        self._changed = threading.Event()
        self._nobody = b64encode(secrets.token_urlsafe(32).encode()).decode()
        self._now: Merged | None = None
        """What was found last; None before anything was."""
        self.namespaces: Known[str] = Known(_label, self._touch)
        self.routes: Known[_Route | None] = Known(_route, self._touch)
        self.secrets: Known[dict[str, str]] = Known(lambda found: found.get("data") or {}, self._touch)

    def run(self, stop: threading.Event) -> None:
        """Follow what there is, and once all of it is known, keep the Secret as it is to be."""
        watches = [
            Watching(self._cluster, NAMESPACES, {"labelSelector": contract.MODEL}, self.namespaces),
            Watching(self._cluster, ROUTES, {"labelSelector": contract.MODEL}, self.routes),
            # Secrets of one name alone, in any namespace: the agent may list no others.
            Watching(
                self._cluster,
                SECRETS,
                {"fieldSelector": f"metadata.name={contract.MODEL_KEYS}"},
                self.secrets,
            ),
        ]
        for watch in watches:
            threading.Thread(target=watch.run, args=[stop], daemon=True).start()
        # Half of what there is would lock the other half out.
        while not stop.is_set() and not all(watch.listed.wait(0.2) for watch in watches):
            pass
        while not stop.is_set():
            pause = _AGAIN_SECONDS
            try:
                self.update()
                pause = _ANEW_SECONDS
            except (Refused, HTTPError, OSError) as error:
                # An API server that refuses a Secret may quote it.
                code = error.code if isinstance(error, Refused) else type(error).__name__
                _LOG.warning("cannot write the keys of the shared address: %s", code)
            except Exception as error:
                _LOG.error("cannot merge the keys of the shared address: %s", type(error).__name__)
            self._changed.wait(pause)
            self._changed.clear()
            stop.wait(_SETTLE_SECONDS)

    def update(self) -> None:
        """Write the Secret.

        Raises:
            Refused: when the API server does not take it.
        """
        found = merged(self._models())
        before, self._now = self._now, found
        self._cluster.apply(_TARGET, _secret({**found.data, _NOBODY: self._nobody}))
        if before is None or before.data != found.data:
            _LOG.info("wrote the keys of the shared address", extra={"details": {"keys": len(found.data)}})
        if found.left_out and (before is None or before.left_out != found.left_out):
            details = {"left_out": found.left_out[:20], "number": len(found.left_out)}
            _LOG.warning("keys that do not count at the shared address", extra={"details": details})

    def models(self, client: str) -> list[dict[str, Any]] | None:
        """Return the Models that a client may call, as OpenAI lists them; None while nothing is known."""
        if self._now is None:
            return None
        routes = {route.model: route for route in self._routes().values()}
        return [
            {
                "id": name,
                "object": "model",
                "created": routes[name].created,
                "owned_by": name.partition("/")[0],
            }
            for name in self._now.models.get(client, ())
            if name in routes
        ]

    def questions(self) -> dict[str, Question]:
        """Return how each Model is asked with its own key, by the Model's namespace."""
        found = {}
        for namespace, route in self._routes().items():
            data = self.secrets.of(namespace).get(contract.MODEL_KEYS) or {}
            key = decoded(data.get(route.model.replace("/", "."), ""))
            if route.host and route.path and key:
                found[namespace] = Question(route.host, route.path, key.decode("ascii", "replace"))
        return found

    def _routes(self) -> dict[str, _Route]:
        """Return the route of each namespace of a Model."""
        found = {}
        for namespace, label in self.namespaces.of("").items():
            routes = self.routes.of(namespace).values() if label == namespace else ()
            route = next((route for route in routes if route), None)
            if route:
                found[namespace] = route
        return found

    def _models(self) -> list[KeysOf]:
        found = []
        for namespace, route in self._routes().items():
            claim, _, name = route.model.partition("/")
            data = self.secrets.of(namespace).get(contract.MODEL_KEYS) or {}
            found.append(KeysOf(claim, name, data))
        return found

    def _touch(self, _: str) -> None:
        self._changed.set()


def answering(address: str, shared: SharedAddress) -> ThreadingHTTPServer:
    """Serve GET /v1/models to the gateway, which says whose key it was; nobody else reaches this port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _CLIENT_SECONDS

        def do_GET(self) -> None:
            client = self.headers.get_all(contract.GATEWAY_CLIENT) or []
            found = shared.models(client[0]) if len(client) == 1 else []
            if self.path.partition("?")[0] != "/v1/models":
                self._answer(HTTPStatus.NOT_FOUND, _error("There is nothing here."))
            elif found is None:
                self._answer(
                    HTTPStatus.SERVICE_UNAVAILABLE, _error("The Models are not known yet: try again.")
                )
            else:
                self._answer(HTTPStatus.OK, {"object": "list", "data": found})

        def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    host, _, port = address.rpartition(":")
    return ThreadingHTTPServer((host, int(port)), Handler)


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def _label(namespace: dict[str, Any]) -> str:
    return str((namespace["metadata"].get("labels") or {}).get(contract.MODEL, ""))


def _route(found: dict[str, Any]) -> _Route | None:
    """Return what a route says of its Model; None for one without an address that is shared."""
    spec = found.get("spec", {})
    rules: Sequence[dict[str, Any]] = spec.get("rules") or ()
    matches = [match for rule in rules for match in rule.get("matches") or ()]
    headers = [header for match in matches for header in match.get("headers") or ()]
    model = next(
        (str(each.get("value")) for each in headers if each.get("name") == contract.GATEWAY_MODEL), ""
    )
    if not model:
        return None
    created = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    own = [str(match["path"]["value"]) for match in matches if match.get("method") == "GET"]
    path = next((each for each in own if each == f"/{model}/v1/models"), "")
    host = next(iter(spec.get("hostnames") or ()), "")
    return _Route(model, int(created.timestamp()), str(host), path)


def _secret(data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": contract.GATEWAY_KEYS,
            "namespace": contract.GATEWAY_NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "freehold"},
        },
        "type": "Opaque",
        "data": data,
    }
