"""The address that all Models of a cluster share, at the real gateway on the real node."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.real import asking, pods
from tests.e2e.real.gateways import key
from tests.e2e.real.policies import calling
from tests.e2e.workload import place
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import gateway as node_gateway

TEAM = "team-a"
PATH = "/v1/chat/completions"
_ASK = """
import http.client, json, os, ssl, time
from urllib.parse import urlsplit

base = urlsplit(os.environ["OPENAI_BASE_URL"])
context = ssl.create_default_context(cafile="/endpoint/ca.crt")

def asked(method, path, key, body, more):
    headers = {"Content-Type": "application/json", **more}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if isinstance(body, dict) and "mib" in body:
        body["padding"] = "x" * (body.pop("mib") << 20)
    text = None if body is None else body if isinstance(body, str) else json.dumps(body)
    for _ in range(60):
        try:
            connection = http.client.HTTPSConnection(base.hostname, base.port or 443, context=context, timeout=120)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            told = {k: v for k, v in answer.getheaders() if k not in ("date", "connection")}
            return answer.status, told, answer.read().decode()
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            # The agent of network policies hears of a new pod a moment after the pod has started.
            last = error
            time.sleep(0.5)
    raise last

"""
_ALL = _ASK + "print(json.dumps([asked(*each) for each in json.loads(%r)]))"
_UNTIL = (
    _ASK
    + """
print("begun", flush=True)
while True:
    began = time.time()
    print(json.dumps([began, asked("GET", "/v1/models", os.environ["KEY"], None, {})[0]]), flush=True)
    time.sleep(0.1)
"""
)


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def said(api: Api, claim: Manifest, *asks: tuple[Any, ...]) -> list[tuple[int, dict[str, str], Any]]:
    """Return status, headers and body of the answer to each request: method, path, key, body and headers."""
    whole = [(*each, *(None, {})[len(each) - 3 :]) for each in asks]
    printed = pods.run(api, asking.app(claim, _ALL % json.dumps(whole)), 240)
    return [(status, headers, body) for status, headers, body in json.loads(printed)]


def chat_of(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}], **more}


@pytest.fixture(scope="module")
def merged(api: Api, chat: Manifest, other: Manifest) -> None:
    """Wait until the gateway knows both Models' keys at the shared address."""
    own, others = key(api, chat), key(api, other)

    def known() -> bool:
        asks = (("GET", "/v1/models", each) for each in (own, others))
        return [status for status, _, _ in said(api, chat, *asks)] == [200, 200]

    wait_for("both keys at the shared address", known, 120)


def test_the_model_that_the_body_names_answers(api: Api, chat: Manifest, merged: None) -> None:
    """By the address and the name in the status; a stream comes to its end."""
    del merged
    told = chat["status"]["endpoint"]
    assert told["sharedBaseURL"] == f"https://{node_gateway.HOST}/v1"
    assert told["sharedModel"] == f"{TEAM}/tiny"
    own = key(api, chat)
    whole, stream, counted = said(
        api,
        chat,
        ("POST", PATH, own, chat_of(told["sharedModel"])),
        ("POST", PATH, own, chat_of(told["sharedModel"], stream=True)),
        ("POST", "/v1/completions", own, {"model": told["sharedModel"], "prompt": "x", "max_tokens": 2}),
    )
    assert whole[0] == 200, whole
    assert json.loads(whole[2])["model"] == told["model"]
    assert (stream[0], stream[2].rstrip().endswith("data: [DONE]")) == (200, True)
    assert counted[0] == 200, counted


def test_a_key_sees_its_own_models(api: Api, chat: Manifest, other: Manifest, merged: None) -> None:
    del merged
    listed = said(api, chat, *(("GET", "/v1/models", key(api, claim)) for claim in (chat, other)))
    assert [[model["id"] for model in json.loads(body)["data"]] for _, _, body in listed] == [
        [f"{TEAM}/tiny"],
        [f"{TEAM}/other"],
    ]


