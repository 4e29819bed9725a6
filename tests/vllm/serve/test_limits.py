"""How much of a Model may be used: the rules of its route's policy, and what is said of limits that do not hold."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ModelSpec, contract
from functions.base import Invalid, parse
from functions.vllm.compose import compose
from tests.issuers import ISSUER, Issuer
from tests.vllm.serve.test_route import TRAFFIC, inner, served
from tests.vllm.world import SPEC, cluster, manifests, request
from tools.errors import SchemaMissingError
from tools.validate import validate

GATE: dict[str, Any] = {"host": "models.example.org"}
COUNTS = cluster("eu", allowed=["*"], gateway={**GATE, "limits": []})
SILENT = cluster("eu", allowed=["*"], gateway=GATE)
KEYS = {"name": "keys"}
ACCESS: dict[str, Any] = {
    "limits": {"requestsPerMinute": 600, "perClient": {"tokensPerMinute": 1000}},
    "clients": [
        {"name": "web", "secretRef": KEYS},
        {"name": "batch", "secretRef": KEYS, "limits": {"requestsPerMinute": 9, "tokensPerMonth": 70_000}},
    ],
}
OWN, WEB, BATCH = (
    "team-a[.]qwen|team-a[.]qwen__former",
    "team-a[.]qwen_web|team-a_web",
    "team-a[.]qwen_batch|team-a_batch",
)


def traffic(access: dict[str, Any] | None = None, *clusters: dict[str, Any]) -> dict[str, Any]:
    made = manifests(compose(request({**SPEC, "access": access or {}}, *(clusters or (COUNTS,)))))
    found: dict[str, Any] = inner(made[TRAFFIC])["spec"]
    return found


def rules(access: dict[str, Any]) -> list[tuple[str, int, str, bool]]:
    """Return whose each rule is, how many, in which time, and whether it counts tokens."""
    found = []
    for rule in traffic(access)["rateLimit"]["global"]["rules"]:
        [selector] = rule["clientSelectors"]
        assert selector["methods"] == [{"value": "POST"}]
        # Else each path of each address would count by itself.
        assert rule["shared"] is True
        [header] = selector.get("headers") or [{"value": ""}]
        limit = rule["limit"]
        found.append((header["value"], limit["requests"], limit["unit"], "cost" in rule))
    return found


def notes(access: dict[str, Any], *clusters: dict[str, Any]) -> list[str]:
    outcome, _ = served(*clusters, access=access)
    return [note for note in outcome.notes if "spec.access" in note]


def test_each_client_has_its_own_limits_or_those_of_all_clients() -> None:
    assert rules(ACCESS) == [
        ("", 600, "Minute", False),
        (OWN, 1000, "Minute", True),
        (WEB, 1000, "Minute", True),
        (BATCH, 9, "Minute", False),
        (BATCH, 70_000, "Month", True),
    ]


def test_each_client_with_a_token_has_the_limits_of_each_client() -> None:
    issuer = {"name": "corp", "issuer": ISSUER, "jwks": Issuer().jwks()}
    takes = {"issuer": "corp", "audience": "models", "claims": [{"name": "sub", "values": ["alice"]}]}
    known = cluster("eu", allowed=["*"], gateway={**GATE, "limits": [], "issuers": [issuer]})
    found = traffic({**ACCESS, "jwt": [takes]}, known)
    *_, last = found["rateLimit"]["global"]["rules"]
    [selector] = last["clientSelectors"]
    assert selector["headers"] == [
        {"name": contract.GATEWAY_ISSUER, "type": "Distinct"},
        {"name": contract.GATEWAY_SUBJECT, "type": "Distinct"},
    ]
    assert (last["limit"], "cost" in last) == ({"requests": 1000, "unit": "Minute"}, True)
    assert len(found["targetRefs"]) == 2, "one policy, so one counter, of both routes"


def test_tokens_are_asked_for_before_and_counted_after() -> None:
    [rule] = traffic({"limits": {"tokensPerMinute": 5}})["rateLimit"]["global"]["rules"]
    assert rule["cost"] == {
        "request": {"from": "Number", "number": 0},
        "response": {"from": "Metadata", "metadata": {"namespace": "freehold", "key": "tokens"}},
    }


def test_without_limits_only_the_ceilings_of_the_gateway_hold() -> None:
    assert (traffic().get("mergeType"), "rateLimit" in traffic()) == ("StrategicMerge", False)


def test_a_gateway_that_does_not_count_is_asked_for_nothing() -> None:
    # Proves: a policy that Envoy Gateway cannot have counted, which answers 500, is never made.
    found = traffic(ACCESS, SILENT)
    assert {"mergeType", "rateLimit"} & set(found) == set()


def test_limits_that_do_not_hold_are_told() -> None:
    [note] = notes(ACCESS, SILENT)
    assert (
        "no limit of spec.access holds (access.limits, access.limits.perClient, limits of client batch)"
        in note
    )
    assert "Ask the cluster's owner for spec.gateway.limits" in note
    assert notes({}, SILENT) == []
    assert notes(ACCESS, COUNTS) == []


def test_a_limit_above_the_namespaces_ceiling_is_told() -> None:
    limits = [{"name": "team-a", "requestsPerMinute": 100}, {"name": "team-b", "requestsPerMinute": 1}]
    [note] = notes(ACCESS, cluster("eu", allowed=["*"], gateway={**GATE, "limits": limits}))
    assert "requestsPerMinute of access.limits is 600" in note
    assert "lets namespace team-a have 100" in note


def test_a_model_is_told_of_no_other_namespaces_ceiling() -> None:
    limits = [{"name": "team-a", "requestsPerMinute": 100}, {"name": "team-b", "requestsPerMinute": 1}]
    outcome, _ = served(cluster("eu", allowed=["*"], gateway={**GATE, "limits": limits}))
    assert outcome.status["placement"]["gateway"]["limits"] == limits[:1]


def test_what_is_composed_is_valid() -> None:
    made = manifests(compose(request({**SPEC, "access": ACCESS}, COUNTS)))
    try:
        assert validate([inner(made[TRAFFIC])]) == []
    except SchemaMissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"requestsPerMinute": 5, "perClient": {"requestsPerMinute": 6}}, "perClient.requestsPerMinute is above"),
        ({"tokensPerMinute": 5, "tokensPerMonth": 4}, "the first minute would use up the month"),
        ({"requestsPerMinute": 8}, "limits of client batch.requestsPerMinute is above"),
    ],
)  # fmt: skip
def test_limits_that_contradict_are_refused(limits: dict[str, Any], words: str) -> None:
    spec = {**SPEC, "access": {**ACCESS, "limits": limits}}
    with pytest.raises(Invalid, match=words):
        parse(ModelSpec, spec, "spec")
