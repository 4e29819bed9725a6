"""A gateway's own certificate, its host, and a claim's connection Secret, on a real core with the agent.

The gateway is played; the GPU cluster is the control plane itself. Real Envoys serve such a certificate in
`tests/e2e/real`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from agent.authority import made
from agent.certificate import judge
from functions.api import contract
from tests.e2e import etcd
from tests.e2e.conftest import Plane
from tests.e2e.gateway import playing
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, composite, reconcile, refreshed, told, wait_ready
from tests.e2e.waking import waking
from tests.e2e.workload import OWNER, claimed, clear, delete, existing, model, wait_told
from tools.control_plane.agent import NAME as AGENT
from tools.control_plane.api import Api, ApiError, identity
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.nodes import cpu_node, gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.provider_status import TIME

TEAM, HOST = "team-a", "models.example.org"
MINUTE = 60
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 2, "max": 2}}
NODES = [*(gpu_node(f"l4-{n}", "g6.xlarge", zone="a") for n in range(2)), cpu_node("components", zone="a")]
CONNECTION = "how-to-call"


@pytest.fixture(scope="module")
def began(control_plane: Plane) -> int:
    """etcd's revision before the authority was made."""
    return etcd.revision(control_plane)


@pytest.fixture(scope="module")
def cluster(control_plane: Plane, began: int) -> Iterator[Manifest]:
    """A cluster whose gateway has no certificate of its owner's."""
    del began
    api = control_plane.api
    with playing(api), waking(api), joined(api, NODES):
        claim = existing(control_plane, "made", [POOL], allowed=["team-*"])
        api.patch(claim, {"spec": {"gateway": {"host": HOST}}})
        wait_for("the authority", lambda: _authority(api, claim) is not None, 3 * MINUTE)
        yield claim
        clear(api, claim)


