"""A played controller of gateways: it takes whatever there is of the Gateway API, but for one namespace's routes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from functions.api import contract
from tests.e2e.pace import Pace
from tools import paths
from tools.control_plane import extensions
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.manifests import Manifest, load
from tools.provider_status import TIME

_FOLDERS = ("gateway-api", "envoy-gateway")
_ROUTES, _POLICIES = "gateway.networking.k8s.io/v1", "gateway.envoyproxy.io/v1alpha1"
_PARENT = {
    "group": "gateway.networking.k8s.io",
    "kind": "Gateway",
    "name": contract.GATEWAY,
    "namespace": contract.GATEWAY_NAMESPACE,
}


@contextmanager
def playing(api: Api) -> Iterator[dict[str, str]]:
    """Say of every route and policy that it is taken, while the block runs.

    The words in which routes are refused are given, by the routes' namespace: a test may put some there.
    """
    refused: dict[str, str] = {}
    kinds(api)
    pace = Pace()
    thread = threading.Thread(target=_run, args=[api, refused, pace])
    thread.start()
    try:
        yield refused
    finally:
        pace.stop()
        thread.join()


def kinds(api: Api) -> None:
    """Have the kinds of a gateway, which stay."""
    # Ours come last: a kind whose real CRD is there keeps that.
    for folder in (*(paths.schemas() / name for name in _FOLDERS), paths.OWN_SCHEMAS):
        for path in sorted(folder.glob("*.yaml")):
            for crd in load(path):
                extensions.create(api, crd)
    wait_for("the kinds of the Gateway API", lambda: extensions.established(api))


def _run(api: Api, refused: Mapping[str, str], pace: Pace) -> None:
    did = True
    while pace.next(did=did):
        did = True
        # The API server may be short of CPU, and an object gone by now.
        with suppress(ToolError):
            wrote = [_say(api, found, status) for found, status in _look(api, refused)]
            did = any(wrote)


def _look(api: Api, refused: Mapping[str, str]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """Give what there is of the Gateway API, and the status that each ought to have."""
    for found in api.items(_ROUTES, "GatewayClass"):
        yield found, {"conditions": _conditions(found, "Accepted")}
    for found in api.items(_ROUTES, "Gateway"):
        listeners = [
            {
                "name": listener["name"],
                "attachedRoutes": 0,
                "supportedKinds": [],
                "conditions": _conditions(found, "Accepted", "Programmed", "ResolvedRefs"),
            }
            for listener in found["spec"]["listeners"]
        ]
        yield found, {"conditions": _conditions(found, "Accepted", "Programmed"), "listeners": listeners}
    for found in api.items(_ROUTES, "HTTPRoute"):
        words = refused.get(found["metadata"]["namespace"], "")
        yield found, {"parents": [_by_us("parentRef", found, words)]}
    for kind in ("ClientTrafficPolicy", "SecurityPolicy", "BackendTrafficPolicy"):
        for found in api.items(_POLICIES, kind):
            yield found, {"ancestors": [_by_us("ancestorRef", found)]}


def _say(api: Api, found: Manifest, status: dict[str, Any]) -> bool:
    """Write a status unless it is there; say whether it was not."""
    if found.get("status") == status:
        return False
    api.patch(found, {"status": status}, "status")
    return True


def _by_us(ref: str, found: Manifest, refused: str = "") -> dict[str, Any]:
    conditions = _conditions(found, "Accepted", "ResolvedRefs", refused=refused)
    return {ref: _PARENT, "controllerName": "played.example.org/gateway", "conditions": conditions}


def _conditions(found: Manifest, *types: str, refused: str = "") -> list[dict[str, Any]]:
    return [
        {
            "type": type_,
            "status": "False" if refused else "True",
            "reason": "Refused" if refused else "Taken",
            "message": refused,
            "lastTransitionTime": TIME,
            "observedGeneration": found["metadata"]["generation"],
        }
        for type_ in types
    ]
