"""A collector of OpenTelemetry's logs by OTLP over gRPC, which keeps what it is told of each request."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

__all__ = ["Told", "running"]

_EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
Told = list[dict[str, str]]


@contextmanager
def running() -> Iterator[tuple[int, Told]]:
    """Run one on a free port; give the port, and what it is told: attributes of each log and its resource."""
    told: Told = []

    def take(request: bytes, _: grpc.ServicerContext) -> bytes:
        for logs in _each(request, 1):
            [resource] = _each(logs, 1)
            whose = _attributes(resource, 1)
            told.extend(
                whose | _attributes(record, 6) for scope in _each(logs, 2) for record in _each(scope, 2)
            )
        return b""

    handler = grpc.unary_unary_rpc_method_handler(take)
    service, _, method = _EXPORT[1:].partition("/")
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, told
    finally:
        server.stop(None).wait()


def _attributes(message: bytes, field: int) -> dict[str, str]:
    """Return a list of KeyValue whose values are strings."""
    found = {}
    for pair in _each(message, field):
        [key], values = _each(pair, 1), _each(pair, 2)
        found[key.decode()] = "".join(text.decode() for value in values for text in _each(value, 1))
    return found


def _each(message: bytes, field: int) -> list[bytes]:
    """Return the texts and messages of a field of a message, in protobuf's encoding."""
    found, at = [], 0
    while at < len(message):
        key, at = _number(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _number(message, at)
        elif kind == 2:
            length, at = _number(message, at)
            if key >> 3 == field:
                found.append(message[at : at + length])
            at += length
        else:
            at += {1: 8, 5: 4}[kind]
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (message[at] & 127) << shift
        at += 1
        if message[at - 1] < 128:
            return value, at
        shift += 7
