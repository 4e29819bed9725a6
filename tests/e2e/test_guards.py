"""What claims cannot say: each attack as a tenant sees it refused, and beside it what stays allowed."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.observing import composite, refreshed
from tests.e2e.people import member
from tests.e2e.workload import ask_to_go, model
from tools import paths
from tools.control_plane.api import Api, ApiError, identity
from tools.control_plane.layout import NAMESPACE
from tools.control_plane.waiting import wait_for
from tools.install import GUARD, NAMESPACE_GUARD
from tools.manifests import Manifest, load

POLICY = "admissionregistration.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"
FINALIZER = "finalizer.apiextensions.crossplane.io"
IN_USE = "crossplane.io/in-use"
_TRIES = 5
CORE = f"system:serviceaccount:{NAMESPACE}:crossplane"
FIELDS: dict[str, object] = {
    "compositionRef": {"name": "planted"},
    "compositionSelector": {"matchLabels": {"mine": "true"}},
    "compositionRevisionRef": {"name": "model-0000000"},
    "compositionRevisionSelector": {"matchLabels": {"crossplane.io/composition-hash": "0"}},
    "compositionUpdatePolicy": "Manual",
    "compositeDeletePolicy": "Background",
    "resourceRef": {"apiVersion": "freehold.dev/v1alpha1", "kind": "XModel", "name": "anothers"},
}
"""Fields by which a claim would leave its composition or its composite, or take another's composite."""


@pytest.fixture(scope="module")
def claims(api: Api, team: Api) -> Iterator[dict[str, Manifest]]:
    """A claim of each kind, completed by core, each as its own tenant."""
    owner = member(api, "team-b", role="freehold-platform-team")
    made = {"Model": model("team-a", "guarded"), "InferenceCluster": cluster("team-b", "guarded")}
    for kind, user in (("Model", team), ("InferenceCluster", owner)):
        user.apply(made[kind])
        wait_for("core to complete the claim", lambda kind=kind: _completed(api, made[kind]))  # type: ignore[misc]
    yield made
    for claim in made.values():
        ask_to_go(api, claim)


@pytest.fixture
def owner(api: Api) -> Callable[[str], Api]:
    """Return the API as the tenant sees it that has the claim of a kind."""
    users = {
        "Model": member(api, "team-a"),
        "InferenceCluster": member(api, "team-b", role="freehold-platform-team"),
    }
    return users.__getitem__


def cluster(namespace: str, name: str) -> Manifest:
    pools = [{"name": "l4", "gpu": {"model": "L4"}, "nodes": {"min": 1, "max": 1}}]
    existing = {"kubeconfigSecretRef": {"name": "kubeconfig"}}
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "InferenceCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"existing": existing, "nodePools": pools},
    }


def _completed(api: Api, claim: Manifest) -> bool:
    """Tell whether core has written all that it writes into a claim."""
    found = refreshed(api, claim)
    return {"resourceRef", "compositionRef", "compositionRevisionRef"} <= set(found["spec"])


def refusal(do: Callable[[], object], field: str) -> str:
    """Return how the API server refuses; it names the policy, the field and whom to ask."""
    with pytest.raises(ApiError) as error:
        do()
    text = str(error.value)
    assert error.value.code == http.client.FORBIDDEN, text
    assert f"ValidatingAdmissionPolicy '{GUARD}'" in text
    assert f": {field}: " in text
    assert text.endswith("ask those who administer Crossplane here.")
    return text


def replaced(api: Api, claim: Manifest, change: Callable[[Manifest], object]) -> Manifest:
    """Send a whole claim as it is but for a change, as `kubectl edit` does: again where core was faster."""
    for _ in range(_TRIES):
        whole = refreshed(api, claim)
        change(whole)
        try:
            return api.call("PUT", api.path(*identity(claim)), whole)
        except ApiError as error:
            if error.code != http.client.CONFLICT:
                raise
    raise AssertionError(f"the claim changed {_TRIES} times between a look and its replacement")


