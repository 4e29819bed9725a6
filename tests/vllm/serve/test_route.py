"""A Model at its cluster's gateway: what is composed, in which order, and what becomes of a live Model."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from functions.api import SecretDelivery, contract
from functions.base import Condition, Outcome, Progress
from functions.base.assemble import Desired, assemble
from functions.cluster_stack.gateway.shared_address import POSTED
from functions.vllm.compose import FUNCTION, compose
from tests.vllm.world import EU, SPEC, cluster, live, manifests, request
from tools.errors import SchemaMissingError
from tools.validate import validate

AT = "https://models.example.org/team-a/qwen/v1"
INSIDE = "http://vllm.team-a-qwen-69e9ae072db0ed27.svc.cluster.local:8000/v1"
GATED = cluster("eu", allowed=["*"], gateway={"host": "models.example.org"})
ROUTE, SECURITY, TRAFFIC = "vllm/route", "vllm/route-security", "vllm/route-traffic"
KEY, OWNER = "vllm/api-key-delivery", "vllm/api-key-owner"
SECRET, HANDED_OUT = "vllm/connection", "vllm/connection-delivery"
POLICY = "vllm/network-policy-serving"
CONTROLLER = {"kind": "XModel", "name": "qwen-x1", "uid": "u", "controller": True}


def inner(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["forProvider"]["manifest"]
    return found


def again(before: Outcome, observed: dict[str, Any], *clusters: dict[str, Any], **spec: Any) -> Outcome:
    """Run once more; an endpoint that was not told yet stands in no status."""
    status = {key: value for key, value in before.status.items() if value is not None}
    return compose(request({**SPEC, **spec}, *(clusters or (GATED,)), status=status, observed=observed))


def desired(before: Outcome, observed: dict[str, Any], *clusters: dict[str, Any], **spec: Any) -> Desired:
    status = {key: value for key, value in before.status.items() if value is not None}
    asked = request({**SPEC, **spec}, *(clusters or (GATED,)), status=status, observed=observed)
    return assemble(asked, FUNCTION, compose(asked))


def served(*clusters: dict[str, Any], **spec: Any) -> tuple[Outcome, dict[str, Any]]:
    """A Model that answers, and what there is of it; Crossplane controls the Secret that it composes."""
    before = compose(request({**SPEC, **spec}, *clusters))
    observed = live(before)
    for _ in range(2):
        after = again(before, observed, *clusters, **spec)
        # What is not rendered again is there as it was.
        observed = {**observed, **{n: m for n, m in live(after).items() if manifests(after)[n]}}
        before = after
    if SECRET in observed:
        observed[SECRET]["metadata"] = {**observed[SECRET]["metadata"], "ownerReferences": [CONTROLLER]}
    return before, observed


def endpoint(outcome: Outcome) -> str | None:
    told = outcome.status["endpoint"]
    return told["baseURL"] if told else None


def callers(outcome: Outcome) -> list[str]:
    """Namespaces that the policy of serving pods lets in."""
    [rule] = inner(manifests(outcome)[POLICY])["spec"]["ingress"]
    return [c["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for c in rule["from"]]


def serving(outcome: Outcome) -> Condition | Progress:
    return next(c for c in outcome.conditions if c.type == "Serving")


# What is composed.


def _led_to(rule: dict[str, Any]) -> str | None:
    """Return the path that the engine is asked at, or None for the client's own; no rule passes on a transaction."""
    *rewrites, headers = rule["filters"]
    assert headers["requestHeaderModifier"]["remove"][-1] == "Txn-Token"
    return str(rewrites[0]["urlRewrite"]["path"]["replaceFullPath"]) if rewrites else None


def test_a_route_leads_by_exact_paths_to_the_engines_own() -> None:
    made = compose(request(SPEC, GATED))
    route = inner(manifests(made)[ROUTE])
    assert route["spec"]["hostnames"] == ["models.example.org"]
    [parent] = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == (contract.GATEWAY_NAMESPACE, contract.GATEWAY)
    leads = {}
    own = [rule for rule in route["spec"]["rules"] if "headers" not in rule["matches"][0]]
    for rule in own:
        [match] = rule["matches"]
        assert match["path"]["type"] == "Exact"
        assert rule["timeouts"] == {"request": "0s"}
        leads[match["method"], match["path"]["value"]] = _led_to(rule) or ""
    assert leads["POST", "/team-a/qwen/v1/chat/completions"] == "/v1/chat/completions"
    assert leads["GET", "/team-a/qwen/v1/models"] == "/v1/models"
    assert leads["POST", "/team-a/qwen/v1/classify"] == "/classify"
    assert all(path.startswith("/team-a/qwen/v1/") for _, path in leads)
    told = [
        word
        for path in leads.values()
        for word in ("metrics", "lora", "invocations", "tokenize")
        if word in path
    ]
    assert told == []


