"""The gateway of a cluster: what is composed, in which order, how it goes, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.api import contract
from functions.base import Condition, Request
from functions.base.assemble import assemble
from functions.cluster_stack.compose import FUNCTION
from functions.cluster_stack.gateway import COMPONENT
from functions.cluster_stack.gateway.manifests import BROUGHT
from functions.cluster_stack.own import own_names
from functions.cluster_stack.secrets import delivery_name
from tests.cluster_stack.stack import AWS, EXISTING, REACHABLE, composed, request, values

G = "cluster-stack/gateway"
CLAIM = {"namespace": "platform", "name": "eu-prod"}
BY_SECRET = {"host": "models.example.org", "tls": {"secretRef": {"name": "models-tls"}}}
BY_ISSUER = {"host": "models.example.org", "tls": {"issuerRef": {"name": "letsencrypt"}}}
CHART = [f"{G}-namespace", G, f"{G}-deployment"]
WHERE = "freehold-gateway"


def spec(gateway: Mapping[str, Any], under: Mapping[str, Any] = EXISTING) -> dict[str, Any]:
    return {**under, "claimRef": CLAIM, "gateway": {"reach": "Cluster", **gateway}}


def inside(manifests: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return what an Object makes in the cluster."""
    found: dict[str, Any] = manifests[f"{G}-{part}"]["spec"]["forProvider"]["manifest"]
    return found


def of_gateway(manifests: Mapping[str, Any]) -> list[str]:
    return [name for name in manifests if name.startswith(G)]


def test_nothing_of_it_without_being_asked() -> None:
    assert of_gateway(composed(EXISTING)) == []


@pytest.mark.parametrize("under", [AWS, EXISTING], ids=["aws", "existing"])
def test_the_chart_is_told_whose_gateways_are_its_own(under: Any) -> None:
    # Proves: another Envoy Gateway of the cluster is left alone, and no other namespace is looked at.
    found = values(composed(spec(BY_SECRET, under))[G])
    config = found["config"]["envoyGateway"]
    gateway_class = inside(composed(spec(BY_SECRET, under)), "class")
    assert config["gateway"]["controllerName"] == gateway_class["spec"]["controllerName"]
    assert config["gateway"]["controllerName"] != "gateway.envoyproxy.io/gatewayclass-controller"
    watched = config["provider"]["kubernetes"]["watch"]["namespaceSelector"]["matchLabels"]
    assert (
        watched.items() <= inside(composed(spec(BY_SECRET, under)), "namespace")["metadata"]["labels"].items()
    )
    assert found["topologyInjector"] == {"enabled": False}


def test_a_route_without_a_policy_of_its_own_is_closed() -> None:
    # Proves: a route lets nobody in while its Model's policy is not there yet, or no more.
    found = inside(composed(spec(BY_SECRET)), "closed")
    assert found["spec"]["authorization"] == {"defaultAction": "Deny"}
    [target] = found["spec"]["targetRefs"]
    assert (target["kind"], target["name"]) == ("Gateway", contract.GATEWAY)


def test_what_the_charts_values_say_of_envoys_holds() -> None:
    # Proves: Envoys come from the mirror that the values name, with its pull secrets.
    found = inside(composed(spec(BY_SECRET)), "proxies")["spec"]
    assert found["mergeType"] == "StrategicMerge"
    assert "image" not in found["provider"]["kubernetes"]["envoyDeployment"]["container"]


def test_the_listener() -> None:
    # Proves: TLS alone, for one host, and routes from Freehold's own namespaces alone.
    found = inside(composed(spec(BY_SECRET)), "listener")
    assert (found["kind"], found["metadata"]["name"], found["metadata"]["namespace"]) == (
        "Gateway",
        contract.GATEWAY,
        contract.GATEWAY_NAMESPACE,
    )
    [listener] = found["spec"]["listeners"]
    assert listener == {
        "name": contract.GATEWAY_LISTENER,
        "protocol": "HTTPS",
        "port": 443,
        "hostname": "models.example.org",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": "certificate"}]},
        "allowedRoutes": {
            "kinds": [{"kind": "HTTPRoute"}],
            "namespaces": {
                "from": "Selector",
                "selector": {"matchLabels": {"app.kubernetes.io/managed-by": "freehold"}},
            },
        },
    }


