"""A Model's key is made by the agent, gets to both its ends, and stands nowhere else in the control plane.

The GPU cluster is the control plane itself, so etcd holds the gateway's copy, too. The gateway is played: it takes
every route. A real one answers with keys in `tests/e2e/real`.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from functions.api import contract
from tests.e2e import agent, etcd
from tests.e2e.conftest import Plane
from tests.e2e.envoy import answering
from tests.e2e.gateway import playing
from tests.e2e.nodes import joined
from tests.e2e.observing import composed, composite, reconcile, refreshed, wait_ready
from tests.e2e.waking import waking
from tests.e2e.workload import OWNER, clear, delete, existing, model, place, wait_told
from tools.control_plane.agent import NAME as AGENT
from tools.control_plane.api import Api, ApiError, condition
from tools.control_plane.layout import NAMESPACE, free_ports
from tools.control_plane.nodes import cpu_node, gpu_node
from tools.control_plane.waiting import patience, wait_for
from tools.manifests import RESOURCE_NAME, Manifest

TEAM, HOST = "team-a", "models.example.org"
MINUTE = 60
POOL = {"name": "l4", "gpu": {"model": "L4", "count": 1}, "nodes": {"min": 4, "max": 4}}
NODES = [*(gpu_node(f"l4-{n}", "g6.xlarge", zone="a") for n in range(4)), cpu_node("components", zone="a")]
KEY, SECRET = "OPENAI_API_KEY", "vllm/connection"


@pytest.fixture(scope="module")
def refused(api: Api) -> Iterator[dict[str, str]]:
    """The words of the played gateway for routes that it refuses, by their namespace."""
    with playing(api) as words:
        yield words


@pytest.fixture(scope="module")
def cluster(control_plane: Plane, refused: dict[str, str]) -> Iterator[Manifest]:
    """A cluster without a gateway at first."""
    del refused
    with waking(control_plane.api), joined(control_plane.api, NODES):
        claim = existing(control_plane, "gated", [POOL], allowed=["team-*"])
        yield claim
        clear(control_plane.api, claim)


@pytest.fixture(scope="module")
def early(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model that served before there was a gateway. Tests here go on from one another."""
    del cluster
    claim = team.create(model(TEAM, "early", cluster={"namespace": OWNER, "name": "gated"}))
    yield wait_ready(team, claim, seconds=120)
    delete(api, claim)


@pytest.fixture(scope="module")
def began(control_plane: Plane, early: Manifest) -> int:
    """etcd's revision before the first key."""
    del early
    return etcd.revision(control_plane)


@pytest.fixture(scope="module")
def late(api: Api, team: Api, cluster: Manifest) -> Iterator[Manifest]:
    """A Model that was claimed when there was a gateway."""
    del cluster
    claim = team.create(model(TEAM, "late", cluster={"namespace": OWNER, "name": "gated"}))
    yield wait_ready(team, claim, seconds=120)
    delete(api, claim)


def values(api: Api, claim: Manifest) -> dict[str, str]:
    """Return what the Secret beside a claim holds."""
    found = api.get("v1", "Secret", refreshed(api, claim)["status"]["endpoint"]["secretName"], TEAM)
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def address(claim: Manifest) -> str:
    return f"https://{HOST}/{TEAM}/{claim['metadata']['name']}/v1"


def all_taken(api: Api, claim: Manifest) -> dict[str, str]:
    """Return the keys that the gateway takes for a Model, by the client's id without the Model's."""
    found = api.find("v1", "Secret", contract.MODEL_KEYS, place(api, claim))
    model_ = f"{TEAM}.{claim['metadata']['name']}"
    data = found["data"].items() if found else ()
    return {client.removeprefix(model_): base64.b64decode(key).decode() for client, key in data}


def taken(api: Api, claim: Manifest) -> str | None:
    """Return the Model's own key, as the gateway takes it."""
    return all_taken(api, claim).get("")


def made(api: Api, claim: Manifest) -> Manifest:
    """Return the Secret that the agent has made for a Model."""
    [source] = {
        (spec["source"]["namespace"], spec["source"]["name"])
        for spec in (r["spec"] for r in composed(api, claim) if r["kind"] == "SecretDelivery")
        if spec.get("made")
    }
    return api.get("v1", "Secret", source[1], source[0])


@contextmanager
def always_there(api: Api, name: str) -> Iterator[None]:
    """Fail where a Secret of the team is gone, or is another than before: however short it was gone, it is another."""
    first = api.get("v1", "Secret", name, TEAM)["metadata"]["uid"]
    stop, wrong = threading.Event(), list[str]()

    def look() -> None:
        while not stop.wait(0.5):
            found = api.find("v1", "Secret", name, TEAM)
            if found is None or found["metadata"]["uid"] != first:
                wrong.append("it was gone" if found is None else "it is another")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert wrong == []


