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


def start(processes: Processes, layout: Layout, ports: Ports, authority: Authority) -> Registry:
    """Start the registry; return when it takes requests."""
    file = layout.folder / "registry.json"
    file.write_text(json.dumps(configuration(layout, ports, authority.serve(_NAME)), indent=1))
    # By default it looks for a collector of traces.
    processes.start(_NAME, [str(REGISTRY.path()), "serve", str(file)], {"OTEL_TRACES_EXPORTER": "none"})
    processes.wait(_NAME, lambda: listens(ports.registry))
    return Registry(f"127.0.0.1:{ports.registry}", authority.certificate)


def storage(layout: Layout) -> Path:
    """Return the folder in which it keeps what is pushed."""
    return layout.folder / _NAME


def configuration(layout: Layout, ports: Ports, certificates: Path) -> dict[str, object]:
    """Return the registry's configuration, which is YAML or, as here, JSON."""
    return {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(storage(layout))}},
        "http": {
            "addr": f"127.0.0.1:{ports.registry}",
            "tls": {"certificate": str(certificates / "tls.crt"), "key": str(certificates / "tls.key")},
        },
    }
