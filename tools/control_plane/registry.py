"""An OCI registry as a process, in place of a platform team's mirror of charts."""

import json
from pathlib import Path

from tools.control_plane.binaries import REGISTRY
from tools.control_plane.certificates import Authority
from tools.control_plane.kubernetes import listens
from tools.control_plane.layout import Layout, Ports
from tools.control_plane.processes import Processes
from tools.images.registry import Registry

_NAME = "registry"
STANDS_FOR = ("ghcr.io", "xpkg.crossplane.io")
"""Registries of the world whose names it has in its certificate: packages have those names."""


def start(processes: Processes, layout: Layout, ports: Ports, authority: Authority) -> Registry:
    """Start the registry; return when it takes requests."""
    file = layout.folder / "registry.json"
    certificates = authority.serve(_NAME, *STANDS_FOR)
    file.write_text(json.dumps(configuration(storage(layout), ports.registry, certificates), indent=1))
    # By default it looks for a collector of traces.
    processes.start(_NAME, [str(REGISTRY.path()), "serve", str(file)], {"OTEL_TRACES_EXPORTER": "none"})
    processes.wait(_NAME, lambda: listens(ports.registry))
    return Registry(f"127.0.0.1:{ports.registry}", authority.certificate)


def at(layout: Layout) -> Registry:
    """Return the registry of a control plane that was started."""
    ports = Ports(**json.loads((layout.folder / "ports.json").read_text()))
    return Registry(f"127.0.0.1:{ports.registry}", layout.certificates / "ca.crt")


def storage(layout: Layout) -> Path:
    """Return the folder in which it keeps what is pushed."""
    return layout.folder / _NAME


def configuration(folder: Path, port: int, certificates: Path) -> dict[str, object]:
    """Return a registry's configuration, which is YAML or, as here, JSON.

    Args:
        folder: of what is pushed.
        port: of 127.0.0.1.
        certificates: the folder of the registry's own.
    """
    return {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder)}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(certificates / "tls.crt"), "key": str(certificates / "tls.key")},
        },
    }
