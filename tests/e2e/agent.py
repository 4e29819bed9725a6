"""The agent as a process, with the rights of its ServiceAccount; and a kubelet that gives out logs."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests import tls
from tests.e2e.conftest import Plane
from tools import paths
from tools.control_plane.api import Api
from tools.control_plane.layout import free_ports
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

NAMESPACE, NAME = "freehold-agent", "agent"
_RBAC = "rbac.authorization.k8s.io/v1"
PARTS = (
    ("v1", "Namespace", NAMESPACE),
    ("v1", "ServiceAccount", NAME, NAMESPACE),
    (_RBAC, "ClusterRole", NAMESPACE),
    (_RBAC, "ClusterRoleBinding", NAMESPACE),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "modelreports.agent.freehold.dev"),
)
"""What of the agent is in a cluster, and gives it its rights."""
PLAYED = {"metadata": {"annotations": {"kwok.freehold.dev/pod": "played"}}}
"""Has kwok leave a pod as the test says that the pod is."""


@contextmanager
def running(plane: Plane, *arguments: str, **environment: str) -> Iterator[Api]:
    """Run the agent of a claimed cluster, once its rights are there; give the API as the agent sees it."""
    wait_for("the agent's rights", lambda: all(plane.api.find(*part) for part in PARTS))
    kubeconfig = plane.layout.folder / "agent.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(json.dumps(_kubeconfig(plane)))
    [port] = free_ports(1)
    own = [f"--kubeconfig={kubeconfig}", f"--health=127.0.0.1:{port}"]
    command = [sys.executable, "-m", "agent", *arguments, *own]
    plane.processes.start(NAME, command, {"PYTHONPATH": str(paths.ROOT), **environment})
    try:
        plane.processes.wait(NAME, lambda: _answers(port, "readyz"))
        yield Api.of(kubeconfig)
        assert _answers(port, "healthz")
    finally:
        plane.processes.stop(NAME)


def _kubeconfig(plane: Plane) -> dict[str, Any]:
    """Return the administrator's kubeconfig with a token of the ServiceAccount in place of the user's."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NAME}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = plane.api.call("POST", path, asked)["status"]["token"]
    config: dict[str, Any] = json.loads(plane.layout.portable_kubeconfig())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    return config


def _answers(port: int, path: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def kubelet(api: Api, nodes: list[Manifest], logs: Mapping[str, str]) -> Iterator[None]:
    """Give out logs as the kubelet of some nodes, by the name of the pod; the API server asks for them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # /containerLogs/NAMESPACE/POD/CONTAINER
            pod = urlsplit(self.path).path.split("/")[3]
            text = logs.get(pod, "").encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.folder() / "tls.crt", tls.folder() / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}},
    }
    try:
        for node in nodes:
            api.patch(node, {"status": where}, "status")
        yield
    finally:
        server.shutdown()
        server.server_close()


def play(api: Api, pod: Manifest, *, ready: bool = False, **container: Any) -> None:
    """Have a pod and its container be as a test says, as the pod's kubelet would tell."""
    api.patch(pod, PLAYED)
    [name] = [c["name"] for c in pod["spec"]["containers"]]
    now = api.get("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
    since = now["metadata"]["creationTimestamp"]
    conditions = [c for c in now["status"]["conditions"] if c["type"] not in ("Ready", "ContainersReady")]
    status = "True" if ready else "False"
    for type_ in ("Ready", "ContainersReady"):
        conditions.append({"type": type_, "status": status, "lastTransitionTime": since})
    image = pod["spec"]["containers"][0]["image"]
    told = {"name": name, "image": image, "imageID": "", "ready": ready, "restartCount": 0, **container}
    api.patch(
        pod, {"status": {"phase": "Running", "conditions": conditions, "containerStatuses": [told]}}, "status"
    )


def heal(api: Api, pod: Manifest) -> None:
    """Have kwok play a pod again."""
    api.patch(pod, {"metadata": {"annotations": {"kwok.freehold.dev/pod": None}}})