@pytest.fixture(scope="module")
def app(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model whose claim asks for a connection Secret."""
    del cluster
    spec = {
        "cluster": {"namespace": OWNER, "name": "made"},
        "writeConnectionSecretToRef": {"name": CONNECTION},
    }
    claim = team.create(model(TEAM, "app", **spec))
    yield wait_ready(team, claim, seconds=3 * MINUTE)
    delete(api, claim)


def _authority(api: Api, claim: Manifest) -> str | None:
    """Return the authority that Models are told of."""
    offered = refreshed(api, claim).get("status", {}).get("gateway") or {}
    found: str | None = offered.get("ca")
    return found


def source(api: Api, claim: Manifest) -> Manifest:
    """Return the Secret that the agent has made."""
    [delivery] = deliveries(api, claim)
    assert delivery["spec"]["made"] is True
    asked = delivery["spec"]["source"]
    return api.get("v1", "Secret", asked["name"], asked["namespace"])


def delivered(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get("v1", "Secret", "certificate", contract.GATEWAY_NAMESPACE)["data"]
    return found


def decoded(data: dict[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in data.items()}


def test_what_the_gateway_has_serves_its_host(api: Api, cluster: Manifest) -> None:
    held, there = source(api, cluster), decoded(delivered(api))
    assert set(there) == {"tls.crt", "tls.key"}
    authority = _authority(api, cluster)
    assert authority is not None
    assert judge(there["tls.crt"], there["tls.key"], HOST, authority).problem == ""
    assert held["metadata"]["namespace"] == NAMESPACE
    assert held["metadata"]["ownerReferences"][0]["name"] == composite(api, cluster)["metadata"]["name"]


def test_the_authoritys_key_stands_in_one_secret_and_nowhere_else(
    control_plane: Plane, api: Api, cluster: Manifest, began: int
) -> None:
    held = source(api, cluster)
    key = held["data"]["ca.key"]
    found = etcd.written(control_plane, began, key.encode(), base64.b64decode(key))
    assert found == {f"/registry/secrets/{NAMESPACE}/{held['metadata']['name']}"}


def test_it_is_renewed_in_time_by_the_same_authority(api: Api, cluster: Manifest) -> None:
    """One of seventy days ago stands for the time that passes."""
    held = source(api, cluster)
    old = made(HOST, datetime.now(UTC) - timedelta(days=70))
    api.patch(held, {"data": old})
    wait_for(
        "a new certificate",
        lambda: source(api, cluster)["data"]["tls.crt"] not in (old["tls.crt"], held["data"]["tls.crt"]),
        MINUTE,
    )
    new = source(api, cluster)["data"]
    assert (new["ca.crt"], new["ca.key"]) == (old["ca.crt"], old["ca.key"])
    wait_for("it in the cluster", lambda: delivered(api)["tls.crt"] == new["tls.crt"], MINUTE)
    authority = base64.b64decode(old["ca.crt"]).decode()
    wait_for("its authority", lambda: _authority(api, cluster) == authority, 2 * MINUTE)


def test_the_agent_changes_no_other_secret_there(control_plane: Plane, api: Api, cluster: Manifest) -> None:
    agent = control_plane.layout.api(AGENT)
    held = source(api, cluster)
    plain = {**held, "metadata": {**held["metadata"], "name": "plain"}, "data": {"kubeconfig": "eA=="}}
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        plain["metadata"].pop(field, None)
    stray = {
        **plain,
        "data": held["data"],
        "metadata": {**plain["metadata"], "name": "stray", "ownerReferences": []},
    }
    for secret in (plain, stray):
        api.apply(secret)
        with pytest.raises(ApiError, match=r"the agent (changes here only keys and|writes only what)"):
            agent.patch(secret, {"data": {"tls.crt": "eQ=="}})
        api.delete(secret)


def test_where_the_cluster_is_the_control_plane_the_agent_needs_one_more_right(
    api: Api, cluster: Manifest
) -> None:
    """A delivery as it is composed for `existing.controlPlane`: the agent writes as itself."""
    xr = composite(api, cluster)
    owner = {key: xr[key] for key in ("apiVersion", "kind")}
    owner |= {key: xr["metadata"][key] for key in ("name", "uid")}
    config: Manifest = {"apiVersion": "kubernetes.m.crossplane.io/v1alpha1", "kind": "ProviderConfig"}
    here = {"namespace": NAMESPACE, "name": "itself"}
    config |= {"metadata": here, "spec": {"credentials": {"source": "InjectedIdentity"}}}
    [composed_one] = deliveries(api, cluster)
    spec = {
        **composed_one["spec"],
        "source": {**composed_one["spec"]["source"], "name": "itself"},
        "target": {**composed_one["spec"]["target"], "namespace": "itself"},
        "providerConfigRef": {"kind": "ProviderConfig", "name": "itself"},
    }
    delivery: Manifest = {
        **{key: composed_one[key] for key in ("apiVersion", "kind")},
        "metadata": {
            **here,
            "labels": {"crossplane.io/claim-namespace": OWNER},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": spec,
    }
    annotations = {contract.DELIVERY_OF: "itself"}
    place = {"namespace": "itself", "name": "certificate", "annotations": annotations}
    there: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "itself"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place},
    ]
    for manifest in (*there, config, delivery):
        api.apply(manifest)

    def synced() -> tuple[str, str]:
        said = refreshed(api, delivery).get("status", {}).get("conditions", ())
        return next(((c["reason"], c["message"]) for c in said if c["type"] == "Synced"), ("", ""))

    wait_for("the agent to say what it lacks", lambda: synced()[0] == "Refused", MINUTE)
    assert f"bind the ClusterRole {AGENT}-writes" in synced()[1]
    subject = {"kind": "ServiceAccount", "name": AGENT, "namespace": NAMESPACE}
    rbac: Manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{AGENT}-writes"}
    binding = {**rbac, "metadata": {"name": "itself"}, "roleRef": role, "subjects": [subject]}
    api.apply(binding)
    wait_for("the certificate", lambda: synced()[0] == "Delivered", 2 * MINUTE)
    found = api.get("v1", "Secret", "certificate", "itself")
    assert found["type"] == "kubernetes.io/tls"
    data = decoded(found["data"])
    assert set(data) == {"tls.crt", "tls.key"}
    assert judge(data["tls.crt"], data["tls.key"], HOST).problem == ""
    for manifest in (delivery, config, binding, there[0]):
        api.delete(manifest)


def test_a_second_cluster_with_the_host_is_told(control_plane: Plane, api: Api, cluster: Manifest) -> None:
    """It is of the same namespace, so it may know whose host it is."""
    before = refreshed(api, cluster)["status"]["gateway"]
    other = claimed(control_plane, "second", [POOL])
    api.patch(other, {"spec": {"gateway": {"host": HOST}}})
    # It never gets the cluster, which is the first one's; what is wrong with that goes first.
    wait_for("a record", lambda: len(records(api)) == 2, MINUTE)
    first, second = sorted(
        records(api), key=lambda r: (r["metadata"]["creationTimestamp"], r["metadata"]["name"])
    )
    assert (first["data"]["claim"], second["data"]["claim"]) == (f"{OWNER}/made", f"{OWNER}/second")
    reconcile(control_plane, cluster)
    assert refreshed(api, cluster)["status"]["gateway"] == before
    assert "HostTaken" not in "\n".join(told(refreshed(api, cluster)))
    delete(api, other)
    wait_for("its record to go", lambda: len(records(api)) == 1, MINUTE)


def test_a_cluster_that_asks_for_anothers_host_keeps_its_own(api: Api, cluster: Manifest) -> None:
    """A record that is older stands for another tenant's cluster."""
    taken = "taken.example.org"
    record: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": NAMESPACE, "labels": {contract.RECORD_HOST: taken}},
        "data": {"composite": "theirs", "host": taken, "claim": "team-b/hidden"},
    }
    api.apply(record)
    # Of two records of one second the name would decide.
    time.sleep(2)
    api.patch(cluster, {"spec": {"gateway": {"host": taken}}})
    wait_told(api, cluster, "Planned=False HostTaken: [platform] spec.gateway.host taken.example.org", MINUTE)
    words = "\n".join(told(refreshed(api, cluster)))
    assert "team-b" not in words
    assert refreshed(api, cluster)["status"]["gateway"]["host"] == HOST
    [listener] = api.get(
        "gateway.networking.k8s.io/v1", "Gateway", contract.GATEWAY, contract.GATEWAY_NAMESPACE
    )["spec"]["listeners"]
    assert listener["hostname"] == HOST
    api.patch(cluster, {"spec": {"gateway": {"host": HOST}}})
    api.delete(record)
    wait_told(api, cluster, "Planned=True", MINUTE)