def test_what_clients_may_send() -> None:
    found = inside(composed(spec(BY_SECRET)), "clients")["spec"]
    assert found["tls"] == {"minVersion": "1.2"}
    assert found["path"] == {"escapedSlashesAction": "RejectRequest"}
    assert found["headers"] == {
        "withUnderscoresAction": "RejectRequest",
        # Whose key it was, and which Model a body names, are the gateway's own to say.
        "earlyRequestHeaders": {
            "remove": [
                contract.GATEWAY_CLIENT,
                contract.GATEWAY_MODEL,
                contract.GATEWAY_ISSUER,
                contract.GATEWAY_SUBJECT,
            ]
        },
    }
    # A request may wait for its first token as long as this.
    http = found["timeout"]["http"]
    # The first is of connections on which no request is under way.
    assert (http["idleTimeout"], http["streamIdleTimeout"]) == ("300s", "3600s")
    assert found["targetRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": contract.GATEWAY}
    ]


def test_the_policies_name_the_pods_that_envoy_gateway_labels() -> None:
    # Proves: label, Service, spread and policies are of one mind about which pods traffic goes through.
    found = composed(spec(BY_SECRET))
    deployment = inside(found, "proxies")["spec"]["provider"]["kubernetes"]["envoyDeployment"]
    label = {contract.COMPONENT: contract.GATEWAY_PROXY}
    assert deployment["pod"]["labels"] == label
    assert deployment["replicas"] == 2
    assert deployment["pod"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == label
    assert inside(found, "service")["spec"]["selector"] == label
    proxies, others = (inside(found, f"network-policy-{p}")["spec"] for p in ("proxies", "controller"))
    assert proxies["podSelector"]["matchLabels"] == label
    assert others["podSelector"]["matchExpressions"] == [
        {"key": contract.COMPONENT, "operator": "NotIn", "values": [contract.GATEWAY_PROXY]}
    ]
    assert {p for policy in (proxies, others) for p in policy["policyTypes"]} == {"Ingress", "Egress"}


def test_the_controller_reaches_the_api_server_alone() -> None:
    found = inside(composed(spec(BY_SECRET)), "network-policy-controller")["spec"]
    assert found["egress"] == [{"ports": [{"protocol": "TCP", "port": port} for port in (443, 6443)]}]


@pytest.mark.parametrize(
    ("reach", "status", "type_", "annotations", "out"),
    [
        pytest.param("Cluster", {}, "ClusterIP", None, False, id="cluster"),
        pytest.param(
            "Organisation", {"a": "1"}, "LoadBalancer", {"a": "1", "b": "2"}, True, id="organisation"
        ),
        pytest.param("Internet", None, "LoadBalancer", {"b": "2"}, True, id="internet"),
    ],
)
def test_the_address(reach: str, status: Any, type_: str, annotations: Any, out: bool) -> None:
    # Proves: the cloud's annotations and the spec's, and that a load balancer is deleted before its cluster.
    cloud = {"name": "aws", "region": "eu-central-1", **({"serviceAnnotations": status} if status else {})}
    own = {"serviceAnnotations": {"b": "2"}} if annotations else {}
    found = composed(spec({**BY_SECRET, "reach": reach, **own}, AWS), status={"cloud": cloud})
    service = inside(found, "service")
    assert (service["spec"]["type"], service["metadata"].get("annotations")) == (type_, annotations)
    assert ("managementPolicies" not in found[f"{G}-service"]["spec"]) is out
    others = [n for n in of_gateway(found) if found[n]["kind"] == "Object" and n != f"{G}-service"]
    assert all("managementPolicies" in found[name]["spec"] for name in others)


def test_a_certificate_of_cert_manager() -> None:
    found = composed(spec(BY_ISSUER))
    certificate = inside(found, "issued")
    assert certificate["spec"]["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "ClusterIssuer",
        "name": "letsencrypt",
    }
    assert certificate["spec"]["dnsNames"] == ["models.example.org"]
    [ref] = inside(found, "listener")["spec"]["listeners"][0]["tls"]["certificateRefs"]
    assert ref["name"] == certificate["spec"]["secretName"]
    assert f"{G}-certificate-delivery" not in found


def test_a_certificate_of_the_claims_namespace() -> None:
    # Proves: the delivery names the Secret and holds nothing of it, and its owner is in the cluster.
    found = composed(spec(BY_SECRET))
    delivery, owner = found[f"{G}-certificate-delivery"], inside(found, "certificate-owner")
    assert delivery["spec"] == {
        "source": {"namespace": "platform", "name": "models-tls", "key": "tls.crt"},
        "target": {
            "namespace": WHERE,
            "name": "certificate",
            "key": "tls.crt",
            "type": "kubernetes.io/tls",
            "labels": {"app.kubernetes.io/managed-by": "freehold"},
            "certificateFor": "models.example.org",
        },
        "providerConfigRef": {"kind": "ProviderConfig", "name": "eu-prod-kubernetes"},
    }
    assert owner["metadata"]["annotations"] == {contract.DELIVERY_OF: delivery["metadata"]["name"]}
    assert owner["metadata"]["name"] == "certificate"


MADE = {"host": "models.example.org"}


def test_a_certificate_that_the_agent_makes() -> None:
    # Proves: it stands in the platform namespace, and no authority of the spec is asked for.
    found = composed(spec(MADE))
    delivery = found[f"{G}-certificate-delivery"]
    source = delivery["spec"]["source"]
    assert source["namespace"] == delivery["metadata"]["namespace"] == "crossplane-system"
    assert source["name"].startswith("eu-prod-x7k2p-gateway-certificate-")
    assert delivery["spec"]["made"] is True
    assert delivery["spec"]["target"]["certificateFor"] == "models.example.org"
    [ref] = inside(found, "listener")["spec"]["listeners"][0]["tls"]["certificateRefs"]
    assert ref["name"] == "certificate"
    assert f"{G}-issued" not in found
    brought = composed(spec(BY_SECRET))[f"{G}-certificate-delivery"]["metadata"]["name"]
    assert delivery["metadata"]["name"] == brought, "a live one only changes its source"


def test_a_control_plane_without_the_agent_applies_all_else() -> None:
    # Proves: Crossplane applies nothing of a composite with a kind that it does not know.
    asked = request(spec(BY_SECRET), ready=[REACHABLE])
    asked.kinds = {f"{contract.DELIVERY_API_VERSION}/{contract.DELIVERY_KIND}": False}
    found = {r.name: r for r in FUNCTION.compose(asked).resources}
    assert found[f"{G}-certificate-delivery"].manifest is None
    assert "install.yaml" in found[f"{G}-certificate-delivery"].waits_for


def played(given: Mapping[str, Any], seen: Mapping[str, Any] | None = None, **more: Any) -> Request:
    """Return a request with what a control plane would observe of composed resources."""
    found = request(given, **more)
    found.observed = {**found.observed, **(seen or {})}
    return found


def rounds(given: Mapping[str, Any]) -> list[list[str]]:
    """Return what is created in which reconcile, where everything is ready at once."""
    seen: dict[str, Any] = {}
    created: list[list[str]] = []
    while True:
        asked = played(given, seen, ready=[REACHABLE])
        manifests = assemble(asked, FUNCTION, FUNCTION.compose(asked)).manifests
        new = [name for name in manifests if name.startswith(G) and name not in seen]
        seen |= {name: is_ready(manifest) for name, manifest in manifests.items()}
        if not new:
            return created
        created.append(new)


def is_ready(manifest: Any) -> dict[str, Any]:
    source = manifest.get("spec", {}).get("source", {})
    return {**manifest, "status": {"conditions": [{"type": "Ready", "status": "True"}], "delivered": source}}


def test_the_order_in_which_it_comes() -> None:
    # Proves: policies stand before a pod of Envoy's does, and the listener waits for class and certificate.
    found = rounds(spec(BY_SECRET, AWS))
    when = {name.removeprefix(f"{G}-"): i for i, names in enumerate(found) for name in names}
    assert when["namespace"] < when[G] < when["deployment"] < when["proxies"] < when["class"]
    assert max(when["class"], when["certificate-delivery"]) < when["listener"]
    assert max(when["network-policy-proxies"], when["network-policy-controller"]) < when["listener"]
    assert when["closed"] < when["listener"]


def test_the_order_in_which_it_leaves_a_cluster_that_stays() -> None:
    """By Usages, since no function runs while a claim is deleted."""
    found = composed(spec(BY_SECRET))
    names = {manifest["metadata"]["name"]: name for name, manifest in found.items()}
    order = {
        (names[use["by"]["resourceRef"]["name"]], names.get(use["of"]["resourceRef"]["name"], "mark"))
        for name, manifest in found.items()
        if name.startswith(G) and manifest["kind"] == "Usage"
        for use in [manifest["spec"]]
    }
    assert order == {
        (f"{G}-listener", G),
        (f"{G}-class", G),
        (G, f"{G}-namespace"),
        (G, "mark"),
        (f"{G}-namespace", "mark"),
    }
    goes = [n for n in of_gateway(found) if found[n]["kind"] == "Object" and deleted(found[n])]
    assert sorted(goes) == [f"{G}-{p}" for p in ("certificate-owner", "class", "listener", "namespace")]


def deleted(manifest: Any) -> bool:
    return "managementPolicies" not in manifest["spec"]


class Existing(dict[str, Any]):
    """Answers of Crossplane to what is required by name: what was given, and nothing of all else."""

    def __missing__(self, key: str) -> tuple[Any, ...]:
        return ()

    def __contains__(self, key: object) -> bool:
        return True


@pytest.mark.parametrize("what", [f"{G}-class", G], ids=["class", "release"])
def test_what_is_asked_to_go_and_lingers_keeps_what_it_needs(what: str) -> None:
    # Proves: Crossplane observes nothing of it any more, and a finalizer holds it: what clears up after it stays.
    found = composed(spec(BY_SECRET))
    seen = {name: is_ready(m) for name, m in found.items()}
    went: set[str] = set()
    manifest = found[what]
    lingers = Existing({f"leaving-{manifest['kind']}-{manifest['metadata']['name']}": (manifest,)})
    unanswered: dict[str, Any] = {}
    for answers in (unanswered, lingers, lingers, lingers):
        asked = played(EXISTING, seen, ready=[REACHABLE])
        asked.answers = answers
        after = assemble(asked, FUNCTION, FUNCTION.compose(asked)).manifests
        went |= {name for name in of_gateway(seen) if name not in after}
        seen = {name: is_ready(m) for name, m in after.items()}
    assert what in went
    assert f"{G}-namespace" not in went
    assert (G in went) == (what == G)
    asked = played(EXISTING, seen, ready=[REACHABLE])
    asked.answers = Existing()
    after = assemble(asked, FUNCTION, FUNCTION.compose(asked)).manifests
    assert {name for name in of_gateway(seen) if name not in after}


@pytest.mark.parametrize("under", [AWS, EXISTING], ids=["aws", "existing"])
def test_it_leaves_step_by_step_once_the_spec_asks_for_none(under: Any) -> None:
    # Proves: Envoy Gateway is there until what it clears up is gone, and Helm until the release is.
    before = spec(BY_SECRET, under)
    seen = {name: is_ready(m) for name, m in composed(before).items()}
    went = []
    while of_gateway(seen):
        asked = played(under, seen, ready=[REACHABLE])
        asked.answers = Existing()
        after = assemble(asked, FUNCTION, FUNCTION.compose(asked)).manifests
        went.append({name for name in of_gateway(seen) if name not in after})
        assert went[-1], "something goes at each step"
        seen = {name: is_ready(m) for name, m in after.items()}
    beside = set(own_names(COMPONENT)) & set(composed(before))
    assert went[0] == beside
    assert {G, f"{G}-deployment"} <= went[1]
    assert f"{G}-namespace" in went[2]


def works(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: is_ready(m) for name, m in composed(given).items()}


def condition(type_: str, status: str, reason: str = "Why", message: str = "") -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def seen_as(manifest: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Object that is not ready, with what it sees in the cluster."""
    at = {"manifest": {"spec": {"type": "LoadBalancer"}, "status": status}}
    not_ready = [condition("Synced", "True"), condition("Ready", "False")]
    return {**manifest, "status": {"conditions": not_ready, "atProvider": at}}


def test_it_says_where_its_host_has_to_lead() -> None:
    given = spec(BY_SECRET)
    all_of_it = works(given)
    at = {"manifest": {"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7"}}}
    service = all_of_it[f"{G}-service"]
    all_of_it[f"{G}-service"] = {**service, "status": {**service["status"], "atProvider": at}}
    outcome = FUNCTION.compose(played(given, all_of_it, ready=[REACHABLE]))
    assert outcome.status["gatewayAddresses"] == ["10.96.0.7"]
    assert contract.GATEWAY_COMPONENT in outcome.status["components"]
    [said] = assemble(played(given, all_of_it, ready=[REACHABLE]), FUNCTION, outcome).conditions.values()
    assert (said.status.value, said.reason) == ("True", "Available")
    assert "models.example.org has to lead to 10.96.0.7" in said.message


LISTENER = {
    "listeners": [
        {
            "name": "https",
            "conditions": [
                condition(
                    "ResolvedRefs",
                    "False",
                    "InvalidCertificateRef",
                    "Secret freehold-gateway/certificate does not exist",
                )
            ],
        }
    ]
}


@pytest.mark.parametrize(
    ("part", "given", "status", "reason", "words"),
    [
        pytest.param(
            "listener",
            BY_SECRET,
            LISTENER,
            "InvalidCertificateRef",
            "its certificate cannot be used: Secret freehold-gateway/certificate does not exist",
            id="certificate",
        ),
        pytest.param(
            "listener",
            BY_SECRET,
            {"conditions": [condition("Programmed", "False", "NoResources", "Envoy replicas unavailable")]},
            "NoResources",
            "Envoy Gateway says: Envoy replicas unavailable. Look at the pods in namespace freehold-gateway",
            id="no-envoy",
        ),
        pytest.param(
            "clients",
            BY_SECRET,
            {"ancestors": [{"conditions": [condition("Accepted", "False", "Invalid", "unknown field")]}]},
            "ClientTrafficPolicyRefused",
            "does not take its limits for clients: unknown field",
            id="limits",
        ),
        pytest.param(
            "service",
            {**BY_SECRET, "reach": "Internet"},
            {"loadBalancer": {}},
            "AddressPending",
            "nothing has given Service freehold-gateway/models a load balancer yet",
            id="address",
        ),
        pytest.param(
            "issued",
            BY_ISSUER,
            {"conditions": [condition("Ready", "False", "Pending", "issuer letsencrypt not found")]},
            "CertificateNotIssued",
            "cert-manager has not issued its certificate: issuer letsencrypt not found",
            id="issuer",
        ),
    ],
)
def test_what_keeps_it_from_serving(part: str, given: Any, status: Any, reason: str, words: str) -> None:
    all_of_it = works(spec(given))
    name = f"{G}-{part}"
    all_of_it[name] = seen_as(all_of_it[name], status)
    [said] = FUNCTION.compose(played(spec(given), all_of_it, ready=[REACHABLE])).conditions
    assert isinstance(said, Condition)
    assert (said.status.value, said.reason) == ("False", reason)
    assert words in said.message
    assert said.message.startswith("The gateway does not work: ")


def undelivered(manifest: Any, reason: str, ready: str) -> dict[str, Any]:
    said = [condition("Ready", ready), condition("Synced", "False", reason, "the certificate has expired")]
    return {**manifest, "status": {"conditions": said, "delivered": manifest["spec"]["source"]}}


def test_a_certificate_that_is_not_delivered() -> None:
    all_of_it = works(spec(BY_SECRET))
    name = f"{G}-certificate-delivery"
    all_of_it[name] = undelivered(all_of_it[name], "CertificateInvalid", "False")
    [said] = FUNCTION.compose(played(spec(BY_SECRET), all_of_it, ready=[REACHABLE])).conditions
    assert isinstance(said, Condition)
    assert said.reason == "CertificateInvalid"
    assert "its certificate does not reach the cluster: the certificate has expired" in said.message


def test_with_the_certificate_of_before_it_serves_on() -> None:
    # Proves: what serves stays ready, and the bad new certificate is told.
    all_of_it = works(spec(BY_SECRET))
    name = f"{G}-certificate-delivery"
    all_of_it[name] = undelivered(all_of_it[name], "CertificateInvalid", "True")
    asked = played(spec(BY_SECRET), all_of_it, ready=[REACHABLE])
    [said] = assemble(asked, FUNCTION, FUNCTION.compose(asked)).conditions.values()
    assert (said.status.value, said.reason) == ("True", "UpdateFailing")
    assert "the certificate has expired. As before" in said.message


def test_with_a_host_that_is_taken_it_serves_on_with_the_one_of_before() -> None:
    # Proves: function-node-pools decides who has a host, and what Models are told of stays.
    found = composed(spec(BY_SECRET), status={"gateway": {"host": "before.example.org"}})
    [listener] = inside(found, "listener")["spec"]["listeners"]
    assert listener["hostname"] == "before.example.org"
    target = found[f"{G}-certificate-delivery"]["spec"]["target"]
    assert target["certificateFor"] == "before.example.org"


def test_a_certificate_that_expires_soon_is_told_while_it_serves() -> None:
    all_of_it = works(spec(BY_SECRET))
    name = f"{G}-certificate-delivery"
    words = "the certificate in Secret platform/models-tls expires on 2026-12-01 10:00 UTC: put one there"
    said = [condition("Ready", "True"), condition("Synced", "True", "ExpiresSoon", words)]
    all_of_it[name] = {**all_of_it[name], "status": {"conditions": said}}
    asked = played(spec(BY_SECRET), all_of_it, ready=[REACHABLE])
    outcome = FUNCTION.compose(asked)
    assert list(outcome.notes) == [f"the gateway: {words}"]
    [told] = assemble(asked, FUNCTION, outcome).conditions.values()
    assert (told.status.value, told.reason) == ("True", "Available")
    assert f". The gateway: {words}" in told.message


def test_the_authorities_that_the_claim_names_have_to_vouch_for_the_certificate() -> None:
    ca = "-----BEGIN CERTIFICATE-----"
    known = {**BY_SECRET, "tls": {**BY_SECRET["tls"], "ca": ca}}  # type: ignore[dict-item]
    name = delivery_name(contract.GATEWAY_COMPONENT, BROUGHT)
    assert name == contract.GATEWAY_CERTIFICATE
    assert composed(spec(known))[name]["spec"]["target"]["authorities"] == ca
    assert "authorities" not in composed(spec(BY_SECRET))[name]["spec"]["target"]
