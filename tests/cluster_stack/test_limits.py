"""What counts for a gateway: nothing without being asked; the service, Valkey, and the ceilings of namespaces."""

from __future__ import annotations

from typing import Any

from functions.api import contract
from functions.cluster_stack.gateway.limits import PARTS
from tests.cluster_stack.stack import EXISTING, REACHABLE, composed, values
from tests.cluster_stack.test_gateway import BY_SECRET, CHART, G, inside, spec

CEILING = {"name": "team-a", "requestsPerMinute": 60, "tokensPerMonth": 1_000_000}
READY = [REACHABLE, *CHART, f"{G}-class", f"{G}-limits-valkey"]


def limited(given: dict[str, Any] | None = None, **limits: Any) -> dict[str, Any]:
    return composed(spec({**BY_SECRET, "limits": limits}), ready=READY, given=given)


def test_nothing_of_it_without_being_asked() -> None:
    made = composed(spec(BY_SECRET), ready=READY)
    assert [part for part in PARTS if f"{G}-{part}" in made] == []
    assert "rateLimit" not in values(made[G])["config"]["envoyGateway"]
    assert "valkey" not in str(composed(EXISTING))


def test_envoy_gateway_runs_the_service_and_asks_our_valkey() -> None:
    made = limited()
    config = values(made[G])["config"]["envoyGateway"]
    address = inside(made, "limits-valkey-service")["metadata"]
    [port] = inside(made, "limits-valkey-service")["spec"]["ports"]
    url = f"{address['name']}.{address['namespace']}.svc:{port['port']}"
    assert config["rateLimit"]["backend"] == {"type": "Redis", "redis": {"url": url}}
    pods = config["provider"]["kubernetes"]["rateLimitDeployment"]["pod"]["labels"]
    policy = inside(made, "limits-network-policy-service")["spec"]
    assert policy["podSelector"]["matchLabels"] == pods


def test_what_becomes_of_requests_without_it_is_the_platforms_to_say() -> None:
    def closed(**limits: Any) -> bool:
        found: bool = values(limited(**limits)[G])["config"]["envoyGateway"]["rateLimit"]["failClosed"]
        return found

    assert not closed()
    assert closed(whenUnavailable="Refuse")


def test_the_service_is_looked_at_and_never_made() -> None:
    made = limited()[contract.GATEWAY_LIMITS]
    assert made["spec"]["managementPolicies"] == ["Observe"]
    assert made["spec"]["forProvider"]["manifest"]["metadata"] == {
        "name": "envoy-ratelimit",
        "namespace": contract.GATEWAY_NAMESPACE,
    }


def test_only_the_service_reaches_valkey_and_only_envoys_the_service() -> None:
    made = limited()
    valkey, service = (
        inside(made, f"limits-network-policy-{part}")["spec"] for part in ("valkey", "service")
    )
    assert valkey["ingress"][0]["from"] == [{"podSelector": service["podSelector"]}]
    assert valkey["egress"] == []
    assert service["ingress"][0]["from"][0]["podSelector"]["matchLabels"] == {
        contract.COMPONENT: contract.GATEWAY_PROXY
    }
    # Of the namespace's policies, that of whatever else runs there lets neither of them anywhere.
    [others] = inside(made, "network-policy-controller")["spec"]["podSelector"]["matchExpressions"]
    assert {"limits", "valkey"} < set(others["values"])


def test_valkey_is_restricted_and_alone() -> None:
    deployment = inside(limited(), "limits-valkey")["spec"]
    pod = deployment["template"]["spec"]
    [container] = pod["containers"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False


def test_images_come_from_a_mirror() -> None:
    def image(**given: Any) -> str:
        made = limited({"gateway": given})
        [container] = inside(made, "limits-valkey")["spec"]["template"]["spec"]["containers"]
        found: str = container["image"]
        return found

    known = image()
    mirrored = image(values={"global": {"imageRegistry": "registry.example.org"}})
    assert mirrored == f"registry.example.org/{known.partition('/')[2]}"
    assert image(valkeyImage="r.example.org/valkey:9") == "r.example.org/valkey:9"


def test_a_ceiling_is_of_all_clients_of_all_models_of_a_namespace() -> None:
    ceilings = f"{G}-limits-ceilings"
    assert ceilings not in limited()
    made = composed(
        spec({**BY_SECRET, "limits": {"namespaces": [CEILING]}}), ready=[*READY, contract.GATEWAY_LIMITS]
    )
    policy = made[ceilings]["spec"]["forProvider"]["manifest"]["spec"]
    assert [target["kind"] for target in policy["targetRefs"]] == ["Gateway"]
    requests, tokens = policy["rateLimit"]["global"]["rules"]
    assert (requests["limit"], tokens["limit"]) == (
        {"requests": 60, "unit": "Minute"},
        {"requests": 1_000_000, "unit": "Month"},
    )
    for rule in (requests, tokens):
        [selector] = rule["clientSelectors"]
        # Also of clients with a token, whose ids begin with no namespace.
        [header] = selector["headers"]
        assert (header["name"], header["value"]) == (contract.GATEWAY_MODEL, "team-a/.+")
        assert rule["shared"] is True