def records(api: Api) -> list[Manifest]:
    return api.items("v1", "ConfigMap", NAMESPACE, f"{contract.RECORD_HOST}={HOST}")


def connection(api: Api) -> dict[str, str]:
    found = api.find("v1", "Secret", CONNECTION, TEAM)
    return {key: value.decode() for key, value in decoded((found or {}).get("data") or {}).items()}


def test_the_claims_connection_secret_has_all_but_the_key(
    api: Api, team: Api, cluster: Manifest, app: Manifest
) -> None:
    wait_for("the connection Secret", lambda: "OPENAI_BASE_URL" in connection(team), MINUTE)
    assert connection(team) == {
        "OPENAI_BASE_URL": f"https://{HOST}/{TEAM}/app/v1",
        "OPENAI_MODEL": "Qwen/Qwen3-8B",
        "ca.crt": _authority(api, cluster),
    }
    beside = team.get("v1", "Secret", app["status"]["endpoint"]["secretName"], TEAM)
    assert decoded(beside["data"])["ca.crt"].decode() == _authority(api, cluster)
    assert "OPENAI_API_KEY" in beside["data"]


def test_the_models_key_is_in_no_connection_secret(api: Api, team: Api, app: Manifest) -> None:
    key = team.get("v1", "Secret", app["status"]["endpoint"]["secretName"], TEAM)["data"]["OPENAI_API_KEY"]
    kept = [s for s in api.items("v1", "Secret", "") if s.get("type") == "connection.crossplane.io/v1alpha1"]
    assert {s["metadata"]["namespace"] for s in kept} >= {TEAM, NAMESPACE}
    assert not [s for s in kept if key in str(s.get("data"))]


