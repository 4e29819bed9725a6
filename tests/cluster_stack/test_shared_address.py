"""The address that all Models of a cluster share: what its route takes, and that it leads nowhere by itself."""

from __future__ import annotations

import json
from typing import Any

from functions.api import contract
from functions.cluster_stack.gateway import overload, usage
from tests.cluster_stack.stack import EXISTING, composed, values

G = "cluster-stack/gateway"
SPEC = {
    **EXISTING,
    "claimRef": {"namespace": "platform", "name": "eu-prod"},
    "gateway": {"host": "models.example.org", "tls": {"secretRef": {"name": "models-tls"}}},
}
MADE = composed(SPEC)


def inside(part: str) -> dict[str, Any]:
    found: dict[str, Any] = MADE[f"{G}-shared-{part}"]["spec"]["forProvider"]["manifest"]
    return found


def targets(part: str) -> set[str]:
    return {target["name"] for target in inside(part)["spec"]["targetRefs"]}


def test_its_route_lets_nobody_to_what_it_leads_to() -> None:
    # Proves: what the body's Model does not lead elsewhere is refused, whatever the Model is.
    checks = inside("checks")["spec"]
    assert checks["authorization"] == {"defaultAction": "Deny"}
    assert targets("checks") == {inside("route")["metadata"]["name"]}
    [rule] = inside("route")["spec"]["rules"]
    assert {match["path"]["type"] for match in rule["matches"]} == {"Exact"}
    assert {match["method"] for match in rule["matches"]} == {"POST"}


def test_a_key_is_asked_for_at_both_routes() -> None:
    for part in ("checks", "lists"):
        keys = inside(part)["spec"]["apiKeyAuth"]
        assert keys["credentialRefs"] == [{"group": "", "kind": "Secret", "name": contract.GATEWAY_KEYS}]
        assert (keys["forwardClientIDHeader"], keys["sanitize"]) == (contract.GATEWAY_CLIENT, True)
    assert targets("lists") == {inside("list")["metadata"]["name"]}


def test_the_body_is_read_by_requests_route_alone_and_is_bounded() -> None:
    assert targets("reads") == targets("checks")
    assert targets("bounds") == targets("checks") | targets("lists")
    assert inside("bounds")["spec"]["requestBuffer"] == {"limit": "10Mi"}
    reads, *others = inside("reads")["spec"]["lua"]
    assert f'"{contract.GATEWAY_MODEL}"' in reads["inline"]
    # A route with Lua of its own has none of the gateway's.
    every = MADE[f"{G}-usage"]["spec"]["forProvider"]["manifest"]["spec"]
    assert every["lua"] == others == [usage.lua(), overload.lua()]
    assert [target["kind"] for target in every["targetRefs"]] == ["Gateway"]
    assert values(MADE[G])["config"]["envoyGateway"]["extensionApis"] == {"enableLua": True}


def test_what_is_refused_is_said_as_openai_does() -> None:
    # Proves: 403 is never told, so nobody learns which Models there are.
    said = {}
    for each in inside("bounds")["spec"]["responseOverride"]:
        [status] = each["match"]["statusCodes"]
        assert each["source"] == "Local"
        assert set(json.loads(each["response"]["body"]["inline"])["error"]) == {
            "message",
            "type",
            "param",
            "code",
        }
        said[status["value"]] = each["response"]["statusCode"]
    assert said == {401: 401, 403: 404, 413: 413}


def test_the_agent_may_write_one_secret_and_read_none() -> None:
    [rule] = inside("role")["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == ([contract.GATEWAY_KEYS], ["create", "patch"])
    [subject] = inside("binding")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("agent", "freehold-agent")


def test_the_list_is_the_agents() -> None:
    [rule] = inside("list")["spec"]["rules"]
    [backend] = rule["backendRefs"]
    service = MADE["cluster-stack/agent-service"]["spec"]["forProvider"]["manifest"]
    assert (backend["name"], backend["namespace"]) == (
        service["metadata"]["name"],
        service["metadata"]["namespace"],
    )
    policy = MADE[f"{G}-network-policy-proxies"]["spec"]["forProvider"]["manifest"]
    assert [to["ports"][0]["port"] for to in policy["spec"]["egress"] if "agent" in json.dumps(to)] == [8082]
