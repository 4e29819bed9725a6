"""What placed Models read of their cluster changes only with what they depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.api import contract
from functions.base import Request
from functions.node_pools.compose import FUNCTION
from tests.node_pools.models.test_in_use import record
from tests.node_pools.requests import COMPOSITE, L4, aws, cluster, existing, settled

OFFER = "node-pools/offer"


def offered(request: Request) -> dict[str, Any]:
    found = next(r.manifest for r in FUNCTION.compose(request).resources if r.name == OFFER)
    assert found is not None
    return dict(found)


def test_the_whole_offer() -> None:
    # Proves: where it is, what it says, and that the count of a cluster's Models does not take it for one.
    spec = {**existing(storageClassName="nfs", sharedStorage=True), "allowedNamespaces": ["team-*"]}
    found = offered(cluster(spec))
    assert found["metadata"] == {
        "name": f"{COMPOSITE}-offer-85931a",
        "namespace": "crossplane-system",
        "labels": {"freehold.dev/offered-by": COMPOSITE},
    }
    status = FUNCTION.compose(cluster(spec)).status
    assert json.loads(found["data"]["offer"]) == {
        "claim": {"namespace": "platform", "name": "eu-prod"},
        "allowedNamespaces": ["team-*"],
        **{key: status[key] for key in ("access", "nodePools", "storageClassName", "sharedStorage")},
    }


@pytest.mark.parametrize("spec", [aws(), existing()], ids=["aws", "existing"])
def test_what_changes_often_changes_no_offer(spec: dict[str, Any]) -> None:
    # Proves: neither readiness nor GPUs in use wake placed Models.
    ready, _ = settled(FUNCTION, spec)
    busy = replace(ready, answers={"models": (record("a/one", gpus="4"),)})
    assert FUNCTION.compose(busy).status["nodePools"] != FUNCTION.compose(cluster(spec)).status["nodePools"]
    assert offered(busy) == offered(ready) == offered(cluster(spec))


def test_what_a_model_depends_on_changes_it() -> None:
    larger = {**L4, "nodes": {"min": 0, "max": 9}}
    closed = {**existing(), "allowedNamespaces": []}
    others = [existing(larger), existing(storageClassName="nfs"), closed]
    assert len({offered(cluster(spec))["data"]["offer"] for spec in [existing(), *others]}) == 4


GATEWAY = {
    "host": "models.example.org",
    "reach": "Cluster",
    "tls": {"secretRef": {"name": "models-tls"}, "ca": "-----BEGIN CERTIFICATE-----"},
}
OFFERED = {"host": "models.example.org", "port": 443, "ca": "-----BEGIN CERTIFICATE-----", "issuers": []}


def gateway(request: Request) -> Any:
    return json.loads(offered(request)["data"]["offer"]).get("gateway")


def test_a_gateway_is_offered_once_it_has_worked() -> None:
    # Proves: no Model gets an address that does not answer yet, and the status says the same as the offer.
    asked = {**existing(), "gateway": GATEWAY}
    assert gateway(cluster(asked)) is None
    worked = cluster(asked, status={"components": ["gateway"]})
    assert gateway(worked) == FUNCTION.compose(worked).status["gateway"] == OFFERED
    assert FUNCTION.compose(cluster(asked)).status["gateway"] is None


def test_a_gateway_that_was_offered_stays_so_without_a_status() -> None:
    # Proves: Models keep their addresses while the gateway fails, or where the status is lost.
    asked = {**existing(), "gateway": GATEWAY}
    live = {OFFER: offered(cluster(asked, status={"components": ["gateway"]}))}
    assert gateway(cluster(asked, observed=live)) == OFFERED
    assert gateway(cluster({**asked, "gateway": {**GATEWAY, "host": "new.example.org"}}, observed=live)) == {
        **OFFERED,
        "host": "new.example.org",
    }
    assert gateway(cluster(existing(), observed=live)) is None


def test_issuers_are_offered_as_the_spec_lists_them() -> None:
    # Proves: with a certificate that is brought, and while it is not; and one that is taken back is offered no more.
    issuer = {
        "name": "corp",
        "issuer": "https://login.example.org/",
        "jwksURI": "https://login.example.org/keys",
    }
    asked = {**existing(), "gateway": {**GATEWAY, "issuers": [issuer]}}
    found = gateway(cluster(asked, status={"components": ["gateway"]}))
    assert found == {**OFFERED, "issuers": [{**issuer, "header": "Authorization", "clientClaim": "sub"}]}
    live = {OFFER: offered(cluster(asked, status={"components": ["gateway"]}))}
    assert gateway(cluster({**asked, "gateway": GATEWAY}, observed=live)) == OFFERED


def test_what_somebody_wrote_into_the_offer_offers_no_gateway() -> None:
    asked = {**existing(), "gateway": GATEWAY}
    written = offered(cluster(asked))
    for text in ("{", "[]", "null", '{"gateway": null}'):
        live = {OFFER: {**written, "data": {"offer": text}}}
        assert gateway(cluster(asked, observed=live)) is None


def test_limits_are_offered_once_the_gateway_has_counted() -> None:
    # Proves: no route gets a limit that Envoy Gateway refuses to have counted, which would close the route.
    ceilings = [{"name": "team-a", "requestsPerMinute": 5}]
    asked = {**existing(), "gateway": {**GATEWAY, "limits": {"namespaces": ceilings}}}
    counts = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    worked = {"components": ["gateway"]}
    assert gateway(cluster(asked, status=worked)) == OFFERED
    counted = cluster(asked, status=worked, observed={contract.GATEWAY_LIMITS: counts})
    assert gateway(counted) == {**OFFERED, "limits": ceilings}
    # Proves: while what counts fails, Models keep their limits.
    live = {OFFER: offered(counted)}
    assert gateway(cluster(asked, observed=live)) == {**OFFERED, "limits": ceilings}


CERTIFICATE = "cluster-stack/gateway-certificate-delivery"
LISTENER = "cluster-stack/gateway-listener"
NEW = "-----BEGIN CERTIFICATE----- new"


def delivered(authorities: str | None, synced: str, seen: int = 2) -> dict[str, Any]:
    target = {"authorities": authorities} if authorities else {}
    status = {"observedGeneration": seen, "conditions": [{"type": "Synced", "status": synced}]}
    spec = {"source": {"name": "models-tls"}, "target": target}
    return {"metadata": {"generation": 2}, "spec": spec, "status": status}


def listening(secret: str) -> dict[str, Any]:
    listeners = [{"tls": {"certificateRefs": [{"name": secret}]}}]
    return {"status": {"atProvider": {"manifest": {"spec": {"listeners": listeners}}}}}


@pytest.mark.parametrize(
    ("live", "told"),
    [
        pytest.param(delivered(NEW, "True"), NEW, id="they vouch for it"),
        pytest.param(delivered(NEW, "False"), OFFERED["ca"], id="they do not"),
        pytest.param(delivered(NEW, "True", 1), OFFERED["ca"], id="not looked at yet"),
        pytest.param(delivered(None, "True"), OFFERED["ca"], id="not asked yet"),
    ],
)
def test_clients_get_authorities_that_vouch_for_the_gateway(live: Any, told: Any) -> None:
    # Proves: wrong ones in the spec cut no client off while the gateway goes on with its certificate.
    before = {OFFER: offered(cluster({**existing(), "gateway": GATEWAY}, status={"components": ["gateway"]}))}
    asked = {**existing(), "gateway": {**GATEWAY, "tls": {"secretRef": {"name": "models-tls"}, "ca": NEW}}}
    assert gateway(cluster(asked, observed={**before, CERTIFICATE: live}))["ca"] == told
    issued = {**asked, "gateway": {**GATEWAY, "tls": {"issuerRef": {"name": "own"}, "ca": NEW}}}
    assert gateway(cluster(issued, observed={**before, CERTIFICATE: live}))["ca"] == NEW
    for secret, ca in (("certificate", OFFERED["ca"]), ("issued-certificate", NEW)):
        assert gateway(cluster(issued, observed={**before, LISTENER: listening(secret)}))["ca"] == ca


def test_the_authority_that_the_agent_has_made() -> None:
    # Proves: no Model gets an address whose certificate its clients cannot check, and none loses it later.
    asked = {**existing(), "gateway": {"host": "models.example.org", "reach": "Cluster"}}
    worked = {"components": ["gateway"]}
    assert gateway(cluster(asked, status=worked)) is None
    live = {CERTIFICATE: {"status": {"authorities": NEW}}}
    told = {"host": "models.example.org", "port": 443, "ca": NEW, "issuers": []}
    first = cluster(asked, status=worked, observed=live)
    assert gateway(first) == told
    assert gateway(cluster(asked, observed={OFFER: offered(first)})) == told


def test_a_certificate_of_ones_own_takes_the_place_of_the_made_one() -> None:
    # Proves: clients are told of the other authorities once the other certificate is there.
    made = {**existing(), "gateway": {"host": "models.example.org", "reach": "Cluster"}}
    before = {CERTIFICATE: {"status": {"authorities": NEW}}}
    live = {OFFER: offered(cluster(made, status={"components": ["gateway"]}, observed=before))}
    own = {**made, "gateway": {**made["gateway"], "tls": {"secretRef": {"name": "models-tls"}}}}
    still = {**delivered(None, "True"), "spec": {"source": {"name": "made"}, "target": {}}}
    assert gateway(cluster(own, observed={**live, CERTIFICATE: still}))["ca"] == NEW
    arrived = gateway(cluster(own, observed={**live, CERTIFICATE: delivered(None, "True")}))
    assert "ca" not in arrived
