"""Two teams on one control plane: what one may do, and what it cannot do to the other."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.observing import composed, composite, reconcile, refreshed
from tests.e2e.people import member
from tests.e2e.workload import (
    OWNER,
    ask_to_go,
    claimed,
    clear,
    delete,
    existing,
    model,
    wait_placed,
    wait_told,
)
from tools import paths
from tools.control_plane.api import Api, ApiError
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest, load

FORBIDDEN = 403


@dataclass(frozen=True)
class Teams:
    """The API as each sees it."""

    a: Api
    b: Api
    platform: Api


@pytest.fixture(scope="module")
def teams(api: Api) -> Teams:
    return Teams(
        member(api, "team-a"), member(api, "team-b"), member(api, OWNER, role="freehold-platform-team")
    )


@pytest.fixture(scope="module")
def shared(control_plane: Plane) -> Iterator[Manifest]:
    """A cluster that admits both."""
    claim = existing(control_plane, "shared", allowed=["team-a", "team-b"])
    yield claim
    clear(control_plane.api, claim)


@pytest.fixture(scope="module")
def same_named(api: Api, teams: Teams, shared: Manifest) -> Iterator[tuple[Manifest, Manifest]]:
    """A Model of each team, of one name, claimed by the team itself."""
    chosen = {"cluster": {"namespace": OWNER, "name": shared["metadata"]["name"]}}
    claims = (model("team-a", "twin", **chosen), model("team-b", "twin", **chosen))
    for claim, team in zip(claims, (teams.a, teams.b), strict=True):
        team.apply(claim)
        wait_placed(team, claim)
        wait_for("the namespace", lambda claim=claim: bool(_object(api, claim, "vllm/namespace")))  # type: ignore[misc]
    yield claims
    for claim in claims:
        ask_to_go(api, claim)


def _object(api: Api, claim: Manifest, name: str) -> Manifest | None:
    made = {
        r["metadata"]["annotations"]["crossplane.io/composition-resource-name"]: r
        for r in composed(api, claim)
    }
    return made.get(name)


def names(api: Api, claim: Manifest) -> set[tuple[str, str, str]]:
    return {(r["kind"], r["metadata"]["namespace"], r["metadata"]["name"]) for r in composed(api, claim)}


def refused(team: Api, manifest: Manifest) -> str:
    with pytest.raises(ApiError) as error:
        team.create(manifest)
    assert error.value.code == FORBIDDEN
    return str(error.value)


def test_same_named_models_share_nothing(api: Api, same_named: tuple[Manifest, Manifest]) -> None:
    one, other = same_named
    assert names(api, one).isdisjoint(names(api, other))
    places = [refreshed(api, claim)["status"]["placement"]["namespace"] for claim in same_named]
    assert len(set(places)) == 2


def test_each_team_reads_its_own_model_and_no_other(
    teams: Teams, same_named: tuple[Manifest, Manifest]
) -> None:
    one, other = same_named
    assert refreshed(teams.a, one)["status"]["endpoint"]["model"] == "Qwen/Qwen3-8B"
    with pytest.raises(ApiError, match="forbidden"):
        refreshed(teams.a, other)


def test_each_team_gets_its_own_secret(api: Api, teams: Teams, same_named: tuple[Manifest, Manifest]) -> None:
    for claim, team in zip(same_named, (teams.a, teams.b), strict=True):
        namespace = claim["metadata"]["namespace"]
        wait_for("the Secret", lambda claim=claim: bool(_object(api, claim, "vllm/connection")))  # type: ignore[misc]
        secret = _object(api, claim, "vllm/connection")
        assert secret is not None
        assert secret["metadata"]["namespace"] == namespace
        values = team.get("v1", "Secret", secret["metadata"]["name"], namespace)["data"]
        assert f".{namespace}-twin-" in base64.b64decode(values["OPENAI_BASE_URL"]).decode()


def test_a_team_claims_in_its_namespace_alone(teams: Teams) -> None:
    assert "team-b" in refused(teams.a, model("team-b", "intruder"))


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_the_platform_namespace_is_closed(teams: Teams, kind: str) -> None:
    """Kubeconfigs stand there, and the records by which clusters know their Models."""
    with pytest.raises(ApiError, match="forbidden"):
        teams.a.items("v1", kind, NAMESPACE)
    refused(teams.a, {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": NAMESPACE}})


MANIFEST = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
INJECTED = {"credentials": {"source": "InjectedIdentity"}}
COMPOSED: dict[tuple[str, str], Manifest] = {
    ("kubernetes.m.crossplane.io/v1alpha1", "Object"): {"forProvider": {"manifest": MANIFEST}},
    ("kubernetes.m.crossplane.io/v1alpha1", "ProviderConfig"): INJECTED,
    ("helm.m.crossplane.io/v1beta1", "Release"): {"forProvider": {"chart": {"name": "x", "repository": "x"}}},
    ("helm.m.crossplane.io/v1beta1", "ProviderConfig"): INJECTED,
    ("protection.crossplane.io/v1beta1", "Usage"): {"of": MANIFEST, "reason": "mine"},
}
"""What functions compose: with any of these, somebody acts with a provider's credentials, or holds up others."""


