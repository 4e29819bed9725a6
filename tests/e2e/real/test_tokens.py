"""Tokens of issuers at the real gateway: whom they let in beside the key, and whom not. The engine is played."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed
from tests.e2e.people import member
from tests.e2e.real import asking, gateways, pods
from tests.e2e.workload import place
from tests.issuers import ISSUER, Issuer
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

TEAM, AUDIENCE = "team-a", "tokens-of-tests"
CORP, NODE = "corp", "node"
"""Names of the tests' own issuer, and of the node's API server as one."""
_SECONDS = 60
_ACCOUNT = {"serviceAccountToken": {"audience": AUDIENCE, "path": "token", "expirationSeconds": 600}}
_TRY = """
import http.client, json, os, ssl, time
from urllib.parse import urlsplit

base = urlsplit(os.environ["OPENAI_BASE_URL"])
context = ssl.create_default_context(cafile="/endpoint/ca.crt")

def tried(path, token, more):
    headers = dict(more)
    if token == "own":
        token = open("/account/token").read()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPSConnection(base.hostname, base.port or 443, context=context, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    return [answer.status, json.loads(body)["headers"] if answer.status == 200 else {}]

tries = json.loads(%r)
until = time.monotonic() + 60
while True:
    # The agent of network policies hears of a new pod, and Envoy of a policy, a moment later.
    try:
        first = tried(*tries[0])
        if first[0] == 200 or time.monotonic() > until:
            break
    except ssl.SSLCertVerificationError:
        raise
    except OSError:
        if time.monotonic() > until:
            raise
    time.sleep(0.3)
print(json.dumps([first, *(tried(*each) for each in tries[1:])]))
"""


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def listed(real: Plane, gateway: Manifest, issuer: Issuer) -> Iterator[None]:
    """The cluster's owner lists the issuers; afterwards, none."""
    real.api.patch(gateway, {"spec": {"gateway": {"issuers": _listed(real, issuer)}}})
    yield
    real.api.patch(gateway, {"spec": {"gateway": {"issuers": None}}})


@pytest.fixture(scope="module")
def claim(real: Plane, listed: None, other: Manifest) -> Iterator[Manifest]:
    """A Model that takes alice's tokens, and those of pods; the other one takes bob's."""
    del listed
    of_alice = taking("alice")
    of_pods = {
        "issuer": NODE,
        "audience": AUDIENCE,
        "serviceAccounts": [{"namespace": TEAM, "name": "default"}],
    }
    team = member(real.api, TEAM)
    with gateways.played(real.api, (TEAM, "tokens")) as [made]:
        team.patch(made, {"spec": {"access": {"jwt": [of_alice, of_pods]}}})
        team.patch(other, {"spec": {"access": {"jwt": [taking("bob")]}}})
        for each in (made, other):
            wait_for("its policy", lambda each=each: _is_taken(real.api, each), _SECONDS)  # type: ignore[misc]
        yield refreshed(real.api, made)
        team.patch(other, {"spec": {"access": {"jwt": None}}})


def taking(subject: str) -> dict[str, Any]:
    claims = [{"name": "sub", "values": [subject]}]
    return {"issuer": CORP, "audience": AUDIENCE, "claims": claims}


def _is_taken(api: Api, claim: Manifest) -> bool:
    found = api.find("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", "vllm-tokens", place(api, claim))
    said = [c for a in (found or {}).get("status", {}).get("ancestors", ()) for c in a["conditions"]]
    refused = [c for c in said if c["status"] == "False"]
    assert not refused, refused
    return bool(said)


def answers(
    api: Api, claim: Manifest, *tries: tuple[str, str, dict[str, str]]
) -> list[tuple[int, dict[str, str]]]:
    """Return status and what the engine heard of each request: path, token and more headers.

    The token `own` is a pod's own of the node's API server.
    """
    made = asking.app(claim, _TRY % json.dumps(tries))
    made["spec"]["volumes"].append({"name": "account", "projected": {"sources": [_ACCOUNT]}})
    [container] = made["spec"]["containers"]
    container["volumeMounts"].append({"name": "account", "mountPath": "/account"})
    return [(status, heard) for status, heard in json.loads(pods.run(api, made, 180))]


def test_only_a_right_token_or_the_key_lets_in(real: Plane, claim: Manifest, issuer: Issuer) -> None:
    api, own = real.api, gateways.key(real.api, claim)
    path, elsewhere = f"/{TEAM}/tokens/v1/models", f"/{TEAM}/other/v1/models"
    alice: dict[str, Any] = {"sub": "alice", "aud": AUDIENCE}
    right, bob = issuer.token(**alice), issuer.token(**{**alice, "sub": "bob"})
    forged = {
        "x-freehold-client": f"{TEAM}.tokens",
        "x-freehold-issuer": "forged",
        "x-freehold-subject": "root",
    }
    none: dict[str, str] = {}
    of_pods = "/api/v1/namespaces/{}/serviceaccounts/default/token"
    account = [
        _token(api, of_pods.format(namespace), audience)
        for namespace, audience in (("team-b", AUDIENCE), (TEAM, "elsewhere"))
    ]
    tries: dict[str, tuple[tuple[str, str, dict[str, str]], int]] = {
        "alice's": ((path, right, none), 200),
        "with forged headers": ((path, right, forged), 200),
        "for several, and this Model": ((path, issuer.token(sub="alice", aud=["x", AUDIENCE]), none), 200),
        "a pod's own": ((path, "own", none), 200),
        "the key": ((path, own, none), 200),
        "nothing": ((path, "", forged), 401),
        "another audience": ((path, issuer.token(**{**alice, "aud": "elsewhere"}), none), 403),
        "no audience": ((path, issuer.token(sub="alice"), none), 403),
        "another issuer": ((path, issuer.token(**alice, iss="https://evil.example.org/"), none), 401),
        "signed by somebody else": ((path, Issuer().token(**alice), none), 401),
        "expired": ((path, issuer.token(**alice, exp=1_700_000_000), none), 401),
        "not signed": ((path, issuer.unsigned("", **alice), none), 401),
        "not signed, with a signature": ((path, issuer.unsigned("c2ln", **alice), none), 401),
        "signed with the public key": ((path, issuer.signed_by_anybody(**alice), none), 401),
        "of the other issuer by its name": ((path, issuer.token(**alice, iss=_issuer(api)), none), 401),
        "cut": ((path, right[:-20], none), 401),
        "another Model's subject": ((path, bob, none), 403),
        "nobody's": ((path, issuer.token(aud=AUDIENCE), none), 403),
        "at another Model": ((elsewhere, right, none), 403),
        "bob's there, of which no pod serves": ((elsewhere, bob, none), 503),
        "in the address": ((f"{path}?access_token={right}", "", none), 401),
        "in the address, beside a wrong one": ((f"{path}?access_token={right}", "eyJh.eyJz.c2ln", none), 401),
        "a pod's of another namespace": ((path, account[0], none), 403),
        "a pod's for something else": ((path, account[1], none), 403),
        "at no path of the API": ((f"/{TEAM}/tokens/metrics", right, none), 404),
        "at the shared address, where keys alone count": (("/v1/models", right, none), 401),
    }
    got = answers(api, claim, *(asked for asked, _ in tries.values()))
    found = dict(zip(tries, got, strict=True))
    assert {name: status for name, (status, _) in found.items()} == {
        name: status for name, (_, status) in tries.items()
    }
    heard = {name: headers for name, (status, headers) in found.items() if status == 200}
    clients = {name: headers["x-freehold-client"] for name, headers in heard.items()}
    assert clients == {
        "alice's": f"{ISSUER}:alice",
        "with forged headers": f"{ISSUER}:alice",
        "for several, and this Model": f"{ISSUER}:alice",
        "a pod's own": f"{_issuer(api)}:system:serviceaccount:{TEAM}:default",
        "the key": f"{TEAM}.tokens",
    }
    assert not [name for name, headers in heard.items() if "authorization" in headers]
    assert heard["with forged headers"]["x-freehold-subject"] == "alice"
    assert "x-freehold-subject" not in heard["the key"]


def test_an_issuer_that_the_owner_takes_back_lets_nobody_in(
    real: Plane, claim: Manifest, gateway: Manifest, issuer: Issuer
) -> None:
    """The key goes on, and the claim says which issuer is gone."""
    real.api.patch(gateway, {"spec": {"gateway": {"issuers": None}}})
    gone = ("gateway.networking.k8s.io/v1", "HTTPRoute", "vllm-tokens", place(real.api, claim))
    wait_for("the route for tokens to go", lambda: real.api.find(*gone) is None, _SECONDS)
    path, right = f"/{TEAM}/tokens/v1/models", issuer.token(sub="alice", aud=AUDIENCE)
    tries: tuple[tuple[str, str, dict[str, str]], ...]
    tries = ((path, gateways.key(real.api, claim), {}), (path, right, {}), (path, "own", {}))
    assert [status for status, _ in answers(real.api, claim, *tries)] == [200, 401, 401]
    words = "spec.access.jwt: tokens of corp, node are not taken"
    wait_for("an event", lambda: words in str(real.api.items("v1", "Event", TEAM)), _SECONDS)


def _issuer(api: Api) -> str:
    return str(api.call("GET", "/.well-known/openid-configuration")["issuer"])


def _token(api: Api, path: str, audience: str) -> str:
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience]},
    }
    return str(api.call("POST", path, asked)["status"]["token"])


def _listed(real: Plane, own: Issuer) -> list[dict[str, Any]]:
    """Return `spec.gateway.issuers` of a cluster that lists both."""
    config = json.loads(real.layout.portable_kubeconfig())
    [cluster], [user] = ([each[kind] for each in config[f"{kind}s"]] for kind in ("cluster", "user"))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    asked = Request(
        f"{cluster['server']}/openid/v1/jwks", headers={"Authorization": f"Bearer {user['token']}"}
    )
    with urlopen(asked, context=ssl.create_default_context(cadata=authority)) as answer:
        keys = answer.read().decode()
    return [
        {"name": CORP, "issuer": ISSUER, "jwks": own.jwks()},
        {"name": NODE, "issuer": _issuer(real.api), "jwks": keys},
    ]