def callers(api: Api, claim: Manifest) -> list[str]:
    policy = api.get("networking.k8s.io/v1", "NetworkPolicy", "serving", place(api, claim))
    [rule] = policy["spec"]["ingress"]
    return [c["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for c in rule["from"]]


def test_a_live_model_gets_a_gateway_and_never_lacks_its_secret(
    control_plane: Plane, api: Api, team: Api, cluster: Manifest, early: Manifest, began: int
) -> None:
    del began
    assert set(values(team, early)) == {"OPENAI_BASE_URL", "OPENAI_MODEL"}
    assert callers(api, early) == [TEAM]
    name = early["status"]["endpoint"]["secretName"]
    with always_there(api, name):
        offer_a_gateway(control_plane, cluster)
        wait_for("the key", lambda: KEY in values(team, early), 2 * MINUTE)
    assert values(team, early)["OPENAI_BASE_URL"] == address(early)
    assert values(team, early)[KEY] == taken(api, early)
    wait_for("nobody else", lambda: callers(api, early) == [contract.GATEWAY_NAMESPACE])
    wait_ready(team, early, seconds=30)
    # Crossplane composes it no more, so that no function reads it.
    names = [r["metadata"]["annotations"][RESOURCE_NAME] for r in composed(api, early)]
    assert SECRET not in names
    assert not [r for r in composed(api, early) if r["kind"] == "Secret"]


def offer_a_gateway(plane: Plane, cluster: Manifest) -> None:
    """Have the cluster ask for a gateway; that it has worked is played."""
    plane.api.apply(certificate())
    gateway = {"host": HOST, "tls": {"secretRef": {"name": "gateway-tls"}}}
    plane.api.patch(cluster, {"spec": {"gateway": gateway}})


def certificate() -> Manifest:
    issued = trustme.CA().issue_cert(HOST)
    pems = {"tls.crt": issued.cert_chain_pems[0], "tls.key": issued.private_key_pem}
    data = {name: base64.b64encode(pem.bytes()).decode() for name, pem in pems.items()}
    metadata = {"name": "gateway-tls", "namespace": OWNER}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": metadata,
        "data": data,
    }


def test_a_new_model_is_told_of_the_gateway_alone(
    api: Api, team: Api, early: Manifest, late: Manifest
) -> None:
    assert late["status"]["endpoint"]["baseURL"] == address(late)
    assert values(team, late)[KEY] == taken(api, late)
    assert len(base64.urlsafe_b64decode(values(team, late)[KEY] + "=")) == 32
    assert values(team, late)[KEY] != values(team, early)[KEY]


def test_no_other_object_ever_held_a_key(
    control_plane: Plane, api: Api, team: Api, early: Manifest, late: Manifest, began: int
) -> None:
    """Of all that was written to etcd since before the first key; and no log, which functions write, too."""
    for claim in (early, late):
        reconcile(control_plane, claim)
    at, forms = set(), []
    for claim in (early, late):
        key = values(team, claim)[KEY].encode()
        forms += [key, base64.b64encode(key)]
        source = made(api, claim)["metadata"]["name"]
        beside = refreshed(api, claim)["status"]["endpoint"]["secretName"]
        at |= {
            f"/registry/secrets/{NAMESPACE}/{source}",
            f"/registry/secrets/{TEAM}/{beside}",
            f"/registry/secrets/{place(api, claim)}/{contract.MODEL_KEYS}",
        }
    assert etcd.written(control_plane, began, *forms) == at
    logs = sorted(path for path in Path(control_plane.layout.folder).rglob("*.log"))
    assert logs
    assert [path.name for path in logs if any(form in path.read_bytes() for form in forms)] == []


def test_a_team_that_edits_its_copy_changes_nothing(
    control_plane: Plane, api: Api, team: Api, late: Manifest
) -> None:
    """It is as it was within five minutes, or at once when the agent starts."""
    before = values(team, late)
    secret = team.get("v1", "Secret", late["status"]["endpoint"]["secretName"], TEAM)
    team.patch(secret, {"data": {KEY: base64.b64encode(b"mine").decode(), "OPENAI_BASE_URL": ""}})
    assert taken(api, late) == before[KEY]
    control_plane.processes.restart(AGENT)
    wait_for("the Secret as it was", lambda: values(team, late) == before, MINUTE)


def test_a_key_that_is_deleted_is_another_one_at_both_ends(api: Api, team: Api, late: Manifest) -> None:
    before = values(team, late)[KEY]
    api.delete(made(api, late))
    wait_for("another key beside the claim", lambda: values(team, late)[KEY] != before, MINUTE)
    wait_for("the same at the gateway", lambda: taken(api, late) == values(team, late)[KEY], MINUTE)


def test_a_key_that_is_emptied_reaches_nobody(api: Api, team: Api, late: Manifest) -> None:
    before = taken(api, late)
    source = made(api, late)
    [key] = source["data"]
    api.patch(source, {"data": {key: ""}})
    delivery = next(r for r in composed(api, late) if r["kind"] == "SecretDelivery")
    wait_for("an answer", lambda: "KeyMissing" in str(refreshed(api, delivery)["status"]), MINUTE)
    assert (taken(api, late), values(team, late)[KEY]) == (before, before)
    api.patch(source, {"data": source["data"]})
    wait_for("the key", lambda: "KeyMissing" not in str(refreshed(api, delivery)["status"]), MINUTE)


def test_a_key_changes_and_the_one_of_before_is_taken_for_a_while(
    api: Api, team: Api, late: Manifest
) -> None:
    before = values(team, late)[KEY]
    team.patch(late, {"spec": {"access": {"key": {"rotation": 1}}}})
    wait_for("another key beside the claim", lambda: values(team, late)[KEY] != before, MINUTE)
    assert all_taken(api, late) == {"": values(team, late)[KEY], "__former": before}
    assert "__former" in str(policy(api, late)["spec"]["authorization"])
    team.patch(late, {"spec": {"access": {"key": {"overlapMinutes": 0}}}})
    wait_for("the end of the old one", lambda: set(all_taken(api, late)) == {""}, MINUTE)
    assert taken(api, late) == values(team, late)[KEY]
    assert set(made(api, late)["data"]) == {"key"}


def policy(api: Api, claim: Manifest) -> Manifest:
    return api.get("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", "vllm", place(api, claim))


def test_clients_come_and_go_with_their_secrets(api: Api, team: Api, late: Manifest) -> None:
    keys = {name: name * 8 for name in ("web", "batch")}
    secret = team.create(clients_secret("clients", keys))
    clients = [{"name": name, "secretRef": {"name": "clients", "key": name}} for name in keys]
    clients.append({"name": "gone", "secretRef": {"name": "nowhere"}})
    team.patch(late, {"spec": {"access": {"clients": clients}}})
    own = values(team, late)[KEY]
    both = {"": own, **{f"_{name}": key for name, key in keys.items()}}
    wait_for("both clients", lambda: all_taken(api, late) == both, MINUTE)
    words = "1 of 3 clients have no access: gone (Secret team-a/nowhere does not exist)"
    wait_for("an event", lambda: words in str(api.items("v1", "Event", TEAM)), MINUTE)
    wait_for("their ids", lambda: f"{TEAM}.late_batch" in str(policy(api, late)["spec"]), MINUTE)
    wait_ready(team, late, seconds=30)
    # A key of another form takes its client alone.
    team.patch(secret, {"data": {"web": base64.b64encode(b"short").decode()}})
    seconds = _until("the client to go", lambda: all_taken(api, late) == {"": own, "_batch": keys["batch"]})
    assert seconds < 5 * patience(), "a changed key is refused"
    team.delete(secret)
    seconds = _until("the other to go", lambda: all_taken(api, late) == {"": own})
    assert seconds < 5 * patience(), "a key whose Secret is deleted is refused"
    team.patch(late, {"spec": {"access": {"clients": None}}})
    wait_for("their ids to go", lambda: "late_batch" not in str(policy(api, late)["spec"]), MINUTE)
    assert all_taken(api, late) == {"": own}


def clients_secret(name: str, keys: dict[str, str]) -> Manifest:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": TEAM}, "data": data}


def _until(what: str, true: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_for(what, true, MINUTE)
    return time.monotonic() - began


def test_the_agent_writes_only_what_models_own(control_plane: Plane, api: Api, late: Manifest) -> None:
    deliverer = control_plane.layout.api(AGENT)
    account = {"kubernetes.io/service-account.name": "default"}
    metadata = {"name": "stolen", "namespace": NAMESPACE}
    owner = [{"apiVersion": "freehold.dev/v1alpha1", "kind": "XModel", "name": "x", "uid": "x"}]
    plain = {"apiVersion": "v1", "kind": "Secret"}
    token = {
        **plain,
        "type": "kubernetes.io/service-account-token",
        "metadata": {**metadata, "annotations": account, "ownerReferences": owner},
    }
    for secret, words in (
        (token, "keys, tokens, certificates and pull secrets alone"),
        ({**plain, "metadata": metadata}, "the agent writes only what a Model"),
        ({**plain, "metadata": {**metadata, "namespace": TEAM}}, "the agent writes only what a Model"),
    ):
        with pytest.raises(ApiError, match=words):
            deliverer.apply(secret)
    changed = {"kubeconfig": base64.b64encode(b"x").decode()}
    for patch in ({"data": changed}, {"metadata": {"ownerReferences": owner}}):
        with pytest.raises(
            ApiError, match="the agent changes here only keys and certificates that it has made"
        ):
            deliverer.patch(made(api, late), patch)
    with pytest.raises(ApiError, match="the agent writes"):
        deliverer.patch(certificate(), {"data": {"tls.key": base64.b64encode(b"x").decode()}})


def test_a_route_that_the_gateway_refuses_is_told(
    api: Api, team: Api, early: Manifest, refused: dict[str, str]
) -> None:
    """Its words come from the played gateway."""
    refused[place(api, early)] = "no such listener"
    wait_told(team, early, "the cluster's gateway refuses the Model's route: no such listener", MINUTE)
    refused.clear()
    wait_ready(team, early, seconds=MINUTE)


def test_serving_is_what_an_app_is_answered(
    control_plane: Plane, api: Api, team: Api, late: Manifest
) -> None:
    """By the cluster's agent, with the key that the gateway has; Envoy is played, and what it answers a test's."""
    authority, before = trustme.CA(), refreshed(team, late)
    assert serving(before)[:2] == ("True", "Available")
    pem = authority.cert_pem.bytes().decode()
    [port] = free_ports(1)
    with answering(api, authority.issue_cert(HOST)) as envoy:
        where = (f"--models=127.0.0.1:{port}", f"--gateway=127.0.0.1:{envoy.port}")
        with agent.running(control_plane, *where, GATEWAY_AUTHORITIES=pem):
            wait_for("an answer", lambda: serving(refreshed(team, late))[1] == "Answered", MINUTE)
            assert set(envoy.asked) >= {f"/{TEAM}/late/v1/models"}
            assert f"{HOST} leads to no address in the GPU cluster" in serving(refreshed(team, late))[2]
            envoy.status = 503
            wait_told(team, late, "Serving=False PodsUnreached: [platform] pods of the Mod", 2 * MINUTE)
            assert values(team, late)[KEY] == taken(api, late)
            envoy.status = 200
            wait_ready(team, late, seconds=MINUTE)
        assert values(team, late)[KEY] not in control_plane.processes.log(agent.NAME).read_text()


def serving(claim: Manifest) -> tuple[str, str, str]:
    found = condition(claim, "Serving")
    return found["status"], found["reason"], found["message"]


def test_a_gateway_that_goes_brings_apps_back_inside(
    api: Api, team: Api, cluster: Manifest, early: Manifest
) -> None:
    with always_there(api, early["status"]["endpoint"]["secretName"]):
        api.patch(cluster, {"spec": {"gateway": None}})
        wait_for(
            "the address inside", lambda: values(team, early)["OPENAI_BASE_URL"].startswith("http://"), MINUTE
        )
        wait_for("pods of the team's namespace", lambda: callers(api, early) == [TEAM], MINUTE)
    home = place(api, early)
    gone = ("gateway.networking.k8s.io/v1", "HTTPRoute", "vllm", home)
    wait_for("the route to go", lambda: api.find(*gone) is None, MINUTE)
    wait_ready(team, early, seconds=30)


def test_everything_goes_with_the_model(api: Api, team: Api, cluster: Manifest) -> None:
    claim = team.create(model(TEAM, "short", cluster={"namespace": OWNER, "name": "gated"}))
    api.patch(cluster, {"spec": {"gateway": {"host": HOST, "tls": {"secretRef": {"name": "gateway-tls"}}}}})
    wait_for("the key", lambda: _has_key(api, claim), 2 * MINUTE)
    source = made(api, claim)["metadata"]
    beside = refreshed(api, claim)["status"]["endpoint"]["secretName"]
    assert composite(api, claim)["metadata"]["name"] == source["ownerReferences"][0]["name"]
    delete(api, claim)
    wait_for("the key to go", lambda: api.find("v1", "Secret", source["name"], NAMESPACE) is None, MINUTE)
    wait_for("the Secret to go", lambda: api.find("v1", "Secret", beside, TEAM) is None, MINUTE)


def _has_key(api: Api, claim: Manifest) -> bool:
    endpoint = refreshed(api, claim).get("status", {}).get("endpoint")
    return bool(endpoint) and KEY in values(api, claim)