@pytest.mark.parametrize("namespace", ["team-a", OWNER, NAMESPACE])
@pytest.mark.parametrize(("version", "kind"), COMPOSED)
def test_a_team_cannot_compose_by_itself(teams: Teams, version: str, kind: str, namespace: str) -> None:
    """Not in its own namespace either."""
    metadata = {"name": "x", "namespace": namespace}
    spec = COMPOSED[version, kind]
    assert "cannot create resource" in refused(
        teams.a, {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    )


def test_composites_and_compositions_are_not_a_teams(teams: Teams) -> None:
    xr = {"apiVersion": "freehold.dev/v1alpha1", "kind": "XModel", "metadata": {"name": "x"}}
    refused(teams.a, {**xr, "spec": {"model": "Qwen/Qwen3-8B"}})
    composition = load(paths.COMPOSITIONS / "model.yaml")[0]
    refused(teams.a, {**composition, "metadata": {"name": "mine"}})
    assert "inferenceclusters" in refused(teams.a, {**xr, "kind": "InferenceCluster", "metadata": TEAMS_OWN})


TEAMS_OWN = {"name": "x", "namespace": "team-a"}


def test_a_forged_record_counts_for_nothing(
    control_plane: Plane, api: Api, teams: Teams, shared: Manifest, same_named: tuple[Manifest, Manifest]
) -> None:
    """A ConfigMap that says what a placed Model leaves beside its cluster, in the tenant's own namespace."""
    xr = composite(api, shared)
    labels = {
        contract.RECORD_CLUSTER: xr["metadata"]["name"],
        contract.NODE_POOL: "l4",
        contract.RECORD_GPUS: "64",
    }
    forged = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**TEAMS_OWN, "labels": labels}}
    teams.a.apply({**forged, "data": {contract.RECORD_MODEL_KEY: "team-a/forged"}})
    reconcile(control_plane, shared)
    [pool] = refreshed(api, shared)["status"]["nodePools"]
    assert pool["gpusInUse"] == len(same_named)
    reasons = [
        u["spec"].get("reason", "") for u in api.items("protection.crossplane.io/v1beta1", "ClusterUsage")
    ]
    assert any("team-a/twin" in reason for reason in reasons)
    assert not any("forged" in reason for reason in reasons)


def test_an_edited_endpoint_is_put_back(
    api: Api, teams: Teams, same_named: tuple[Manifest, Manifest]
) -> None:
    """What Freehold composes beside a claim stays what Freehold composed, whoever may edit it."""
    claim, _ = same_named
    wait_for("the Secret", lambda: bool(_object(api, claim, "vllm/connection")))
    secret = _object(api, claim, "vllm/connection")
    assert secret is not None
    elsewhere = base64.b64encode(b"https://elsewhere.example.com/v1").decode()
    teams.a.patch(secret, {"data": {"OPENAI_BASE_URL": elsewhere}})
    wait_for("the address of before", lambda: refreshed(teams.a, secret)["data"] == secret["data"])


def test_a_cluster_that_does_not_admit_a_team_takes_none_of_its_models(
    control_plane: Plane, api: Api, teams: Teams
) -> None:
    closed = claimed(control_plane, "closed", allowed=["team-a"])
    wait_told(api, closed, f"InferenceCluster {OWNER}/shared has taken this cluster")
    claim = model("team-b", "uninvited", cluster={"namespace": OWNER, "name": "closed"})
    teams.b.apply(claim)
    wait_told(teams.b, claim, "closed")
    message = "\n".join(
        c["message"] for c in refreshed(teams.b, claim)["status"]["conditions"] if "message" in c
    )
    assert "team-b" in message
    assert composed(api, claim) == []
    ask_to_go(api, claim)
    delete(api, closed)


def test_a_label_opens_no_door(api: Api, teams: Teams, shared: Manifest) -> None:
    """A tenant's labels and annotations on its claim are not believed."""
    claim = model("team-b", "labelled", cluster={"namespace": OWNER, "name": "nowhere"})
    claim["metadata"]["labels"] = {
        "crossplane.io/claim-namespace": OWNER,
        "crossplane.io/claim-name": shared["metadata"]["name"],
    }
    teams.b.apply(claim)
    wait_told(teams.b, claim, "nowhere")
    assert composite(api, claim)["spec"]["claimRef"]["namespace"] == "team-b"
    assert composed(api, claim) == []
    ask_to_go(api, claim)


def test_a_token_is_taken_from_the_claims_own_namespace(api: Api, teams: Teams, shared: Manifest) -> None:
    """Naming another team's Secret finds nothing, and says so."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub", "namespace": "team-a"}}
    teams.a.apply({**secret, "data": {"token": base64.b64encode(b"team-a's").decode()}})
    claim = model(
        "team-b",
        "borrower",
        cluster={"namespace": OWNER, "name": shared["metadata"]["name"]},
        source={"huggingFace": {"tokenSecretRef": {"name": "hub"}}},
    )
    teams.b.apply(claim)
    wait_placed(teams.b, claim)
    wait_for("the token's delivery", lambda: bool(_object(api, claim, "vllm/hub-token-delivery")))
    made = _object(api, claim, "vllm/hub-token-delivery")
    assert made is not None
    assert made["spec"]["source"]["namespace"] == "team-b"
    wait_told(teams.b, claim, "Secret team-b/hub does not exist: create it, or correct the reference to it")
    place = refreshed(teams.b, claim)["status"]["placement"]["namespace"]
    assert api.find("v1", "Secret", "hub-token", place) is None
    ask_to_go(api, claim)


def test_deleting_one_leaves_the_other(api: Api, teams: Teams, same_named: tuple[Manifest, Manifest]) -> None:
    one, other = same_named
    before = {r["metadata"]["uid"] for r in composed(api, other)}
    place = refreshed(teams.b, other)["status"]["placement"]["namespace"]
    namespace = api.get("v1", "Namespace", place)["metadata"]["uid"]
    delete(teams.a, one)
    assert {r["metadata"]["uid"] for r in composed(api, other)} >= before
    assert api.get("v1", "Namespace", place)["metadata"]["uid"] == namespace
