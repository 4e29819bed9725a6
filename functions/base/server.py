"""A function as a gRPC server, with the SDK's standard options."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from crossplane.function import logging, runtime
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from crossplane.function.proto.v1 import run_function_pb2_grpc as grpcv1

from .outcome import Function
from .respond import respond
from .startup import check_address, check_certificates

__all__ = ["MAX_MESSAGE_MB", "serve"]

MAX_MESSAGE_MB = 64
"""Received messages carry every observed and required object; gRPC's own 4 MB is too few."""


class Runner(grpcv1.FunctionRunnerServiceServicer):
    """Serves one function."""

    def __init__(self, function: Function) -> None:
        """Serve `function`."""
        self._function = function

    async def RunFunction(  # noqa: N802  (gRPC's name)
        self, request: fnv1.RunFunctionRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> fnv1.RunFunctionResponse:
        """Answer in a thread: computing here would stop every other request."""
        return await asyncio.to_thread(respond, self._function, request)


def serve(function: Function, options: dict[str, Any]) -> None:
    """Serve until SIGTERM.

    Args:
        function: what to serve.
        options: the values of the SDK's standard command line options.

    Raises:
        OSError, ValueError, RuntimeError: when it cannot start.
    """
    logging.configure(level=logging.Level.DEBUG if options["debug"] else logging.Level.INFO)
    credentials = None
    # A package's runtime names a directory of certificates even where --insecure is asked for.
    if not options["insecure"]:
        check_certificates(options["tls_certs_dir"])
        credentials = runtime.load_credentials(options["tls_certs_dir"])
    check_address(options["address"])
    received = options["max_recv_message_size"]
    sent = options["max_send_message_size"] or received
    megabyte = 1024 * 1024
    runtime.serve(
        Runner(function),
        options["address"],
        creds=credentials,
        insecure=options["insecure"],
        options=[
            ("grpc.max_receive_message_length", received * megabyte),
            ("grpc.max_send_message_length", sent * megabyte),
            # Otherwise a second server on a taken port starts and shares it silently.
            ("grpc.so_reuseport", 0),
        ],
    )
