"""A control plane that has nothing but Kubernetes, Crossplane and a registry over TLS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields

from tools import paths
from tools.control_plane import crossplane, kubernetes, plane, registry
from tools.control_plane.api import Api
from tools.control_plane.certificates import Authority, signing_key
from tools.control_plane.crossplane import Core
from tools.control_plane.layout import Layout, Ports, free_ports
from tools.control_plane.processes import Processes
from tools.images.registry import Registry
from tools.manifests import Manifest

__all__ = ["Empty", "mirrored", "started"]


@dataclass(frozen=True)
class Empty:
    """A control plane where nothing is installed yet."""

    layout: Layout
    api: Api
    registry: Registry


@contextmanager
def started(name: str, core: Callable[[Layout], Core] = lambda _: Core()) -> Iterator[Empty]:
    """Start one, and stop it in the end.

    Args:
        name: of its folder.
        core: how core is run there.
    """
    layout = Layout(paths.MADE / f"e2e-{name}")
    plane.down(layout)
    shutil.rmtree(layout.folder, ignore_errors=True)
    layout.folder.mkdir(parents=True, mode=0o700)
    processes, ports = Processes(layout.folder), Ports(*free_ports(len(fields(Ports))))
    (layout.folder / "ports.json").write_text(json.dumps(asdict(ports)))
    try:
        authority = Authority(layout.certificates)
        signing_key(layout.signing_key)
        layout.write_users(ports.api_server)
        serving = authority.serve("kube-apiserver", "kubernetes.default.svc")
        api = kubernetes.start(processes, layout, ports, serving)
        crossplane.start(processes, layout, ports, api, authority, core(layout))
        yield Empty(layout, api, registry.start(processes, layout, ports, authority))
    finally:
        plane.down(layout)


def mirrored(prefix: str, host: str) -> Manifest:
    """Return the ImageConfig that takes packages from a mirror."""
    mirror = f"{host}/{prefix.partition('/')[2]}"
    return {
        "apiVersion": "pkg.crossplane.io/v1beta1",
        "kind": "ImageConfig",
        "metadata": {"name": f"mirror-{prefix.rpartition('/')[2]}"},
        "spec": {"matchImages": [{"prefix": prefix}], "rewriteImage": {"prefix": mirror}},
    }