def test_at_the_shared_address_it_is_led_to_by_the_name_that_the_gateway_has_read() -> None:
    # Proves: the header that clients cannot send, the same paths, and no list: the gateway has one.
    route = inner(manifests(compose(request(SPEC, GATED)))[ROUTE])
    shared = [rule for rule in route["spec"]["rules"] if "headers" in rule["matches"][0]]
    assert len(route["spec"]["rules"]) <= 16, "a route takes no more"
    leads = {}
    for rule in shared:
        assert rule["timeouts"] == {"request": "0s"}
        for match in rule["matches"]:
            assert match["headers"] == [
                {"type": "Exact", "name": contract.GATEWAY_MODEL, "value": "team-a/qwen"}
            ]
            path = match["path"]["value"]
            leads[match["method"], path] = _led_to(rule) or path
    assert {method for method, _ in leads} == {"POST"}
    assert leads["POST", "/v1/chat/completions"] == "/v1/chat/completions"
    assert leads["POST", "/v1/classify"] == "/classify"
    gateways = {f"/v1/{path}" for path in POSTED}
    assert {path for _, path in leads} == gateways


def test_the_shared_address_is_told() -> None:
    made, _ = served(GATED)
    told = made.status["endpoint"]
    assert (told["sharedBaseURL"], told["sharedModel"]) == ("https://models.example.org/v1", "team-a/qwen")
    inside = compose(request(SPEC, EU)).status["endpoint"]
    assert "sharedBaseURL" not in inside


def test_only_the_models_own_key_passes() -> None:
    made = manifests(compose(request(SPEC, GATED)))
    policy = inner(made[SECURITY])["spec"]
    delivery = SecretDelivery.model_validate(made[KEY]["spec"])
    [secret] = policy["apiKeyAuth"]["credentialRefs"]
    assert secret["name"] == delivery.target.name
    assert delivery.target.key == "team-a.qwen"
    assert policy["apiKeyAuth"]["sanitize"] is True
    assert policy["authorization"]["defaultAction"] == "Deny"
    [rule] = policy["authorization"]["rules"]
    # Of an empty Secret Envoy would take the keys of another route: those have other holders.
    header = policy["apiKeyAuth"]["forwardClientIDHeader"]
    holders = ["team-a.qwen", "team-a.qwen__former"]
    assert rule["principal"] == {"headers": [{"name": header, "values": holders}]}
    targets = [inner(made[name])["spec"]["targetRefs"][0] for name in (SECURITY, TRAFFIC)]
    assert {(t["kind"], t["name"]) for t in targets} == {
        ("HTTPRoute", inner(made[ROUTE])["metadata"]["name"])
    }


def test_a_request_is_taken_whole_before_the_engine_hears_of_it() -> None:
    found = inner(manifests(compose(request(SPEC, GATED)))[TRAFFIC])["spec"]
    assert found["requestBuffer"] == {"limit": "10Mi"}
    assert found["timeout"]["http"]["requestTimeout"] == "0s"


def test_one_key_is_made_in_the_platforms_namespace_for_both_ends() -> None:
    made = manifests(compose(request(SPEC, GATED)))
    key, secret = (SecretDelivery.model_validate(made[name]["spec"]) for name in (KEY, HANDED_OUT))
    assert key.source == secret.source
    assert (key.made, secret.made) == (True, True)
    assert key.source.namespace == made[KEY]["metadata"]["namespace"] == "crossplane-system"
    assert secret.provider_config_ref is None
    assert (secret.target.namespace, secret.target.key) == ("team-a", "OPENAI_API_KEY")
    assert secret.target.texts == {"OPENAI_BASE_URL": AT, "OPENAI_MODEL": "Qwen/Qwen3-8B"}
    assert SECRET not in made
    other = manifests(compose(request(SPEC, GATED, name="other")))
    assert other[KEY]["spec"]["source"] != made[KEY]["spec"]["source"]


