"""A Hub token gets into a cluster by the agent, with its own rights, and stands nowhere else in the control plane.

The GPU cluster is the control plane itself, so etcd holds the delivered Secret, too.
"""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import etcd
from tests.e2e.conftest import Plane
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, composite, reconcile, refreshed, wait_ready
from tests.e2e.people import member
from tests.e2e.workload import OWNER, clear, delete, existing, model, place, serving, wait_told
from tools.control_plane.agent import NAME as AGENT
from tools.control_plane.api import Api, ApiError, identity
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.nodes import gpu_node
from tools.control_plane.waiting import wait_for
from tools.manifests import RESOURCE_NAME, Manifest

TEAM = "team-a"
TOKENS = tuple(f"hf_the-{n}-token-that-nobody-else-may-see" for n in ("first", "second", "third", "old"))
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub", "namespace": TEAM}}
DELIVERY = ("agent.freehold.dev/v1alpha1", "SecretDelivery")
MINUTE = 60
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 4, "max": 4}}
NODES = [gpu_node(f"l4-{n}", "g6.xlarge", zone="a") for n in range(4)]


def base64_of(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


def put(team: Api, token: str, name: str = "hub") -> None:
    metadata = {"name": name, "namespace": TEAM}
    team.apply({**SECRET, "metadata": metadata, "data": {"token": base64_of(token)}})


def held(api: Api, claim: Manifest) -> str | None:
    """Return the token in the Model's cluster."""
    found = api.find("v1", "Secret", "hub-token", place(api, claim))
    return base64.b64decode(found["data"]["token"]).decode() if found else None


@contextmanager
def without_agent(control_plane: Plane) -> Iterator[None]:
    """Have no agent run."""
    process = control_plane.processes.all()[AGENT]
    control_plane.processes.stop(AGENT)
    try:
        yield
    finally:
        control_plane.processes.start(AGENT, process.command, process.environment)


@pytest.fixture(scope="module")
def cluster(control_plane: Plane) -> Iterator[Manifest]:
    with joined(control_plane.api, NODES):
        claim = existing(control_plane, "gated", [POOL], allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim)


def claimed(name: str, cluster: Manifest, token: str = "hub") -> Manifest:
    source = {"huggingFace": {"tokenSecretRef": {"name": token}}}
    here = {"namespace": OWNER, "name": cluster["metadata"]["name"]}
    return model(TEAM, name, cluster=here, source=source)


@pytest.fixture(scope="module")
def began(control_plane: Plane) -> int:
    """etcd's revision before the first token."""
    return etcd.revision(control_plane)


@pytest.fixture(scope="module")
def chat(api: Api, team: Api, cluster: Manifest, began: int) -> Iterator[Manifest]:
    """A Model with a token, Ready. Tests here go on from one another."""
    del began
    put(team, TOKENS[0])
    claim = team.create(claimed("chat", cluster))
    yield wait_ready(team, claim, seconds=120)
    delete(api, claim)


def test_the_token_is_in_the_models_cluster(api: Api, chat: Manifest) -> None:
    assert held(api, chat) == TOKENS[0]
    secret = api.get("v1", "Secret", "hub-token", place(api, chat))
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ConfigMap", "hub-token")
    assert secret["metadata"]["labels"]["freehold.dev/model"] == place(api, chat)


def test_a_new_token_follows_within_a_minute(api: Api, team: Api, chat: Manifest) -> None:
    put(team, TOKENS[1])
    wait_for("the new token", lambda: held(api, chat) == TOKENS[1], MINUTE)


def test_no_other_object_ever_held_a_token(
    control_plane: Plane, api: Api, chat: Manifest, began: int
) -> None:
    """Of all that was written to etcd since the first token, also what was overwritten."""
    reconcile(control_plane, chat)
    forms = [form for token in TOKENS for form in (token.encode(), base64_of(token).encode())]
    at = {f"/registry/secrets/{TEAM}/hub", f"/registry/secrets/{place(api, chat)}/hub-token"}
    assert etcd.written(control_plane, began, *forms) == at


def test_a_source_that_is_removed_is_told_and_comes_back(api: Api, team: Api, chat: Manifest) -> None:
    """The Model goes on: its pods keep the Secret."""
    team.delete(SECRET)
    words = f"Secret {TEAM}/hub does not exist: create it, or correct the reference to it"
    wait_told(team, chat, words, MINUTE)
    assert held(api, chat) == TOKENS[1]
    wait_ready(team, chat, seconds=30)
    put(team, TOKENS[2])
    wait_for("the token that came back", lambda: held(api, chat) == TOKENS[2], MINUTE)


def test_a_secret_that_is_deleted_in_the_cluster_comes_back(
    control_plane: Plane, api: Api, chat: Manifest
) -> None:
    """Within five minutes, or at once when the agent starts."""
    api.delete({**SECRET, "metadata": {"name": "hub-token", "namespace": place(api, chat)}})
    control_plane.processes.restart(AGENT)
    wait_for("the Secret", lambda: held(api, chat) == TOKENS[2], MINUTE)


def test_an_agent_that_is_dead_is_told_and_loses_nothing(
    control_plane: Plane, api: Api, team: Api, cluster: Manifest, chat: Manifest
) -> None:
    with without_agent(control_plane):
        waits = team.create(claimed("waits", cluster))
        free = team.create(model(TEAM, "free", cluster={"namespace": OWNER, "name": "gated"}))
        wait_told(team, waits, "WeightsReady=False WaitsForAgent: [platform] the agent has not delivered")
        wait_told(team, waits, f"Deployment freehold-agent in namespace {NAMESPACE} of the control plane")
        wait_ready(team, free, seconds=120)  # A Model without a token needs no agent.
        names = [r["metadata"]["annotations"][RESOURCE_NAME] for r in composed(api, waits)]
        assert "vllm/hub-token-delivery" in names
        assert not [name for name in names if name.startswith("vllm/download-")]
        pods = [pod["metadata"]["uid"] for pod in serving(api, chat)]
        wait_ready(team, chat, seconds=30)
        delete(api, free)
    wait_ready(team, waits, seconds=120)
    assert held(api, waits) == TOKENS[2]
    assert [pod["metadata"]["uid"] for pod in serving(api, chat)] == pods
    home = place(api, waits)
    # Without its Model, nothing of it stays, whether an agent runs or not.
    with without_agent(control_plane):
        delete(api, waits)
        wait_for("the namespace to be gone", lambda: api.find("v1", "Namespace", home) is None, MINUTE)


def test_a_token_that_is_named_no_more_goes(api: Api, team: Api, chat: Manifest) -> None:
    """Kubernetes deletes the Secret with the ConfigMap that owns it."""
    pods = [pod["metadata"]["uid"] for pod in serving(api, chat)]
    here = place(api, chat)
    team.patch(chat, {"spec": {"source": None}})
    wait_for("the Secret to go", lambda: api.find("v1", "Secret", "hub-token", here) is None, MINUTE)
    wait_for("the delivery to go", lambda: not _deliveries(api, chat))
    assert [pod["metadata"]["uid"] for pod in serving(api, chat)] == pods
    team.patch(chat, {"spec": claimed("chat", {"metadata": {"name": "gated"}})["spec"]})
    wait_for("the Secret to come back", lambda: held(api, chat) == TOKENS[2], MINUTE)


def _deliveries(api: Api, claim: Manifest) -> list[Manifest]:
    return [r for r in composed(api, claim) if r["kind"] == "SecretDelivery"]


def test_a_model_of_an_older_package_never_lacks_its_secret(
    control_plane: Plane, api: Api, team: Api, cluster: Manifest
) -> None:
    """Its Object held the Secret. The agent takes the Secret over, and only then the Object goes."""
    put(team, TOKENS[3], "old")
    claim = wait_ready(team, team.create(claimed("older", cluster, "old")), seconds=120)
    here = place(api, claim)
    [delivery] = _deliveries(api, claim)
    with without_agent(control_plane):
        old = _as_an_older_package(api, claim, delivery)
        api.apply(old, manager=_manager(delivery))
        wait_for("core to know the old Object", lambda: _composed(control_plane, claim, old))
        wait_for("the old Object", lambda: _synced(api, old))
        uid = api.get("v1", "Secret", "hub-token", here)["metadata"]["uid"]
        reconcile(control_plane, claim)
        assert api.find("v1", "Secret", "hub-token", here)
        assert refreshed(api, old)["spec"]["managementPolicies"] == ["*"]
    wait_for("the old Object to go", lambda: api.find(*identity(old)) is None, 2 * MINUTE)
    found = api.get("v1", "Secret", "hub-token", here)
    assert (found["metadata"]["uid"], held(api, claim)) == (uid, TOKENS[3])
    delete(api, claim)
    api.delete({**SECRET, "metadata": {"name": "old", "namespace": TEAM}})


def _composed(plane: Plane, claim: Manifest, resource: Manifest) -> bool:
    """Say whether core keeps a reference to a resource; name it otherwise, which an older reconcile undoes."""
    reference = {"apiVersion": resource["apiVersion"], "kind": resource["kind"], **_place(resource)}
    whole = composite(plane.api, claim)
    named = whole["spec"]["resourceRefs"]
    if reference not in named:
        plane.api.patch(whole, {"spec": {"resourceRefs": [*named, reference]}})
        return False
    reconcile(plane, claim)
    return reference in composite(plane.api, claim)["spec"]["resourceRefs"]


def _place(manifest: Manifest) -> dict[str, str]:
    return {key: manifest["metadata"][key] for key in ("name", "namespace")}


def _manager(resource: Manifest) -> str:
    """Return core's field manager of a composed resource."""
    managers = [entry["manager"] for entry in resource["metadata"]["managedFields"]]
    return str(next(m for m in managers if m.startswith("apiextensions.crossplane.io/composed")))


def _synced(api: Api, manifest: Manifest) -> bool:
    conditions = refreshed(api, manifest).get("status", {}).get("conditions", ())
    return {"Ready", "Synced"} <= {c["type"] for c in conditions if c["status"] == "True"}


def _as_an_older_package(api: Api, claim: Manifest, delivery: Manifest) -> Manifest:
    """Return the Object by which an older package brought the token; the delivery's status is as if never seen."""
    metadata = delivery["metadata"]
    annotations = {"crossplane.io/composition-resource-name": "vllm/hub-token"}
    owner, target = metadata["ownerReferences"], delivery["spec"]["target"]
    api.patch(delivery, {"status": None}, "status")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hub-token", "namespace": target["namespace"], "labels": target["labels"]},
        "type": "Opaque",
        "data": {"token": ""},
    }
    source = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": "old",
        "namespace": TEAM,
        "fieldPath": "data[token]",
    }
    return {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {
            "name": f"{claim['metadata']['name']}-hub-token-of-an-older-package",
            "namespace": NAMESPACE,
            "annotations": annotations,
            "labels": metadata["labels"],
            "ownerReferences": owner,
        },
        "spec": {
            "forProvider": {"manifest": secret},
            "providerConfigRef": delivery["spec"]["providerConfigRef"],
            "references": [{"patchesFrom": source, "toFieldPath": "data.token"}],
        },
    }


