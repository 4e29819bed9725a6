"""The functions as processes that serve over mutual TLS, and their revisions, by which core finds them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import free_ports
from tools.control_plane.processes import Processes
from tools.manifests import Manifest
from tools.servers import FUNCTIONS

PYTHON = (sys.executable, "-m", "functions")
_PAUSED = {"crossplane.io/paused": "true"}
_PACKAGES = "pkg.crossplane.io/v1"


def start(processes: Processes, api: Api, authority: Authority) -> None:
    """Start all functions and register them with core."""
    certificates = authority.serve("functions")
    ports = dict(zip(FUNCTIONS, free_ports(len(FUNCTIONS)), strict=True))
    for name, port in ports.items():
        processes.start(name, command(name, port, certificates), {"PYTHONPATH": str(paths.ROOT)})
    for name, port in ports.items():
        register(api, name, port)
        processes.wait(name, lambda port=port: processes.listens(port))  # type: ignore[misc]  # its own port


def command(name: str, port: int, certificates: Path, python: Sequence[str] = PYTHON) -> list[str]:
    """Return the command that serves a function, as in its image."""
    address = f"127.0.0.1:{port}"
    short = name.removeprefix("function-")
    return [*python, short, "--address", address, "--tls-certs-dir", str(certificates)]


def register(api: Api, name: str, port: int, number: int = 1) -> None:
    """Make a revision of a function that is served at a port, and activate it.

    Both objects are paused: no package is installed, and the package manager would look for one.
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
    # Not localhost, which some machines resolve to ::1 first.
    status = {"endpoint": f"127.0.0.1:{port}", "capabilities": ["composition"]}
    api.patch(revision, {"status": status}, "status")
    activate(api, name, number)


def activate(api: Api, name: str, number: int) -> None:
    """Activate one revision of a function, after the others are inactive, as the package manager does."""
    revisions = api.items(_PACKAGES, "FunctionRevision", selector=f"pkg.crossplane.io/package={name}")
    for revision in sorted(revisions, key=lambda each: each["spec"]["revision"] == number):
        state = "Active" if revision["spec"]["revision"] == number else "Inactive"
        api.patch(revision, {"spec": {"desiredState": state}})