def test_the_listener_turns_to_another_certificate_once_that_is_there(
    api: Api, cluster: Manifest, app: Manifest
) -> None:
    """cert-manager is not there: its Certificate says what is written into it."""
    del app
    ours, authority = decoded(delivered(api)), _authority(api, cluster)
    issued: Manifest = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": contract.GATEWAY, "namespace": contract.GATEWAY_NAMESPACE},
    }
    api.patch(cluster, {"spec": {"gateway": {"tls": {"issuerRef": {"name": "own"}}}}})
    wait_for("the Certificate", lambda: api.find(*identity(issued)) is not None, MINUTE)
    assert (listener(api), decoded(delivered(api)), _authority(api, cluster)) == (
        "certificate",
        ours,
        authority,
    )
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": TIME}
    api.patch(issued, {"status": {"conditions": [ready]}}, "status")
    wait_for("the listener to turn", lambda: listener(api) == contract.GATEWAY_ISSUED, MINUTE)
    wait_for("the delivery to go", lambda: not deliveries(api, cluster), MINUTE)
    wait_for("other authorities", lambda: _authority(api, cluster) is None, MINUTE)

    api.patch(cluster, {"spec": {"gateway": {"tls": None}}})
    wait_for("the listener to turn back", lambda: listener(api) == "certificate", 2 * MINUTE)
    assert delivered(api)["tls.crt"], "it was there before"
    wait_for("our authority", lambda: _authority(api, cluster) == authority, MINUTE)
    wait_for("the Certificate's Object to go", lambda: "Certificate" not in made_inside(api, cluster), MINUTE)
    assert decoded(source(api, cluster)["data"])["ca.crt"].decode() == authority


def listener(api: Api) -> str:
    """Return the name of the Secret that the listener has its certificate from."""
    found = api.get("gateway.networking.k8s.io/v1", "Gateway", contract.GATEWAY, contract.GATEWAY_NAMESPACE)
    name: str = found["spec"]["listeners"][0]["tls"]["certificateRefs"][0]["name"]
    return name


def deliveries(api: Api, claim: Manifest) -> list[Manifest]:
    return [r for r in composed(api, claim) if r["kind"] == "SecretDelivery"]


def made_inside(api: Api, claim: Manifest) -> set[str]:
    """Return the kinds of what Objects of a claim make."""
    objects = [r for r in composed(api, claim) if r["kind"] == "Object"]
    return {r["spec"]["forProvider"]["manifest"]["kind"] for r in objects}


def test_an_address_that_changes_reaches_the_connection_secret(
    api: Api, team: Api, cluster: Manifest, app: Manifest
) -> None:
    del app
    api.patch(cluster, {"spec": {"gateway": {"host": "new.example.org"}}})
    wait_for(
        "the new address",
        lambda: connection(team)["OPENAI_BASE_URL"] == f"https://new.example.org/{TEAM}/app/v1",
        3 * MINUTE,
    )
    # Until the new certificate is in the cluster, the old authority is told.
    wait_for("an authority that vouches for it", lambda: _vouched(api, team), 2 * MINUTE)


def _vouched(api: Api, team: Api) -> bool:
    there, authority = decoded(delivered(api)), connection(team)["ca.crt"]
    return judge(there["tls.crt"], there["tls.key"], "new.example.org", authority).problem == ""
