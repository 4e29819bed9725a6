"""Who has taken how many tokens of which Model: one record a request, which the Envoys print
and, where the platform names a collector, send there.

Lua counts, at every route of the gateway, and puts what it has counted where Envoy's access log reads it, and
limits can. A record has nothing of what was asked or answered, and no key.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from functions.api import Collector, contract

__all__ = ["PROBED", "RECORD", "SERVICE_NAME", "access_log", "egress", "lua", "script"]

SERVICE_NAME = "freehold-gateway"
"""Whose records they are, to a collector that gets others', too."""


def _counted(key: str) -> str:
    return f"%DYNAMIC_METADATA({contract.USAGE}:{key})%"


RECORD = {
    "time": "%START_TIME%",
    "client": f"%REQ({contract.GATEWAY_CLIENT.upper()})%",
    "model": _counted("model"),
    "api": _counted("api"),
    "status": "%RESPONSE_CODE%",
    "tokensIn": _counted("tokens_in"),
    "tokensOut": _counted("tokens_out"),
    "estimated": _counted("estimated"),
    "milliseconds": "%DURATION%",
    # Of a request that no engine has answered: why.
    "why": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "method": "%REQ(:METHOD)%",
    "bytesIn": "%BYTES_RECEIVED%",
    "bytesOut": "%BYTES_SENT%",
    "requestID": "%REQ(X-REQUEST-ID)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "pod": "%UPSTREAM_HOST%",
}
"""Members of a record, and what Envoy writes there; what it does not know is null."""


PROBED = (
    "response.code == 200 && request.method == 'GET' && request.url_path.endsWith('/models') && "
    f"'user-agent' in request.headers && request.headers['user-agent'] == '{contract.PROBE}'"
)
"""CEL of what is no use of a Model: the agent asks whether it answers. Its name hides nothing else."""


@cache
def script() -> str:
    """Return the Lua that counts."""
    return resources.files(__package__).joinpath("usage.lua").read_text(encoding="utf-8")


def lua() -> dict[str, Any]:
    """Return what an EnvoyExtensionPolicy says to have a route counted."""
    return {"type": "Inline", "inline": script()}


def access_log(collector: Collector | None = None) -> dict[str, Any]:
    """Return what the EnvoyProxy says of access logs: a JSON object a line, for whatever collects logs.

    Args:
        collector: who gets each record as an OpenTelemetry log, too, with the members as attributes.
    """
    sinks: list[dict[str, Any]] = [{"type": "File", "file": {"path": "/dev/stdout"}}]
    if collector:
        told = {
            "host": f"{collector.service}.{collector.namespace}.svc",
            "port": collector.port,
            "resourceAttributes": {"service.name": SERVICE_NAME},
        }
        sinks.append({"type": "OpenTelemetry", "openTelemetry": told})
    return {
        "settings": [
            {
                "format": {"type": "JSON", "json": RECORD},
                "matches": [f"!({PROBED})"],
                "sinks": sinks,
            }
        ]
    }


def egress(collector: Collector | None) -> list[dict[str, Any]]:
    """Return what of a NetworkPolicy lets Envoys to the collector."""
    if collector is None:
        return []
    pods = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": collector.namespace}}}
    return [{"to": [pods], "ports": [{"protocol": "TCP", "port": collector.port}]}]
