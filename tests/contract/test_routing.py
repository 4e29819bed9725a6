"""Load at a real Envoy, configured by the real Envoy Gateway from what is rendered: bounds and replicas.

Envoy Gateway without Kubernetes ends at a policy with sessions: these are tried in tests/e2e/real.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from functions.api import Gateway, contract
from functions.cluster_stack.gateway import manifests as gateway
from functions.vllm.compose import compose
from tests.cluster_stack.test_agent import FACTS
from tests.contract import crowd
from tests.contract.crowd import BEGUN, BOUND, GONE, OTHER, REST
from tests.contract.envoy_gateway import ENGINE, HOST, KEY, Played, run
from tests.vllm.world import SPEC, cluster, manifests, request

PARTS = ("route", "route-security", "route-traffic")
CHAT = "chat/completions"


def _model(name: str, *engines: str, **routing: Any) -> Played:
    at = cluster("eu", allowed=["*"], gateway={"host": HOST})
    spec = {**SPEC, "routing": routing}
    placement = compose(request(spec, at, name=name)).status["placement"]
    # As a Model is placed that computes few at once.
    placement["engineFlags"] = ["--max-num-seqs=1"]
    made = manifests(compose(request(spec, at, name=name, status={"placement": placement})))
    own = [made[f"vllm/{part}"]["spec"]["forProvider"]["manifest"] for part in PARTS]
    return Played(own, f"team-a.{name}", engines)


def _gateway(client: str) -> Played:
    asked = Gateway.model_validate({"host": HOST, "tls": {"secretRef": {"name": "x"}}})
    parts = gateway.own(replace(FACTS, gateway=asked))
    listens = (gateway.CLASS, gateway.CLOSED, gateway.CLIENTS, gateway.USAGE, gateway.GATEWAY)
    shared = ("shared-reads", "shared-checks", "shared-bounds", "shared-route")
    own = [dict(parts[part].manifest) for part in (*listens, *shared)]
    keys = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": contract.GATEWAY_KEYS, "namespace": contract.GATEWAY_NAMESPACE},
        "data": {client: base64.b64encode(KEY.encode()).decode()},
    }
    own.sort(key=lambda each: "namespace" not in each["metadata"])
    return Played([keys, *own], "nobody", (ENGINE,))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if os.geteuid() != 0:
        pytest.skip("makes a network namespace")
    bounded = _model("bounded", ENGINE, OTHER, queuePerReplica=BOUND - 1)
    models = [
        _gateway(bounded.own),
        bounded,
        _model("broken", ENGINE, GONE),
        _model("gone", GONE),
    ]
    paths = {name: f"/team-a/{name}/v1/{CHAT}" for name in ("bounded", "broken", "gone")}
    folder = tmp_path_factory.mktemp("crowd")
    return run(folder, models, crowd.__name__, {**paths, "name": "team-a/bounded"})


@pytest.mark.parametrize("address", ["own", "shared"])
def test_what_is_above_the_bound_is_told_when_to_come_again(found: Any, address: str) -> None:
    flood = found[address]
    for status, body, headers in flood["above"]:
        assert status == 429
        assert 1 <= int(headers["retry-after"]) <= 5
        assert headers["content-type"] == "application/json"
        assert json.loads(body)["error"] | {"message": ""} == {
            "message": "",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    assert [(status, body) for status, body, _ in flood["held"]] == [(200, BEGUN + REST)] * BOUND
    assert (flood["listed"], flood["after"]) == (200 if address == "own" else None, 200)


def test_no_replica_hears_of_what_is_refused(found: Any) -> None:
    assert "above" not in found["heard"]


def test_requests_go_to_all_replicas(found: Any) -> None:
    assert set(found["spread"]) == {ENGINE, OTHER}


def test_only_what_no_replica_has_begun_is_tried_again(found: Any) -> None:
    assert found["one gone"] == [200] * 20
    assert found["heard"]["one gone"] == 20
    assert found["all gone"][0] == 503, "nobody is told to come again"
    told = {play: (*found[play][:2], found["heard"][play]) for play in ("refuse", "cut", "full")}
    assert told == {
        "refuse": (500, "broken", 1),
        "cut": (200, BEGUN, 1),
        "full": (503, "the engine is full", 1),
    }
    assert (found["drop"][0], found["heard"]["drop"]) == (503, 1)


def test_what_is_refused_is_recorded_as_such(found: Any) -> None:
    refused = [record for record in found["records"] if record["status"] == 429]
    assert len(refused) == 10
    for record in refused:
        assert (record["client"], record["model"], record["api"]) == (
            "team-a.bounded",
            "team-a/bounded",
            CHAT,
        )
        assert (record["tokensIn"], record["tokensOut"], record["flags"]) == (None, None, "UO")
