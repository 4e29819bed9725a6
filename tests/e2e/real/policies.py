"""Network policies: that a policy refuses what it does not allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.real import pods
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

SERVER = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=8000)"
"""A server that answers everybody who reaches it."""
_READY = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
_CALL = """
import socket, time
while True:
    began = time.time()
    try:
        socket.create_connection(({address!r}, {port}), timeout=2).close()
        said = "reached"
    except OSError as error:
        said = "refused: %s" % error
    print(began, said, flush=True)
    time.sleep(0.2)
"""


def server(namespace: str, name: str = "server") -> Manifest:
    """Return a pod that serves at port 8000."""
    found = pods.pod(namespace, name, SERVER, labels={"app": name}, workingDir="/usr", readinessProbe=_READY)
    found["spec"]["restartPolicy"] = "Always"
    return found


@contextmanager
def calling(api: Api, namespace: str, address: str, port: int = 8000) -> Iterator[Callable[[], bool]]:
    """Have a pod of a namespace call an address again and again; give what says whether it is reached now.

    The agent of network policies hears of a new pod a moment after the pod has started, so a pod that calls once
    says little.
    """
    caller = pods.pod(namespace, "caller", _CALL.format(address=address, port=port))
    api.create(caller)

    def reached() -> bool:
        asked = time.time()
        latest: list[str] = []

        def newer() -> bool:
            if pods.phase(api, caller) != "Running":
                return False
            calls = [line.split(" ", 1) for line in pods.log(api, caller).splitlines()]
            latest[:] = [said for began, said in calls if float(began) > asked]
            return bool(latest)

        wait_for(f"a call from {namespace}", newer)
        return latest[-1] == "reached"

    try:
        yield reached
    finally:
        pods.remove(api, caller)


def policy(namespace: str, name: str, **spec: Any) -> Manifest:
    """Return a network policy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }


def refuses(api: Api) -> None:
    """Return once a policy has refused a connection that went through without it; raise otherwise."""
    namespace = pods.namespace(api, "first-check")
    serving, deny = server(namespace), policy(namespace, "deny", policyTypes=["Ingress"])
    address = pods.started(api, serving)
    with calling(api, namespace, address) as reached:
        wait_for("pods to reach one another without a policy", reached, 30)
        api.apply(deny)
        wait_for("a network policy to refuse something", lambda: not reached(), 30)
    pods.remove(api, serving)
    api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
