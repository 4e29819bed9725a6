"""The gateway on a real node: Envoy Gateway's own chart and controller, real Envoys, TLS, network policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told
from tests.e2e.real import pods
from tests.e2e.real.policies import calling
from tests.e2e.workload import wait_gone, wait_told
from tools.control_plane.api import Api, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import gateway as tools_gateway

TEAM = "team-a"
_LEAVES_SECONDS = 90
_ASK = """
import json, socket, ssl, time, warnings

# Old versions of TLS are tried on purpose; the log is read as JSON.
warnings.simplefilter("ignore")

HOST, CA = %r, %r

def connected(context):
    for _ in range(60):
        try:
            raw = socket.create_connection((HOST, 443), timeout=5)
            return context.wrap_socket(raw, server_hostname=HOST) if context else raw
        except ssl.SSLError:
            raise
        except OSError as error:
            # The agent of network policies hears of a new pod a moment after the pod has started.
            last = error
            time.sleep(0.5)
    raise last

def asked(path, context, **headers):
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *(f"{k}: {v}" for k, v in headers.items())]
    with connected(context) as end:
        end.sendall(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode())
        try:
            return end.recv(64).decode(errors="replace").partition("\\r\\n")[0]
        except ConnectionResetError:
            return "reset"

def tried(version):
    context = ssl.create_default_context(cadata=CA)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        return connected(context).version()
    except ssl.SSLError as error:
        return error.reason

known = ssl.create_default_context(cadata=CA)
print(json.dumps({
    "TLS 1.1": tried(ssl.TLSVersion.TLSv1_1),
    "TLS 1.2": tried(ssl.TLSVersion.TLSv1_2),
    "TLS 1.3": tried(ssl.TLSVersion.TLSv1_3),
    "/": asked("/", known),
    "/metrics": asked("/metrics", known),
    "//v1/models": asked("//v1/models", known),
    "/v1/../metrics": asked("/v1/../metrics", known),
    "/v1/..%%2fmetrics": asked("/v1/..%%2fmetrics", known),
    "an underscore": asked("/", known, a_b="1"),
    "plain": asked("/", None),
}))
"""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def test_a_certificate_for_another_name_is_told(api: Api, real: Plane, cluster: Manifest) -> None:
    """The rest of the gateway is there by then, and waits for it."""
    tools_gateway.offer(real.layout)
    space = cluster["metadata"]["namespace"]
    api.apply(tools_gateway.certificate(real.layout, space, "models.example.com"))
    tools_gateway.ask(api, cluster, tools_gateway.asked(real.layout))
    wait_told(
        api, cluster, "ComponentsReady=False CertificateInvalid: [platform] The gateway does not work: "
    )
    assert f"is for other names than {tools_gateway.HOST}" in "\n".join(told(refreshed(api, cluster)))


@pytest.fixture(scope="module")
def works(api: Api, real: Plane, cluster: Manifest) -> Manifest:
    """The cluster once its gateway works."""
    return tools_gateway.working(real.layout, api, cluster)


def test_it_answers_over_tls_and_nothing_else(api: Api, works: Manifest, real: Plane) -> None:
    del works
    pods.namespace(api, TEAM)
    ca = (real.layout.certificates / "ca.crt").read_text()
    code = _ASK % (tools_gateway.HOST, ca)
    said: dict[str, Any] = json.loads(pods.run(api, pods.pod(TEAM, "asking-gateway", code), 120))
    assert (said["TLS 1.2"], said["TLS 1.3"]) == ("TLSv1.2", "TLSv1.3")
    assert said["TLS 1.1"] not in ("TLSv1.1", None)
    for path in ("/", "/metrics", "//v1/models", "/v1/../metrics"):
        assert said[path] == "HTTP/1.1 404 Not Found", path
    assert said["/v1/..%2fmetrics"].startswith("HTTP/1.1 400")
    assert said["an underscore"].startswith("HTTP/1.1 400")
    assert not said["plain"].startswith("HTTP/"), "nothing speaks HTTP there"


def test_it_tells_where_its_host_leads(api: Api, works: Manifest) -> None:
    service = api.get("v1", "Service", contract.GATEWAY, contract.GATEWAY_NAMESPACE)
    assert works["status"]["gatewayAddresses"] == [service["spec"]["clusterIP"]]
    assert works["status"]["gateway"]["host"] == tools_gateway.HOST
    assert f"{tools_gateway.HOST} has to lead to " in "\n".join(told(works))


def test_its_pods_are_restricted_and_reach_nobody_else(api: Api, works: Manifest) -> None:
    del works
    found = api.items("v1", "Pod", contract.GATEWAY_NAMESPACE)
    proxies = [p for p in found if p["metadata"]["labels"].get(contract.COMPONENT) == contract.GATEWAY_PROXY]
    [controller] = [p for p in found if p["metadata"]["labels"].get("control-plane") == "envoy-gateway"]
    assert len(proxies) == 2
    space = api.get("v1", "Namespace", contract.GATEWAY_NAMESPACE)
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    address = controller["status"]["podIP"]
    with calling(api, TEAM, address, 18000) as reached:
        assert not any(reached() for _ in range(3)), "the controller's certificates and keys are behind it"


def test_no_gateway_of_another_namespace_is_served(api: Api, works: Manifest) -> None:
    """Else whoever may make a Gateway somewhere had Envoys, and maybe a load balancer, in ours."""
    del works
    stranger: Manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "stranger", "namespace": TEAM},
        "spec": {
            "gatewayClassName": "freehold",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}],
        },
    }
    api.apply(stranger)
    try:
        # Some seconds are more than ours took.
        with pytest.raises(Exception, match="a condition"):
            wait_for("a condition", lambda: _taken(api, stranger), 8)
        deployed = api.items("apps/v1", "Deployment", contract.GATEWAY_NAMESPACE)
        assert len(deployed) == 2, "the controller, and our Envoys"
    finally:
        api.delete(stranger)


def _taken(api: Api, gateway: Manifest) -> bool:
    conditions = refreshed(api, gateway).get("status", {}).get("conditions", ())
    return any(each["status"] == "True" for each in conditions)


def test_it_leaves_the_cluster_once_nobody_asks_for_it(api: Api, works: Manifest) -> None:
    tools_gateway.ask(api, works, None)
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": contract.GATEWAY_NAMESPACE}},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "freehold"},
        },
    ]
    wait_gone(api, objects, seconds=_LEAVES_SECONDS)
    wait_told(api, works, "ComponentsReady=True Available")
    assert api.get(*identity(works))["status"].get("gateway") is None
