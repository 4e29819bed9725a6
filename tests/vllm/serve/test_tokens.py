"""Tokens of issuers at a Model's route: whose, in which form, and that keys and other Models stay what they are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from functions.api import contract
from functions.base import Outcome
from functions.vllm.compose import compose
from tests.vllm.serve.test_route import ROUTE as KEY_ROUTE
from tests.vllm.serve.test_route import SECURITY, TRAFFIC, again, inner, served
from tests.vllm.world import EU, SPEC, cluster, manifests, request
from tools.errors import SchemaMissingError
from tools.validate import validate

ROUTE, POLICY = "vllm/token-route", "vllm/token-route-security"
DEPLOYMENT = "vllm/deployment"
JWKS = '{"keys": [{"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"}]}'
CORP = {"name": "corp", "issuer": "https://login.example.org/", "jwksURI": "https://login.example.org/keys"}
APPS = {"name": "apps", "issuer": "https://kubernetes.default.svc", "jwks": JWKS}
GATED = cluster("eu", allowed=["*"], gateway={"host": "models.example.org", "issuers": [CORP, APPS]})
STAFF = {
    "issuer": "corp",
    "audience": "models",
    "claims": [
        {"name": "groups", "values": ["ml"], "isList": True},
        {"name": "azp", "values": ["web", "cli"]},
    ],
}
PODS = {
    "issuer": "apps",
    "audience": "models",
    "serviceAccounts": [{"namespace": "shop", "name": "chat"}, {"namespace": "shop", "name": "search"}],
}


def asked(*tokens: dict[str, Any]) -> dict[str, Any]:
    return {"access": {"jwt": list(tokens)}}


def made(*tokens: dict[str, Any], at: dict[str, Any] = GATED) -> Outcome:
    return compose(request({**SPEC, **asked(*tokens)}, at))


def policy(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = inner(manifests(outcome)[POLICY])["spec"]
    return found


def test_tokens_come_to_a_route_of_their_own_by_their_form() -> None:
    route = inner(manifests(made(STAFF))[ROUTE])["spec"]
    keys = inner(manifests(made(STAFF))[KEY_ROUTE])["spec"]
    own = [rule for rule in keys["rules"] if "headers" not in rule["matches"][0]]
    assert len(route["rules"]) == len(own)
    forms = set()
    for rule, of_keys in zip(route["rules"], own, strict=True):
        [match], [without] = rule["matches"], of_keys["matches"]
        [header] = match.pop("headers")
        assert match == without, "the same paths"
        assert (header["type"], header["name"]) == ("RegularExpression", "Authorization")
        forms.add(header["value"])
        assert rule["timeouts"] == {"request": "0s"}
        assert rule["backendRefs"] == of_keys["backendRefs"]
        assert rule["filters"][0] == of_keys["filters"][0]
        assert "Authorization" in rule["filters"][1]["requestHeaderModifier"]["remove"]
    [form] = forms
    assert re.fullmatch(form, "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln")
    for other in (
        "Bearer Zm9vYmFy",
        "eyJh.eyJz.c2ln",
        "Bearer eyJh.eyJz.",
        "Bearer eyJh.eyJz",
        "bearer eyJh.e.x",
    ):
        assert not re.fullmatch(form, other), other


def test_a_transaction_token_comes_in_a_header_of_its_own_and_by_its_scope() -> None:
    txn = {"name": "txn", "issuer": "https://txn.example.org/", "jwks": JWKS, "header": "Txn-Token"}
    at = cluster("eu", allowed=["*"], gateway={"host": "models.example.org", "issuers": [CORP, txn]})
    takes = {"issuer": "txn", "audience": "example.org", "scopes": ["chat", "models:ask"]}
    found = made(STAFF, takes, at=at)
    for rule in inner(manifests(found)[ROUTE])["spec"]["rules"]:
        of_staff, of_txn = (match["headers"][0] for match in rule["matches"])
        assert (of_staff["name"], of_txn["name"]) == ("Authorization", "Txn-Token")
        assert re.fullmatch(of_txn["value"], "eyJh.eyJz.c2ln")
        assert not re.fullmatch(of_txn["value"], "Bearer eyJh.eyJz.c2ln")
        assert rule["filters"][1]["requestHeaderModifier"]["remove"] == ["Authorization", "Txn-Token"]
    corp, own = policy(found)["jwt"]["providers"]
    assert corp["extractFrom"]["headers"][0]["name"] == "Authorization"
    assert own["extractFrom"] == {"headers": [{"name": "Txn-Token"}]}
    *_, one, among = (rule["principal"]["jwt"] for rule in policy(found)["authorization"]["rules"])
    for asks in (one, among):
        assert (asks["provider"], asks["scopes"]) == ("txn", ["chat", "models:ask"])
        assert [claim["name"] for claim in asks["claims"]] == ["aud"]


def test_nothing_is_open_but_what_the_spec_and_the_platform_name() -> None:
    found = policy(made(STAFF, PODS))
    assert found["authorization"]["defaultAction"] == "Deny"
    rules = found["authorization"]["rules"]
    assert {rule["action"] for rule in rules} == {"Allow"}
    for rule in rules:
        claims = {claim["name"]: claim for claim in rule["principal"]["jwt"]["claims"]}
        assert claims["aud"]["values"] == ["models"], "no rule without the audience"
        assert set(claims) - {"aud"}, "no rule without anybody"
    # A list, or one.
    assert [r["principal"]["jwt"]["claims"][0]["valueType"] for r in rules] == ["String", "StringArray"] * 2
    staff = {(c["name"], c["valueType"], *c["values"]) for c in rules[2]["principal"]["jwt"]["claims"][1:]}
    assert staff == {("groups", "StringArray", "ml"), ("azp", "String", "web", "cli")}
    [pods] = rules[0]["principal"]["jwt"]["claims"][1:]
    assert (pods["name"], pods["valueType"]) == ("sub", "String")
    assert pods["values"] == ["system:serviceaccount:shop:chat", "system:serviceaccount:shop:search"]
    assert found["targetRefs"][0]["name"] == inner(manifests(made(STAFF))[ROUTE])["metadata"]["name"]
    assert "optional" not in found["jwt"]
    assert "failOpen" not in found["jwt"]


def test_what_a_token_is_verified_by_is_the_platforms_and_the_same_for_all_models() -> None:
    """Of an issuer the Model says the name alone; a change of what is verified would end streams."""
    others = {**STAFF, "audience": "elsewhere", "claims": [{"name": "sub", "values": ["x"]}]}
    one, two = (policy(made(each))["jwt"]["providers"] for each in (STAFF, others))
    assert one == two
    [corp] = one
    assert (corp["issuer"], corp["remoteJWKS"]["uri"]) == (CORP["issuer"], CORP["jwksURI"])
    assert corp["extractFrom"] == {"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]}
    [apps] = policy(made(PODS))["jwt"]["providers"]
    assert apps["localJWKS"] == {"type": "Inline", "inline": JWKS}
    headers = {each["header"]: each["claim"] for each in corp["claimToHeaders"]}
    assert headers == {contract.GATEWAY_ISSUER: "iss", contract.GATEWAY_SUBJECT: "sub"}


def test_no_id_of_a_token_is_one_of_a_key() -> None:
    rule = inner(manifests(made(STAFF))[ROUTE])["spec"]["rules"][0]
    [told] = rule["filters"][1]["requestHeaderModifier"]["set"]
    assert told == {
        "name": contract.GATEWAY_CLIENT,
        "value": "%REQ(x-freehold-issuer)%:%REQ(x-freehold-subject)%",
    }
    keys = inner(manifests(made(STAFF))[SECURITY])["spec"]
    [header] = keys["authorization"]["rules"][0]["principal"]["headers"]
    assert not [id_ for id_ in header["values"] if ":" in id_]


def test_keys_are_as_without_tokens_but_for_the_timeouts() -> None:
    with_, without = manifests(made(STAFF)), manifests(made())
    assert not {ROUTE, POLICY} & set(without)
    same = set(without) - {TRAFFIC}
    assert {name: with_[name] for name in same if "placement" not in str(with_[name])} == {
        name: without[name] for name in same if "placement" not in str(without[name])
    }
    assert [target["name"] for target in inner(with_[TRAFFIC])["spec"]["targetRefs"]] == [
        "vllm",
        "vllm-tokens",
    ]


def test_what_is_composed_is_valid() -> None:
    composed = [m for m in manifests(made(STAFF, PODS)).values() if m]
    try:
        assert validate(composed) == []
    except SchemaMissingError as error:
        pytest.skip(str(error))


def test_an_issuer_that_the_platform_does_not_list_lets_nobody_in() -> None:
    found = made({**STAFF, "issuer": "evil"})
    assert not {ROUTE, POLICY} & set(manifests(found))
    assert (
        "spec.access.jwt: tokens of evil are not taken, since the cluster's gateway lists no such issuer. Correct "
        "the name, or ask the cluster's owner to list it in spec.gateway.issuers"
    ) in found.notes
    both = made({**STAFF, "issuer": "evil"}, PODS)
    assert [each["name"] for each in policy(both)["jwt"]["providers"]] == ["apps"]
    assert any("tokens of evil" in note for note in both.notes)


def test_without_a_gateway_nothing_takes_tokens() -> None:
    found = made(STAFF, at=EU)
    assert not {ROUTE, POLICY} & set(manifests(found))
    assert any(note.startswith("no tokens of spec.access.jwt are taken") for note in found.notes)


def test_a_placement_records_only_the_issuers_that_the_model_names() -> None:
    assert [each["name"] for each in made(PODS).status["placement"]["gateway"]["issuers"]] == ["apps"]
    assert "issuers" not in made().status["placement"]["gateway"]


def test_the_route_for_tokens_goes_before_its_policy_and_keys_stay() -> None:
    before, observed = served(GATED, **asked(STAFF))
    assert {ROUTE, POLICY} <= set(observed)
    after = again(before, observed, GATED)
    assert [name for name in after.gone if "token" in name] == [ROUTE]
    del observed[ROUTE]
    assert [name for name in again(before, observed, GATED).gone if "token" in name] == [POLICY]
    assert {KEY_ROUTE, SECURITY} <= set(manifests(after))


def test_an_offer_that_says_nothing_of_issuers_takes_no_route_away() -> None:
    """Such as of a function that is rolled back alone; one that says that there are none does."""
    host = {"host": "models.example.org"}
    silent = cluster("eu", allowed=["*"], gateway=host)
    none = cluster("eu", allowed=["*"], gateway={**host, "issuers": []})
    before, observed = served(GATED, **asked(STAFF))
    after = again(before, observed, silent, **asked(STAFF))
    assert [name for name in after.gone if "token" in name] == []
    assert {ROUTE, POLICY} <= set(manifests(after))
    assert [name for name in again(after, observed, none, **asked(STAFF)).gone if "token" in name] == [ROUTE]
    assert [name for name in again(after, observed, silent).gone if "token" in name] == [ROUTE]


def test_with_the_gateway_both_routes_go_first() -> None:
    before, observed = served(GATED, **asked(STAFF))
    after = again(before, observed, EU, **asked(STAFF))
    assert {KEY_ROUTE, ROUTE} <= set(after.gone)
    assert not {SECURITY, POLICY, TRAFFIC} & set(after.gone)


def test_a_route_for_tokens_that_is_refused_is_told_and_the_model_serves() -> None:
    before, observed = served(GATED, **asked(STAFF))
    said = {"type": "Accepted", "status": "False", "reason": "Invalid", "message": "no such key."}
    status = {"atProvider": {"manifest": {"status": {"ancestors": [{"conditions": [said]}]}}}}
    observed[POLICY] = {**observed[POLICY], "status": {**observed[POLICY].get("status", {}), **status}}
    after = again(before, observed, GATED, **asked(STAFF))
    assert (
        "spec.access.jwt: no tokens are taken, since the cluster's gateway refuses the route for them: no such key. "
        "Ask the cluster's owner to see after the gateway"
    ) in after.notes
    serving = next(c for c in after.conditions if c.type == "Serving")
    assert getattr(serving, "reason", "") == "Available"


@pytest.mark.parametrize("tag", ["", "x"])
def test_its_claim_decides_who_a_client_is(tag: str) -> None:
    issuer = {**CORP, **({"clientClaim": "azp"} if tag else {})}
    at = cluster("eu", allowed=["*"], gateway={"host": "models.example.org", "issuers": [issuer]})
    [provider] = policy(made(STAFF, at=at))["jwt"]["providers"]
    assert provider["claimToHeaders"][1]["claim"] == ("azp" if tag else "sub")


def test_who_may_call_asks_nothing_of_the_pods() -> None:
    """Else a package that renders pods otherwise would restart them with the next change of callers."""
    asked = {
        manifests(each)["vllm/deployment"]["metadata"]["annotations"]["freehold.dev/pods-asked"]
        for each in (
            made(),
            made(STAFF),
            made(at=EU),
            compose(request({**SPEC, "access": {"inCluster": True}}, EU)),
        )
    }
    assert len(asked) == 1


def test_what_once_counted_as_asked_of_the_pods_restarts_nothing_after_an_upgrade() -> None:
    """Callers and the gateway did, so the digest that an older package has left is another."""
    at = cluster("eu", allowed=["*"], gateway={"host": "models.example.org"})
    access = {"access": {"inCluster": True}}
    before, observed = served(at, **access)
    annotations = dict(observed[DEPLOYMENT]["metadata"]["annotations"])
    templates = json.loads(annotations["freehold.dev/pods"])
    [template] = templates.values()
    template["spec"]["containers"][0]["env"] = [{"name": "OLD", "value": "1"}]
    kept = json.dumps(templates, sort_keys=True)
    # By the package of before, of this very claim.
    annotations |= {"freehold.dev/pods": kept, "freehold.dev/pods-asked": "160374bfba2f10fb"}
    observed[DEPLOYMENT] = {
        **observed[DEPLOYMENT],
        "metadata": {**observed[DEPLOYMENT]["metadata"], "annotations": annotations},
    }
    after = manifests(again(before, observed, at, **access))[DEPLOYMENT]["metadata"]["annotations"]
    assert after["freehold.dev/pods"] == kept
    observed[DEPLOYMENT]["metadata"]["annotations"] = after
    # And later changes of callers restart nothing either.
    later = manifests(again(before, observed, at, access={"namespaces": ["shop"]}))[DEPLOYMENT]["metadata"]
    assert later["annotations"]["freehold.dev/pods"] == kept


def test_the_order_of_the_claim_changes_nothing_that_all_models_share() -> None:
    """Envoy Gateway has a filter in its listener for each list of issuers, and each change of that ends streams."""
    assert policy(made(STAFF, PODS)) == policy(made(PODS, STAFF))
