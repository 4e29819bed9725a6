"""A Model behind the real gateway on the real node: whom its key lets in, and what nobody reaches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed
from tests.e2e.real import asking, pods
from tests.e2e.real.gateways import key
from tests.e2e.real.policies import calling
from tests.e2e.workload import place, serving, wait_told
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import gateway as node_gateway

TEAM = "team-a"
_TRY = """
import http.client, json, os, ssl, sys, time
from urllib.parse import urlsplit

base = urlsplit(os.environ["OPENAI_BASE_URL"])
context = ssl.create_default_context(cafile="/endpoint/ca.crt")

def tried(method, path, key, more):
    headers = {"Content-Type": "application/json", **more}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"model": "x", "prompt": "x"}) if method == "POST" else None
    for _ in range(60):
        try:
            connection = http.client.HTTPSConnection(base.hostname, base.port or 443, context=context, timeout=60)
            connection.putrequest(method, path, skip_host=False)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body or "")))
            connection.endheaders((body or "").encode())
            return connection.getresponse().status
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            # The agent of network policies hears of a new pod a moment after the pod has started.
            last = error
            time.sleep(0.5)
    raise last

print(json.dumps([tried(*each) for each in json.loads(%r)]))
"""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def answers(api: Api, claim: Manifest, *tries: tuple[str, str, str, dict[str, str]]) -> list[int]:
    """Return the status of each request of a pod beside the claim: method, path, key and more headers."""
    found: list[int] = json.loads(pods.run(api, asking.app(claim, _TRY % json.dumps(tries)), 180))
    return found


def test_an_app_with_the_secrets_values_is_answered(api: Api, chat: Manifest) -> None:
    """A stream, to its end; over TLS, by the authority in the Secret."""
    assert chat["status"]["endpoint"]["baseURL"] == f"https://{node_gateway.HOST}/{TEAM}/tiny/v1"
    assert asking.chat(api, chat)["tokens"] >= 1


def test_serving_says_that_a_request_with_the_key_was_answered(api: Api, chat: Manifest) -> None:
    """By the agent in the cluster, as a pod there, which knows the gateway by the authority that apps are given."""
    words = (
        "Serving=True Answered: the Model answers at its endpoint: a request through the gateway with its key is "
        "answered"
    )
    wait_told(api, chat, words, 60)
    assert "leads to no address" not in str(refreshed(api, chat)["status"]["conditions"])


def test_nothing_but_the_models_own_key_lets_in(api: Api, chat: Manifest, other: Manifest) -> None:
    own, others = key(api, chat), key(api, other)
    path, forged = f"/{TEAM}/tiny/v1/models", {"x-freehold-client": f"{TEAM}.tiny"}
    elsewhere = f"/{TEAM}/other/v1/models"
    tries: dict[str, tuple[tuple[str, str, str, dict[str, str]], int]] = {
        "own key": (("GET", path, own, {}), 200),
        "no key": (("GET", path, "", {}), 401),
        "a wrong key": (("GET", path, "wrong", {}), 401),
        "another Model's key": (("GET", path, others, {}), 401),
        "another's, and a forged holder": (("GET", path, others, forged), 401),
        "no key, and a forged holder": (("GET", path, "", forged), 401),
        "its key elsewhere": (("GET", elsewhere, own, {}), 401),
        "the other's own key, of which no pod serves": (("GET", elsewhere, others, {}), 503),
    }
    got = answers(api, chat, *(asked for asked, _ in tries.values()))
    assert dict(zip(tries, got, strict=True)) == {name: status for name, (_, status) in tries.items()}


def test_only_the_paths_of_the_api_are_there(api: Api, chat: Manifest) -> None:
    own = key(api, chat)
    base = f"/{TEAM}/tiny"
    tricks = (
        "/metrics",
        f"{base}/metrics",
        f"{base}/v1/metrics",
        f"{base}/v1/../metrics",
        f"{base}/v1/../../../metrics",
        f"{base}/v1/models/../../metrics",
        f"{base}/v1/..%2f..%2f..%2fmetrics",
        f"{base}/v1/%2e%2e/%2e%2e/%2e%2e/metrics",
        f"{base}/v1/models;/../../metrics",
        f"{base}/v1/load_lora_adapter",
        f"{base}/tokenize",
        f"{base}/v1/models/",
        f"{base}//v1/models/x",
        f"/{TEAM}/other/../tiny/metrics",
    )
    got = answers(api, chat, *(("GET", trick, own, {}) for trick in tricks))
    assert {
        trick: status for trick, status in zip(tricks, got, strict=True) if status not in (400, 404)
    } == {}
    # A method that no client uses finds nothing either.
    assert answers(api, chat, ("DELETE", f"{base}/v1/models", own, {})) == [404]


def test_an_emptied_secret_of_keys_lets_nobody_in(api: Api, chat: Manifest, other: Manifest) -> None:
    """Where it is empty, Envoy would take the keys of another route; a cluster's owner may empty it."""
    secret = api.get("v1", "Secret", contract.MODEL_KEYS, place(api, other))
    path, keys = f"/{TEAM}/other/v1/models", (key(api, chat), key(api, other), "", "wrong")
    api.patch(secret, {"data": dict.fromkeys(secret["data"])})
    try:
        wait_for(
            "the gateway to hear of it", lambda: answers(api, chat, ("GET", path, keys[1], {})) != [503], 60
        )
        got = answers(api, chat, *(("GET", path, key, {}) for key in keys))
        assert set(got) <= {401, 403, 500}, got
        assert answers(api, chat, ("GET", f"/{TEAM}/tiny/v1/models", keys[0], {})) == [200]
    finally:
        api.patch(secret, {"data": secret["data"]})
    wait_for("the key again", lambda: answers(api, chat, ("GET", path, keys[1], {})) == [503], 60)


def test_nobody_reaches_the_pods_but_the_gateway(api: Api, chat: Manifest) -> None:
    """Not even the namespace with the claim's namespace's name."""
    [pod] = serving(api, chat)
    address, port = pod["status"]["podIP"], pod["spec"]["containers"][0]["ports"][0]["containerPort"]
    for namespace in (TEAM, "team-b", "default"):
        with calling(api, namespace, address, port) as reached:
            assert not any(reached() for _ in range(5)), namespace


def test_the_routes_policies_are_taken(api: Api, chat: Manifest) -> None:
    """The gateway says so of each; a policy that is not taken would protect nothing."""
    for kind in ("SecurityPolicy", "BackendTrafficPolicy"):
        found = api.get("gateway.envoyproxy.io/v1alpha1", kind, "vllm", place(api, chat))
        assert _accepted(found["status"]["ancestors"]), found["status"]
    route = api.get("gateway.networking.k8s.io/v1", "HTTPRoute", "vllm", place(api, chat))
    assert route["spec"]["parentRefs"][0]["namespace"] == contract.GATEWAY_NAMESPACE
    assert _accepted(route["status"]["parents"])


def _accepted(parents: list[dict[str, Any]]) -> bool:
    conditions = [c for parent in parents for c in parent["conditions"]]
    return bool(conditions) and all(c["status"] == "True" for c in conditions if c["type"] == "Accepted")
