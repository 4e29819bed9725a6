"""The gateway on a real node: Envoy Gateway's own chart and controller, real Envoys, TLS, network policies.

That it leaves the cluster once nobody asks for it, the fixture `gateway` shows at its end.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told
from tests.e2e.real import pods
from tests.e2e.real.policies import calling
from tests.e2e.workload import wait_told
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import gateway as tools_gateway

TEAM = "team-a"
_TOLD_SECONDS = 120
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


def _asked(api: Api, cluster: Manifest) -> dict[str, Any]:
    """Return what a pod is answered at the gateway; of authorities it knows what the cluster hands out alone."""
    pods.namespace(api, TEAM)
    ca = refreshed(api, cluster)["status"]["gateway"]["ca"]
    found: dict[str, Any] = json.loads(
        pods.run(api, pods.pod(TEAM, "asking-gateway", _ASK % (tools_gateway.HOST, ca)), 120)
    )
    return found


def test_it_answers_over_tls_and_nothing_else(api: Api, gateway: Manifest) -> None:
    said = _asked(api, gateway)
    assert (said["TLS 1.2"], said["TLS 1.3"]) == ("TLSv1.2", "TLSv1.3")
    assert said["TLS 1.1"] not in ("TLSv1.1", None)
    for path in ("/", "/metrics", "/v1/../metrics"):
        assert said[path] == "HTTP/1.1 404 Not Found", path
    # Where a route of all Models is, it asks for a key.
    assert said["//v1/models"].startswith(("HTTP/1.1 401", "HTTP/1.1 404"))
    assert said["/v1/..%2fmetrics"].startswith("HTTP/1.1 400")
    assert said["an underscore"].startswith("HTTP/1.1 400")
    assert not said["plain"].startswith("HTTP/"), "nothing speaks HTTP there"


def test_it_tells_where_its_host_leads(api: Api, gateway: Manifest) -> None:
    service = api.get("v1", "Service", contract.GATEWAY, contract.GATEWAY_NAMESPACE)
    assert gateway["status"]["gatewayAddresses"] == [service["spec"]["clusterIP"]]
    assert gateway["status"]["gateway"]["host"] == tools_gateway.HOST
    assert f"{tools_gateway.HOST} has to lead to " in "\n".join(told(gateway))


def test_its_pods_are_restricted_and_reach_nobody_else(api: Api, gateway: Manifest) -> None:
    del gateway
    found = api.items("v1", "Pod", contract.GATEWAY_NAMESPACE)
    proxies = [p for p in found if p["metadata"]["labels"].get(contract.COMPONENT) == contract.GATEWAY_PROXY]
    [controller] = [p for p in found if p["metadata"]["labels"].get("control-plane") == "envoy-gateway"]
    assert len(proxies) == 2
    space = api.get("v1", "Namespace", contract.GATEWAY_NAMESPACE)
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    address = controller["status"]["podIP"]
    with calling(api, TEAM, address, 18000) as reached:
        assert not any(reached() for _ in range(3)), "the controller's certificates and keys are behind it"


def test_no_gateway_of_another_namespace_is_served(api: Api, gateway: Manifest) -> None:
    """Else whoever may make a Gateway somewhere had Envoys, and maybe a load balancer, in ours."""
    del gateway
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
        proxies = "app.kubernetes.io/component=proxy"
        deployed = api.items("apps/v1", "Deployment", contract.GATEWAY_NAMESPACE, proxies)
        [of] = [each["metadata"]["labels"]["gateway.envoyproxy.io/owning-gateway-name"] for each in deployed]
        assert of != "stranger"
    finally:
        api.delete(stranger)


def _taken(api: Api, gateway: Manifest) -> bool:
    conditions = refreshed(api, gateway).get("status", {}).get("conditions", ())
    return any(each["status"] == "True" for each in conditions)


def test_a_certificate_for_another_name_is_told_and_what_serves_goes_on(
    api: Api, real: Plane, cluster: Manifest, gateway: Manifest
) -> None:
    space = cluster["metadata"]["namespace"]
    api.apply(tools_gateway.certificate(real.layout, space, "models.example.com"))
    tools_gateway.ask(api, cluster, tools_gateway.asked(real.layout))
    try:
        # Ready all the same: it is the new certificate that does not come.
        words = f"is for other names than {tools_gateway.HOST}"
        wait_told(api, cluster, words, _TOLD_SECONDS)
        assert _asked(api, cluster)["/"] == "HTTP/1.1 404 Not Found"
    finally:
        again = tools_gateway.working(api, cluster)
    assert again["status"]["gateway"]["ca"] == gateway["status"]["gateway"]["ca"], "its authority stays"