@pytest.mark.parametrize("name", [GUARD, NAMESPACE_GUARD])
def test_the_api_server_finds_nothing_wrong_with_a_policy(api: Api, name: str) -> None:
    """It checks the types of every expression against the kinds' schemas, and warns in the status."""
    policies = [m for m in load(paths.INSTALL) if m["kind"] == "ValidatingAdmissionPolicy"]
    [shipped] = [m for m in policies if m["metadata"]["name"] == name]
    # A copy: the shipped one may be older than the kinds, and is checked when it changes.
    copy = {**shipped, "metadata": {"name": f"{name}-checked"}}
    api.apply(copy)
    wait_for("the check", lambda: "observedGeneration" in refreshed(api, copy).get("status", {}))
    status = refreshed(api, copy)["status"]
    api.delete(copy)
    assert status["typeChecking"] == {}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", ["Model", "InferenceCluster"])
def test_a_new_claim_cannot_leave_its_composition(
    owner: Callable[[str], Api], claims: dict[str, Manifest], kind: str, field: str
) -> None:
    claim = claims[kind]
    new = {**claim, "metadata": {**claim["metadata"], "name": "new"}, "spec": {**claim["spec"]}}
    new["spec"][field] = FIELDS[field]
    refusal(lambda: owner(kind).create(new), f"spec.{field}")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", ["Model", "InferenceCluster"])
def test_a_live_claim_cannot_leave_its_composition(
    owner: Callable[[str], Api], claims: dict[str, Manifest], kind: str, field: str
) -> None:
    before = refreshed(owner(kind), claims[kind])["spec"]
    refusal(lambda: owner(kind).patch(claims[kind], {"spec": {field: FIELDS[field]}}), f"spec.{field}")
    assert refreshed(owner(kind), claims[kind])["spec"] == before


def test_an_older_revision_that_exists_is_refused_too(
    api: Api, team: Api, claims: dict[str, Manifest]
) -> None:
    """The revision that is in use is the tenant's to name no more than another."""
    used = refreshed(api, claims["Model"])["spec"]["compositionRevisionRef"]
    new = model("team-a", "pinned", compositionUpdatePolicy="Manual", compositionRevisionRef=used)
    refusal(lambda: team.create(new), "spec.compositionRevisionRef")


def test_a_claim_cannot_take_anothers_composite(api: Api, team: Api, claims: dict[str, Manifest]) -> None:
    """Neither one that is bound nor one that an administrator made without a claim."""
    paused = {"name": "free", "annotations": {"crossplane.io/paused": "true"}}
    free: Manifest = {"apiVersion": "freehold.dev/v1alpha1", "kind": "XModel", "metadata": paused}
    api.apply({**free, "spec": {"model": "Qwen/Qwen3-8B"}})
    for name in (composite(api, claims["Model"])["metadata"]["name"], "free"):
        reference = {**FIELDS["resourceRef"], "name": name}  # type: ignore[dict-item]
        refusal(lambda r=reference: team.create(model("team-a", "thief", resourceRef=r)), "spec.resourceRef")  # type: ignore[misc]
    assert "claimRef" not in refreshed(api, free)["spec"]
    api.patch(free, {"metadata": {"annotations": {"crossplane.io/paused": None}}})
    api.delete(free)


def test_a_claim_cannot_lose_its_composite(team: Api, claims: dict[str, Manifest]) -> None:
    """`kubectl replace` with the manifest that was applied first would leave a composite that nobody owns."""
    claim = claims["Model"]
    refusal(lambda: replaced(team, claim, lambda whole: whole["spec"].pop("resourceRef")), "spec.resourceRef")
    refusal(lambda: team.patch(claim, {"spec": {"resourceRef": None}}), "spec.resourceRef")


def test_a_claim_keeps_its_finalizer(team: Api, claims: dict[str, Manifest]) -> None:
    claim = claims["Model"]
    assert FINALIZER in refreshed(team, claim)["metadata"]["finalizers"]
    refusal(lambda: team.patch(claim, {"metadata": {"finalizers": None}}), "metadata.finalizers")
    refusal(
        lambda: team.patch(claim, {"metadata": {"finalizers": ["example.org/mine"]}}), "metadata.finalizers"
    )
    # Another finalizer of the tenant's own is the tenant's to add and to take off.
    team.patch(claim, {"metadata": {"finalizers": [FINALIZER, "example.org/mine"]}})
    team.patch(claim, {"metadata": {"finalizers": [FINALIZER]}})


