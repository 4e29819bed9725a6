"""Tokens and keys at a real Envoy, configured by the real Envoy Gateway from what is rendered.

A pod's own token, of a real API server, is tried in tests/e2e/real.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.api import Gateway
from functions.cluster_stack.gateway import manifests as gateway
from functions.vllm.compose import compose
from tests.cluster_stack.test_agent import FACTS
from tests.contract.envoy_gateway import HOST, KEY, Asked, answers
from tests.issuers import ISSUER, Issuer
from tests.vllm.world import SPEC, cluster, manifests, request

NODE, AUDIENCE = "https://kubernetes.default.svc", "models"
SILENT = "https://silent.example.org/"
"""An issuer whose keys are at an address that leads nowhere."""
TXN, DOMAIN = "https://txn.example.org/", "example.org"
JOBS = "https://jobs.example.org/"
"""A service that issues transaction tokens, and its trust domain."""
POD = "system:serviceaccount:team-a:default"
PATH = "/team-a/qwen/v1/models"
JWT = [
    {"issuer": "corp", "audience": AUDIENCE, "claims": [{"name": "sub", "values": ["alice"]}]},
    {
        "issuer": "node",
        "audience": AUDIENCE,
        "serviceAccounts": [{"namespace": "team-a", "name": "default"}],
    },
    {"issuer": "silent", "audience": AUDIENCE, "claims": [{"name": "sub", "values": ["alice"]}]},
    {"issuer": "jobs", "audience": AUDIENCE, "claims": [{"name": "group", "values": ["ml"]}]},
    {
        "issuer": "txn",
        "audience": DOMAIN,
        "scopes": ["ask", "qwen"],
        "claims": [{"name": "tctx.department", "values": ["sales"]}],
    },
]
PARTS = ("route", "route-security", "route-traffic", "token-route", "token-route-security")


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
def test_only_a_right_token_or_the_key_lets_in(tmp_path: Path) -> None:
    corp, node, txn = Issuer(), Issuer(), Issuer()
    alice: dict[str, Any] = {"sub": "alice", "aud": AUDIENCE}
    pod: dict[str, Any] = {"iss": NODE, "sub": POD, "aud": [AUDIENCE]}
    right = corp.token(**alice)
    forged = {
        "x-freehold-client": "team-a.qwen",
        "x-freehold-issuer": "forged",
        "x-freehold-subject": "root",
    }
    tries: dict[str, tuple[str, int]] = {
        "the key": (KEY, 200),
        "alice's": (right, 200),
        "for several": (corp.token(sub="alice", aud=["x", AUDIENCE]), 200),
        "a pod's": (node.token(**pod), 200),
        "of a client that it does not name": (corp.token(iss=JOBS, group="ml", aud=AUDIENCE), 200),
        "of an empty client": (corp.token(iss=JOBS, group="ml", azp="", aud=AUDIENCE), 200),
        "nothing": ("", 401),
        "a wrong key": ("x" * 32, 401),
        "another audience": (corp.token(**{**alice, "aud": "elsewhere"}), 403),
        "no audience": (corp.token(sub="alice"), 403),
        "another issuer": (corp.token(**alice, iss="https://evil.example.org/"), 401),
        "signed by somebody else": (Issuer().token(**alice), 401),
        "signed by another issuer of ours": (corp.token(**pod), 401),
        "expired": (corp.token(**alice, exp=1_700_000_000), 401),
        "not signed": (corp.unsigned("", **alice), 401),
        "not signed, with a signature": (corp.unsigned("c2ln", **alice), 401),
        "signed with the public key": (corp.signed_by_anybody(**alice), 401),
        "cut": (right[:-20], 401),
        "of an issuer that does not answer": (corp.token(**alice, iss=SILENT), 401),
        "another Model's subject": (corp.token(**{**alice, "sub": "bob"}), 403),
        "nobody's": (corp.token(aud=AUDIENCE), 403),
        "alice of the other issuer": (node.token(iss=NODE, sub="alice", aud=AUDIENCE), 403),
        "a pod of the other issuer": (corp.token(sub=POD, aud=AUDIENCE), 403),
        "another pod's": (node.token(**{**pod, "sub": "system:serviceaccount:team-b:default"}), 403),
    }
    asked: list[Asked] = [(PATH, token, {}) for token, _ in tries.values()]
    others: dict[str, tuple[Asked, int]] = {
        "with forged headers": ((PATH, right, forged), 200),
        "forged headers alone": ((PATH, "", forged), 401),
        "in the address": ((f"{PATH}?access_token={right}", "", {}), 401),
        "in the address, beside a wrong one": ((f"{PATH}?access_token={right}", "eyJh.eyJz.c2ln", {}), 401),
        "at no path of the API": (("/team-a/qwen/metrics", right, {}), 404),
    }
    transactions = _transactions(txn, right)
    asked += [each for each, _ in (*others.values(), *transactions.values())]
    got = answers(tmp_path, _rendered(corp, node, txn), "team-a.qwen", asked)
    found = dict(zip([*tries, *others, *transactions], got, strict=True))
    wanted = {name: status for name, (_, status) in (*tries.items(), *others.items(), *transactions.items())}
    assert {name: status for name, (status, _) in found.items()} == wanted
    clients = {name: heard["x-freehold-client"] for name, (status, heard) in found.items() if status == 200}
    assert clients == {
        "the key": "team-a.qwen",
        "alice's": f"{ISSUER}:alice",
        "for several": f"{ISSUER}:alice",
        "a pod's": f"{NODE}:{POD}",
        "of a client that it does not name": f"{JOBS}:-",
        "of an empty client": f"{JOBS}:-",
        "with forged headers": f"{ISSUER}:alice",
        "a transaction": f"{TXN}:order-7",
        "a transaction, beside the key": f"{TXN}:order-7",
        "no token as a transaction, beside the key": "team-a.qwen",
        "a forged Model beside a transaction": f"{TXN}:order-7",
    }
    assert [name for name, (_, heard) in found.items() if "authorization" in heard] == []
    assert [name for name, (_, heard) in found.items() if "txn-token" in heard] == []
    # By which the ceiling of the Model's namespace counts them all.
    assert {heard["x-freehold-model"] for status, heard in found.values() if status == 200} == {"team-a/qwen"}
    assert found["with forged headers"][1]["x-freehold-subject"] == "alice"


def _transactions(issuer: Issuer, staff: str) -> dict[str, tuple[Asked, int]]:
    """Return requests with a transaction token, and what they are answered."""
    right: dict[str, Any] = {
        **{"iss": TXN, "sub": "order-7", "aud": DOMAIN, "scope": "read qwen ask"},
        "tctx": {"department": "sales"},
    }

    def asked(token: str, key: str = "") -> Asked:
        return PATH, key, {"Txn-Token": token}

    whole = issuer.token(**right)
    return {
        "a transaction": (asked(whole), 200),
        "a transaction, beside the key": (asked(whole, KEY), 200),
        "a transaction for less": (asked(issuer.token(**{**right, "scope": "qwen"})), 403),
        "a transaction for nothing": (asked(issuer.token(**{**right, "scope": None})), 403),
        "a transaction of a scope that only begins so": (
            asked(issuer.token(**{**right, "scope": "asking qwen"})),
            403,
        ),
        "a transaction of another department": (asked(issuer.token(**{**right, "tctx": None})), 403),
        "a transaction of another domain": (asked(issuer.token(**{**right, "aud": "example.com"})), 403),
        "a transaction of nobody known": (asked(issuer.token(**{**right, "iss": None})), 401),
        "a transaction signed by somebody else": (asked(Issuer().token(**right)), 401),
        "a transaction that is over": (asked(issuer.token(**{**right, "exp": 1_700_000_000})), 401),
        "a transaction not signed": (asked(issuer.unsigned("", **right)), 401),
        "a transaction in the other header": ((PATH, whole, {}), 401),
        "a staff token as a transaction": (asked(staff), 401),
        "no token as a transaction, beside the key": (asked("x", KEY), 200),
        "a forged Model beside a transaction": (
            (PATH, "", {"Txn-Token": whole, "x-freehold-model": "team-b/chat"}),
            200,
        ),
    }


def _rendered(corp: Issuer, node: Issuer, txn: Issuer) -> list[dict[str, Any]]:
    issuers = [
        {"name": "corp", "issuer": ISSUER, "jwks": corp.jwks()},
        {"name": "node", "issuer": NODE, "jwks": node.jwks()},
        {"name": "silent", "issuer": SILENT, "jwksURI": f"{SILENT}keys"},
        {"name": "jobs", "issuer": JOBS, "jwks": corp.jwks(), "clientClaim": "azp"},
        {"name": "txn", "issuer": TXN, "jwks": txn.jwks(), "header": "Txn-Token"},
    ]
    at = cluster("eu", allowed=["*"], gateway={"host": HOST, "issuers": issuers})
    made = manifests(compose(request({**SPEC, "access": {"jwt": JWT}}, at)))
    own = [made[f"vllm/{part}"]["spec"]["forProvider"]["manifest"] for part in PARTS]
    asked = Gateway.model_validate({"host": HOST, "tls": {"secretRef": {"name": "x"}}})
    parts = gateway.own(replace(FACTS, gateway=asked))
    listens = (gateway.CLASS, gateway.CLOSED, gateway.CLIENTS, gateway.USAGE, gateway.GATEWAY)
    return [*own, *(dict(parts[part].manifest) for part in listens)]