def test_a_private_authority_is_handed_out() -> None:
    of = cluster("eu", allowed=["*"], gateway={"host": "h.example.org", "port": 8443, "ca": "PEM"})
    texts = manifests(compose(request(SPEC, of)))[HANDED_OUT]["spec"]["target"]["texts"]
    assert texts["ca.crt"] == "PEM"
    assert texts["OPENAI_BASE_URL"] == "https://h.example.org:8443/team-a/qwen/v1"


def test_the_claims_connection_secret_has_all_but_the_key() -> None:
    # Proves: it says what the status says, when the status does, and never a key.
    of = cluster("eu", allowed=["*"], gateway={"host": "h.example.org", "port": 8443, "ca": "PEM"})
    assert compose(request(SPEC, of)).connection is None
    before, observed = served(of)
    assert set(before.connection or ()) == set(contract.CONNECTION_KEYS)
    assert before.connection == {
        "OPENAI_BASE_URL": "https://h.example.org:8443/team-a/qwen/v1",
        "OPENAI_MODEL": "Qwen/Qwen3-8B",
        "ca.crt": "PEM",
    }
    assert observed[HANDED_OUT]["spec"]["target"]["key"] not in contract.CONNECTION_KEYS
    inside = compose(request(SPEC, EU)).connection
    assert inside == {"OPENAI_BASE_URL": INSIDE, "OPENAI_MODEL": "Qwen/Qwen3-8B"}


def test_only_the_gateways_proxies_reach_the_pods() -> None:
    made = compose(request(SPEC, GATED))
    assert callers(made) == [contract.GATEWAY_NAMESPACE]
    [rule] = inner(manifests(made)[POLICY])["spec"]["ingress"]
    assert rule["from"][0]["podSelector"] == {"matchLabels": {contract.COMPONENT: contract.GATEWAY_PROXY}}
    asked = compose(request({**SPEC, "access": {"inCluster": True}}, GATED))
    assert callers(asked) == ["team-a", contract.GATEWAY_NAMESPACE]


def test_a_cluster_without_a_gateway_is_as_before() -> None:
    made = compose(request(SPEC, EU))
    assert not {ROUTE, SECURITY, TRAFFIC, KEY, OWNER, HANDED_OUT} & set(manifests(made))
    assert callers(made) == ["team-a"]
    assert endpoint(made) == INSIDE
    assert "gateway" not in made.status["placement"]


def test_a_composite_without_a_claim_has_no_route() -> None:
    made = compose(request(SPEC, GATED, namespace=""))
    assert not {ROUTE, KEY, HANDED_OUT} & set(manifests(made))


def test_what_is_composed_is_valid() -> None:
    composed = [m for m in manifests(compose(request(SPEC, GATED))).values() if m]
    try:
        assert validate(composed) == []
    except SchemaMissingError as error:
        pytest.skip(str(error))


# The order.


def test_the_route_comes_after_its_key_its_policies_and_the_first_answer() -> None:
    before, whole = served(GATED)
    chain = (KEY, SECURITY, ROUTE, HANDED_OUT)
    for number, name in enumerate(chain):
        there = {n: m for n, m in whole.items() if n not in chain[number:]}
        made = desired(before, there)
        assert set(made.held) & set(chain) == set(chain[number + 1 :]), name
        assert name in made.manifests
    without = {n: m for n, m in whole.items() if n not in (ROUTE, "vllm/deployment")}
    assert ROUTE in desired(before, without).held


def test_the_endpoint_is_told_once_the_gateway_has_taken_the_route() -> None:
    first = compose(request(SPEC, GATED))
    assert endpoint(first) is None
    observed = live(first)
    del observed[ROUTE]["status"], observed[HANDED_OUT]
    assert endpoint(again(first, observed)) is None
    assert endpoint(again(first, live(first))) == AT


def test_a_route_in_trouble_does_not_change_the_endpoint() -> None:
    before, observed = served(GATED)
    observed[ROUTE]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    made = again(before, observed)
    assert endpoint(made) == AT
    assert manifests(made)[HANDED_OUT]["spec"]["target"]["texts"]["OPENAI_BASE_URL"] == AT