# Trust.


def test_a_team_has_no_say_in_deliveries(api: Api, team: Api, chat: Manifest) -> None:
    """Neither in its own namespace, where the agent would not look, nor in that of the platform."""
    other = member(api, "team-b")
    [delivery] = _deliveries(api, chat)
    for person in (team, other):
        for namespace in (TEAM, "team-b", NAMESPACE):
            for method in ("GET", "POST"):
                path = api.path(*DELIVERY, "", namespace)
                assert _refused(person, method, path, _stolen(delivery, namespace)), (method, path)
        path = api.path(*DELIVERY, delivery["metadata"]["name"], NAMESPACE)
        assert _refused(person, "DELETE", path, None)


def _stolen(delivery: Manifest, namespace: str, **labels: str) -> Manifest:
    spec = {
        **delivery["spec"],
        "source": {"namespace": OWNER, "name": "gated-kubeconfig", "key": "kubeconfig"},
    }
    metadata = {"name": "stolen", "namespace": namespace, "labels": labels}
    return {"apiVersion": DELIVERY[0], "kind": DELIVERY[1], "metadata": metadata, "spec": spec}


def _refused(api: Api, method: str, path: str, body: Manifest | None) -> bool:
    try:
        api.call(method, path, body if method == "POST" else None)
    except ApiError as error:
        return error.code == http.client.FORBIDDEN
    return False


