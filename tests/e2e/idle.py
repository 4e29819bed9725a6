"""A function that does nothing, and claims of it: the cost of any claim, with which a Model's is compared.

`python -m tests.e2e.idle` serves it, over the same mutual TLS and with the same SDK as ours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import grpc
from crossplane.function import cli, logging, response, runtime
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from crossplane.function.proto.v1 import run_function_pb2_grpc as grpcv1

from functions.base.respond import TTL
from tests.e2e.conftest import Plane
from tools import paths
from tools.control_plane.api import condition, identity
from tools.control_plane.crossplane import may_compose
from tools.control_plane.functions import register
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import free_ports
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

GROUP = "test.freehold.dev"
API_VERSION = f"{GROUP}/v1"
CONTROLLER = f"composite/xidles.{GROUP}"
FUNCTION = "function-idle"
_CROSSPLANE = "apiextensions.crossplane.io/v1"
_XRD: Manifest = {
    "apiVersion": _CROSSPLANE,
    "kind": "CompositeResourceDefinition",
    "metadata": {"name": f"xidles.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "LegacyCluster",
        "names": {"kind": "XIdle", "plural": "xidles"},
        "claimNames": {"kind": "Idle", "plural": "idles"},
        "enforcedCompositionRef": {"name": "idle"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "referenceable": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
            }
        ],
    },
}
_COMPOSITION: Manifest = {
    "apiVersion": _CROSSPLANE,
    "kind": "Composition",
    "metadata": {"name": "idle"},
    "spec": {
        "compositeTypeRef": {"apiVersion": API_VERSION, "kind": "XIdle"},
        "mode": "Pipeline",
        "pipeline": [{"step": "idle", "functionRef": {"name": FUNCTION}}],
    },
}


class Idle(grpcv1.FunctionRunnerServiceServicer):
    """Answers a request with the desired state that came with it."""

    async def RunFunction(  # noqa: N802  (gRPC's name)
        self, request: fnv1.RunFunctionRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> fnv1.RunFunctionResponse:
        return response.to(request, ttl=TTL)


def idle(namespace: str, name: str) -> Manifest:
    """Return a claim that is Ready as soon as its function was called."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "Idle", "metadata": metadata, "spec": {}}


@contextmanager
def offered(plane: Plane) -> Iterator[None]:
    """Serve the function and offer its claims, for a while."""
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    certificates = str(plane.layout.certificates / "functions")
    command = [sys.executable, "-m", "tests.e2e.idle", "--address", address, "--tls-certs-dir", certificates]
    plane.processes.start(FUNCTION, command, {"PYTHONPATH": str(paths.ROOT)})
    try:
        plane.processes.wait(FUNCTION, lambda: listens(port))
        register(plane.api, FUNCTION, port)
        for manifest in (_XRD, _COMPOSITION):
            plane.api.apply(manifest)
        wait_for("idle claims to be offered", lambda: _is_offered(plane))
        yield
        _withdraw(plane)
    finally:
        plane.processes.stop(FUNCTION)


def _is_offered(plane: Plane) -> bool:
    xrd = plane.api.get(*identity(_XRD))
    return condition(xrd, "Offered").get("status") == "True" and may_compose(plane.api)


def _withdraw(plane: Plane) -> None:
    for manifest in (_XRD, _COMPOSITION):
        plane.api.delete(manifest)
    for kind, name in (("FunctionRevision", f"{FUNCTION}-1"), ("Function", FUNCTION)):
        metadata = {"name": name}
        plane.api.delete({"apiVersion": "pkg.crossplane.io/v1", "kind": kind, "metadata": metadata})
    wait_for("idle claims to be withdrawn", lambda: plane.api.find(*identity(_XRD)) is None)


@click.command()
@cli.standard_options
def main(address: str, tls_certs_dir: str, **_: Any) -> None:
    """Serve the function that does nothing."""
    logging.configure(level=logging.Level.INFO)
    # A taken port is an error, as for ours.
    options = [("grpc.so_reuseport", 0)]
    credentials = runtime.load_credentials(tls_certs_dir)
    runtime.serve(Idle(), address, creds=credentials, insecure=False, options=options)


if __name__ == "__main__":
    main()