def test_a_gateway_with_another_host_changes_the_address_and_nothing_else() -> None:
    before, observed = served(GATED)
    observed[ROUTE]["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    made = again(before, observed, cluster("eu", allowed=["*"], gateway={"host": "other.example.org"}))
    assert endpoint(made) == "https://other.example.org/team-a/qwen/v1"
    assert inner(manifests(made)[ROUTE])["spec"]["hostnames"] == ["other.example.org"]
    assert callers(made) == [contract.GATEWAY_NAMESPACE]


def test_a_model_serves_once_its_route_and_its_secret_are_there() -> None:
    before, observed = served(GATED)
    condition = serving(again(before, observed))
    assert isinstance(condition, Progress)
    assert {ROUTE, SECURITY, HANDED_OUT} <= set(condition.resources)
    observed[HANDED_OUT] = {**observed[HANDED_OUT], "status": {}}
    assert desired(before, observed).conditions["Serving"].status.value == "False"


def test_what_hinders_the_key_and_the_route_is_told() -> None:
    before, observed = served(GATED)
    late = {"type": "Synced", "status": "False", "reason": "ClusterUnreachable", "message": "why"}
    told = serving(again(before, {**observed, KEY: {**observed[KEY], "status": {"conditions": [late]}}}))
    assert isinstance(told, Condition)
    assert told.text == "[platform] the Model's key cannot be delivered to the cluster: why"
    refusal = {
        "type": "Accepted",
        "status": "False",
        "reason": "NotAllowedByListeners",
        "message": "not allowed.",
    }
    status = {"atProvider": {"manifest": {"status": {"parents": [{"conditions": [refusal]}]}}}}
    told = serving(again(before, {**observed, ROUTE: {**observed[ROUTE], "status": status}}))
    assert isinstance(told, Condition)
    assert told.text == (
        "[platform] the cluster's gateway refuses the Model's route: not allowed. Ask the cluster's owner to see "
        "after the gateway"
    )


# A live Model whose cluster gets a gateway, or loses it.


def test_a_live_model_is_called_inside_until_the_route_is_there() -> None:
    before, observed = served(EU)
    made = again(before, observed)
    assert endpoint(made) == INSIDE
    assert callers(made) == ["team-a", contract.GATEWAY_NAMESPACE]
    assert HANDED_OUT not in manifests(made)
    values = manifests(made)[SECRET]["data"]
    assert values["OPENAI_BASE_URL"] == b64encode(INSIDE.encode()).decode()
    condition = serving(made)
    assert isinstance(condition, Progress)
    assert not {ROUTE, KEY, HANDED_OUT} & set(condition.resources)


def test_a_live_models_secret_is_handed_over_without_a_gap() -> None:
    before, observed = served(EU)
    observed = {**observed, **{n: m for n, m in live(again(before, observed)).items() if n not in observed}}
    # The route is there: both are composed, and no key is asked for.
    made = again(before, observed)
    assert endpoint(made) == AT
    target = manifests(made)[HANDED_OUT]["spec"]["target"]
    assert (target["name"], target["composed"]) == (observed[SECRET]["metadata"]["name"], True)
    assert SECRET in manifests(made)
    assert made.gone == []
    assert "unless spec.access.inCluster is true" in " ".join(made.notes)
    assert callers(made) == ["team-a", contract.GATEWAY_NAMESPACE]
    # Nor while the agent has not let Crossplane go.
    observed[HANDED_OUT] = {**manifests(made)[HANDED_OUT], "status": {"conditions": [_still_composed()]}}
    made = again(made, observed)
    assert manifests(made)[HANDED_OUT]["spec"]["target"]["composed"] is True
    assert SECRET in manifests(made)
    # The agent has: it is composed no more.
    observed[SECRET]["metadata"] = {**observed[SECRET]["metadata"], "ownerReferences": [{"uid": "u"}]}
    made = again(made, observed)
    assert made.gone == [SECRET]
    assert manifests(made)[HANDED_OUT]["spec"]["target"]["composed"] is True
    # Crossplane reads it no more: now the key, and nobody is let in beside the gateway.
    del observed[SECRET]
    made = again(made, observed)
    assert "composed" not in manifests(made)[HANDED_OUT]["spec"]["target"]
    assert SECRET not in manifests(made)
    assert callers(made) == [contract.GATEWAY_NAMESPACE]
    assert desired(made, observed).conditions["Serving"].status.value == "True", "the Secret was always there"


def _still_composed() -> dict[str, Any]:
    return {"type": "Synced", "status": "False", "reason": "StillComposed", "message": "wait"}


def test_a_live_model_without_an_agent_goes_on_as_before() -> None:
    before, observed = served(EU)
    made = again(before, observed)
    late = {
        n: {**m, "status": {}}
        for n, m in live(made).items()
        if n not in observed and n not in (ROUTE, HANDED_OUT)
    }
    made = again(before, {**observed, **late})
    assert endpoint(made) == INSIDE
    assert "the agent has not delivered the Model's key" in " ".join(made.notes)
    assert desired(before, {**observed, **late}).conditions["Serving"].status.value == "True"


def test_a_gateway_that_goes_brings_apps_back_inside() -> None:
    """The route goes before its policies, which close it; the Secret stays, and stays the agent's."""
    before, observed = served(GATED)
    made = again(before, observed, EU)
    assert made.gone == [ROUTE]
    assert endpoint(made) == INSIDE
    assert callers(made) == ["team-a"]
    assert manifests(made)[HANDED_OUT]["spec"]["target"]["texts"]["OPENAI_BASE_URL"] == INSIDE
    assert SECRET not in manifests(made)
    assert "the cluster has no gateway any more" in " ".join(made.notes)
    assert desired(before, observed, EU).conditions["Serving"].status.value == "True"
    del observed[ROUTE]
    made = again(made, observed, EU)
    assert set(made.gone) == {SECURITY, TRAFFIC, KEY, OWNER}
    assert HANDED_OUT in manifests(made)


def test_a_cluster_that_is_not_known_takes_nothing_away() -> None:
    before, observed = served(GATED)
    status = {key: value for key, value in before.status.items() if value is not None}
    made = compose(request(SPEC, status=status, observed=observed, answers={"cluster": ()}))
    assert made.gone == []
    assert endpoint(made) == AT
    assert {ROUTE, SECURITY, HANDED_OUT} <= set(manifests(made))


def test_a_lost_status_brings_no_second_secret() -> None:
    before, observed = served(GATED)
    del before
    made = compose(
        request(SPEC, GATED, observed=observed, answers={"clusters": (GATED,), "cluster": (GATED,)})
    )
    assert SECRET not in manifests(made)
    assert endpoint(made) == AT


def test_a_move_leaves_the_address_and_the_secret() -> None:
    """The new placement's route is there before the old one goes; the key and the Secret are the same."""
    pools = [
        {"name": n, "gpuModel": "L4", "gpusPerNode": 1, "gpuMemoryMiB": 22888, "ready": True} for n in "ab"
    ]
    two = cluster(
        "eu", *[{**p, "nodes": {"min": 0, "max": 4}} for p in pools], allowed=["*"], gateway={"host": "h"}
    )
    before, observed = served(two)
    there = before.status["placement"]["nodePool"]
    other = {"cluster": {"namespace": "platform", "name": "eu", "nodePool": "b" if there == "a" else "a"}}
    answers = {"clusters": (two,), "cluster": (two,)}
    status = dict(before.status)
    moving = compose(request({**SPEC, **other}, two, status=status, observed=observed, answers=answers))
    tagged = {name for name in manifests(moving) if name.endswith("/route")}
    assert len(tagged) == 1
    assert HANDED_OUT not in manifests(moving)
    assert endpoint(moving) == "https://h/team-a/qwen/v1"
    assert moving.connection is None
    observed |= live(moving)
    arrived = compose(request({**SPEC, **other}, two, status=status, observed=observed, answers=answers))
    assert arrived.status["placement"]["nodePool"] != there
    handed_out = manifests(arrived)[HANDED_OUT]
    for field in ("source", "made"):
        assert handed_out["spec"][field] == observed[HANDED_OUT]["spec"][field]
    assert handed_out["spec"]["target"]["texts"] == observed[HANDED_OUT]["spec"]["target"]["texts"]
    assert ROUTE not in arrived.gone, "the old route serves until the placement is left"