@pytest.mark.parametrize("value", [None, "false"])
def test_a_claim_that_is_in_use_stays_so(
    api: Api, owner: Callable[[str], Api], claims: dict[str, Manifest], value: str | None
) -> None:
    """The label makes the API server ask Crossplane before the claim is deleted."""
    claim, user = claims["InferenceCluster"], owner("InferenceCluster")
    api.acting_as(CORE).patch(claim, {"metadata": {"labels": {IN_USE: "true"}}})
    refusal(lambda: user.patch(claim, {"metadata": {"labels": {IN_USE: value}}}), "metadata.labels")
    user.patch(claim, {"metadata": {"labels": {"mine": "true"}}})
    api.acting_as(CORE).patch(claim, {"metadata": {"labels": {IN_USE: None}}})


@pytest.mark.parametrize("subresource", ["status", "finalizers"])
def test_a_claims_subresources_are_cores(team: Api, claims: dict[str, Manifest], subresource: str) -> None:
    with pytest.raises(ApiError) as error:
        team.patch(claims["Model"], {"status": {"placement": {"gpus": 0}}}, subresource)
    assert error.value.code == http.client.FORBIDDEN
    assert f'cannot patch resource "models/{subresource}"' in str(error.value)


@pytest.mark.parametrize("kind", ["Model", "InferenceCluster"])
def test_what_tenants_do_every_day_goes_on(
    owner: Callable[[str], Api], claims: dict[str, Manifest], kind: str
) -> None:
    """Core has completed the claim by now; none of this changes what core wrote."""
    claim, user = claims[kind], owner(kind)
    before = refreshed(user, claim)["spec"]
    user.apply(claim)
    user.apply(
        {**claim, "spec": {**claim["spec"], "compositionUpdatePolicy": "Automatic"}}, manager="another"
    )
    user.apply(claim, manager="another")
    replaced(user, claim, lambda whole: whole["metadata"].setdefault("labels", {}).update(mine="true"))
    user.patch(claim, {"metadata": {"annotations": {"example.org/note": "mine"}}})
    # An exported claim says what core wrote; applied again, it changes nothing.
    exported = {**claim, "spec": before}
    user.apply(exported)
    assert refreshed(user, claim)["spec"] == before


def test_an_administrator_pins_a_claim_and_the_tenant_goes_on(
    api: Api, team: Api, claims: dict[str, Manifest]
) -> None:
    claim = claims["Model"]
    api.patch(claim, {"spec": {"compositionUpdatePolicy": "Manual"}})
    team.patch(claim, {"spec": {"contextLength": 8192}})
    wait_for("the composite to follow", lambda: composite(api, claim)["spec"].get("contextLength") == 8192)
    assert composite(api, claim)["spec"]["compositionUpdatePolicy"] == "Manual"
    team.patch(claim, {"spec": {"compositionUpdatePolicy": "Automatic"}})
    refusal(lambda: team.patch(claim, {"spec": {"compositionUpdatePolicy": "Manual"}}), _POLICY_FIELD)


_POLICY_FIELD = "spec.compositionUpdatePolicy"


def test_the_right_to_update_composites_lifts_the_rules(
    api: Api, team: Api, claims: dict[str, Manifest]
) -> None:
    """Granted for the whole cluster; in a namespace, not even `*` reaches a composite."""
    claim, user = claims["Model"], team.user
    change: Manifest = {"spec": {"compositionUpdatePolicy": "Manual"}}
    rules = [{"apiGroups": ["freehold.dev"], "resources": ["*"], "verbs": ["*"]}]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "everything"}}
    in_namespace = _binding("RoleBinding", user, {"namespace": "team-a"})
    everywhere = _binding("ClusterRoleBinding", user, {})
    try:
        api.apply({**role, "rules": rules})
        api.apply(in_namespace)
        refusal(lambda: team.patch(claim, change), _POLICY_FIELD)
        api.apply(everywhere)
        wait_for("the role", lambda: _may(lambda: team.patch(claim, change)))
    finally:
        for granted in (everywhere, in_namespace, role):
            ask_to_go(api, granted)
        api.patch(claim, {"spec": {"compositionUpdatePolicy": "Automatic"}})


def _binding(kind: str, user: str, metadata: Manifest) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": "everything", **metadata},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "everything"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }


def _may(do: Callable[[], object]) -> bool:
    try:
        do()
    except ApiError:
        return False
    return True