@pytest.mark.parametrize("claim_namespace", ["", TEAM])
def test_the_agent_reads_nothing_but_the_claims(api: Api, chat: Manifest, claim_namespace: str) -> None:
    """Also where somebody got a delivery into the platform namespace."""
    [delivery] = _deliveries(api, chat)
    labels = {"crossplane.io/claim-namespace": claim_namespace} if claim_namespace else {}
    stolen = _stolen(delivery, NAMESPACE, **labels)
    api.create(stolen)
    try:
        wait_for("an answer", lambda: "status" in refreshed(api, stolen), MINUTE)
        assert refreshed(api, stolen)["status"]["conditions"][0]["reason"] == "NotAllowed"
        assert held(api, chat) == TOKENS[2]
    finally:
        api.delete(stolen)


def test_a_delivery_of_another_namespace_is_not_looked_at(api: Api, chat: Manifest) -> None:
    [delivery] = _deliveries(api, chat)
    stolen = _stolen(delivery, TEAM, **{"crossplane.io/claim-namespace": OWNER})
    api.create(stolen)
    try:
        put(api, TOKENS[1])
        wait_for("what is one's own", lambda: held(api, chat) == TOKENS[1], MINUTE)
        assert "status" not in refreshed(api, stolen)
    finally:
        api.delete(stolen)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/secrets"),
        ("GET", f"/api/v1/namespaces/{TEAM}/secrets"),
        ("GET", f"/api/v1/namespaces/{TEAM}/secrets?watch=true"),
        ("POST", f"/api/v1/namespaces/{TEAM}/secrets"),
        ("DELETE", f"/api/v1/namespaces/{TEAM}/secrets/hub"),
        ("GET", f"/api/v1/namespaces/{TEAM}/configmaps/kube-root-ca.crt"),
        ("GET", "/api/v1/pods"),
        ("GET", "/apis/agent.freehold.dev/v1alpha1/secretdeliveries"),
        ("GET", f"/apis/agent.freehold.dev/v1alpha1/namespaces/{TEAM}/secretdeliveries"),
        ("POST", f"/apis/agent.freehold.dev/v1alpha1/namespaces/{NAMESPACE}/secretdeliveries"),
        ("GET", "/apis/kubernetes.m.crossplane.io/v1alpha1/providerconfigs"),
        ("GET", f"/apis/kubernetes.m.crossplane.io/v1alpha1/namespaces/{TEAM}/providerconfigs/x"),
        ("POST", f"/apis/kubernetes.m.crossplane.io/v1alpha1/namespaces/{NAMESPACE}/objects"),
        ("GET", "/apis/freehold.dev/v1alpha1/models"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/crossplane/token"),
    ],
)
def test_what_the_agent_is_refused(control_plane: Plane, method: str, path: str) -> None:
    agent = control_plane.layout.api(AGENT)
    assert _refused(agent, method, path, {"metadata": {"name": "x"}})


def test_the_agent_writes_no_secret_of_the_control_plane(control_plane: Plane) -> None:
    """The cluster that Crossplane runs in is one for Models only where the administrators have bound the role."""
    agent = control_plane.layout.api(AGENT)
    with pytest.raises(ApiError) as refused:
        agent.patch({**SECRET}, {"data": {"token": base64_of("x")}})
    assert refused.value.code == http.client.FORBIDDEN
