"""The three functions as processes, over mutual TLS, and what tells core where they are."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import free_ports
from tools.control_plane.processes import Processes
from tools.manifests import Manifest
from tools.servers import FUNCTIONS

PYTHON = (sys.executable, "-m", "functions")
_PAUSED = {"crossplane.io/paused": "true"}
_PACKAGES = "pkg.crossplane.io/v1"


def start(processes: Processes, api: Api, authority: Authority) -> None:
    """Start all functions and make them known."""
    certificates = authority.serve("functions")
    for name, port in zip(FUNCTIONS, free_ports(len(FUNCTIONS)), strict=True):
        processes.start(name, command(name, port, certificates), {"PYTHONPATH": str(paths.ROOT)})
        register(api, name, port)
        processes.wait(name, lambda port=port: listens(port))  # type: ignore[misc]  # its own port


def command(name: str, port: int, certificates: Path, python: Sequence[str] = PYTHON) -> list[str]:
    """Return how a function is served, as its image serves it."""
    address = f"127.0.0.1:{port}"
    short = name.removeprefix("function-")
    return [*python, short, "--address", address, "--tls-certs-dir", str(certificates)]


def register(api: Api, name: str, port: int, number: int = 1) -> None:
    """Tell core that a revision of a function is at a port, and have it use that one.

    No package is installed, so nothing may look for one: both objects are paused.
    """
    package = f"freehold.invalid/{name}:v0.0.0"
    function: Manifest = {
        "apiVersion": _PACKAGES,
        "kind": "Function",
        "metadata": {"name": name, "annotations": _PAUSED},
        "spec": {"package": package},
    }
    revision: Manifest = {
        "apiVersion": _PACKAGES,
        "kind": "FunctionRevision",
        "metadata": {
            "name": f"{name}-{number}",
            "labels": {"pkg.crossplane.io/package": name},
            "annotations": _PAUSED,
        },
        "spec": {"desiredState": "Inactive", "image": package, "revision": number},
    }
    api.apply(function)
    api.apply(revision)
    # An address, not localhost: that is ::1 first on some machines.
    status = {"endpoint": f"127.0.0.1:{port}", "capabilities": ["composition"]}
    api.patch(revision, {"status": status}, "status")
    activate(api, name, number)


def activate(api: Api, name: str, number: int) -> None:
    """Have core use one revision of a function, as the package manager does: the others go first."""
    revisions = api.items(_PACKAGES, "FunctionRevision", selector=f"pkg.crossplane.io/package={name}")
    for revision in sorted(revisions, key=lambda each: each["spec"]["revision"] == number):
        state = "Active" if revision["spec"]["revision"] == number else "Inactive"
        api.patch(revision, {"spec": {"desiredState": state}})