def test_nobody_comes_to_anothers_model(api: Api, chat: Manifest, other: Manifest, merged: None) -> None:
    """A Model of others and one that does not exist are the same bytes; what is forged counts for nothing."""
    del merged
    own, others = key(api, chat), key(api, other)
    forged = {"x-freehold-client": f"{TEAM}.other", "x-freehold-model": f"{TEAM}/other"}
    tries: dict[str, tuple[tuple[Any, ...], int]] = {
        "another's Model": (("POST", PATH, own, chat_of(f"{TEAM}/other")), 404),
        "no Model": (("POST", PATH, own, chat_of(f"{TEAM}/none")), 404),
        "no such name": (("POST", PATH, own, chat_of("tiny")), 404),
        "another's, and forged headers": (("POST", PATH, own, chat_of(f"{TEAM}/other"), forged), 404),
        "another's at the path of another API": (
            ("POST", "/v1/embeddings", own, {"model": f"{TEAM}/other"}),
            404,
        ),
        "forged headers, and no Model": (("POST", PATH, own, {}, forged), 400),
        "no JSON": (("POST", PATH, own, "{"), 400),
        "no key": (("POST", PATH, "", chat_of(f"{TEAM}/tiny")), 401),
        "a wrong key": (("POST", PATH, "wrong", chat_of(f"{TEAM}/tiny")), 401),
        "no key, and forged headers": (("POST", PATH, "", chat_of(f"{TEAM}/other"), forged), 401),
        "no key for the list": (("GET", "/v1/models", "", None, forged), 401),
        "the other's own key, of which no pod serves": (
            ("POST", PATH, others, chat_of(f"{TEAM}/other")),
            503,
        ),
        "metrics": (("GET", "/v1/../metrics", own), 404),
        "a method that is not there": (("DELETE", "/v1/models", own), 404),
        "a path of the engine": (("POST", "/v1/load_lora_adapter", own, chat_of(f"{TEAM}/tiny")), 404),
        "a body that is too large": (("POST", PATH, own, chat_of(f"{TEAM}/tiny", mib=11)), 413),
        "a large body, which the engine refuses": (
            ("POST", PATH, own, chat_of(f"{TEAM}/tiny", mib=1, n=0)),
            400,
        ),
    }
    got = dict(zip(tries, said(api, chat, *(ask for ask, _ in tries.values())), strict=True))
    assert {name: answer[0] for name, answer in got.items()} == {
        n: status for n, (_, status) in tries.items()
    }
    same = [got[n] for n in list(tries)[:5]]
    assert all(answer == same[0] for answer in same), same
    assert json.loads(same[0][2])["error"]["code"] == "model_not_found"
    assert json.loads(got["no key"][2])["error"]["code"] == "invalid_api_key"


def test_a_key_that_is_taken_back_is_refused_within_seconds(
    api: Api, chat: Manifest, other: Manifest, merged: None
) -> None:
    del merged
    secret = api.get("v1", "Secret", contract.MODEL_KEYS, place(api, other))
    caller = asking.app(chat, _UNTIL, "calling-with-a-key", KEY=key(api, other))
    api.create(caller)

    def latest() -> list[Any]:
        if pods.phase(api, caller) != "Running":
            return []
        lines = [line for line in pods.log(api, caller).splitlines() if line.startswith("[")]
        return json.loads(lines[-1]) if lines else []

    wait_for("a call that is answered", lambda: latest()[1:] == [200], 90)
    began = time.time()
    api.patch(secret, {"data": dict.fromkeys(secret["data"])})
    try:
        wait_for("the key to be refused", lambda: latest()[1:] == [401], 30)
        calls = [json.loads(line) for line in pods.log(api, caller).splitlines() if line.startswith("[")]
        refused = next(at for at, status in calls if at > began and status == 401)
        print(f"refused {refused - began:.1f} s after the key was taken out of its Secret")
        assert refused - began < 10
    finally:
        api.patch(secret, {"data": secret["data"]})
    wait_for("the key again", lambda: latest()[1:] == [200], 30)
    pods.remove(api, caller)


def test_what_it_is_made_of_is_taken_and_nobody_else_reaches_the_list(api: Api, merged: None) -> None:
    del merged
    made = {
        "EnvoyExtensionPolicy": ("shared",),
        "SecurityPolicy": ("shared", "shared-models"),
        "BackendTrafficPolicy": ("shared",),
    }
    for kind, names in made.items():
        for name in names:
            found = api.get("gateway.envoyproxy.io/v1alpha1", kind, name, contract.GATEWAY_NAMESPACE)
            assert _taken(found["status"]["ancestors"]), found["status"]
    for name in ("shared", "shared-models"):
        found = api.get("gateway.networking.k8s.io/v1", "HTTPRoute", name, contract.GATEWAY_NAMESPACE)
        assert _taken(found["status"]["parents"]), found["status"]
    [agent] = api.items("v1", "Pod", "freehold-agent")
    with calling(api, TEAM, agent["status"]["podIP"], 8082) as reached:
        assert not any(reached() for _ in range(3))


def _taken(parents: list[dict[str, Any]]) -> bool:
    conditions = [c for parent in parents for c in parent["conditions"]]
    said_ = {c["type"]: c["status"] for c in conditions}
    return said_.get("Accepted") == "True" and "False" not in said_.values()
