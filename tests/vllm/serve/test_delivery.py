"""Secrets that the agent delivers: what is composed, what waits, what is told, and what an older package left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.api import SecretDelivery, contract
from functions.base import Condition, Outcome, Request, remote
from functions.base.assemble import assemble
from functions.vllm.compose import FUNCTION, compose
from tests.vllm.world import EU, SPEC, live, manifests, request, stays

TOKEN = {**SPEC, "source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
OWNER, DELIVERY, OLD = "vllm/hub-token-owner", "vllm/hub-token-delivery", "vllm/hub-token"
[DOWNLOAD] = [name for name in manifests(compose(request(TOKEN, EU))) if name.startswith("vllm/download-")]
KIND = f"{contract.DELIVERY_API_VERSION}/{contract.DELIVERY_KIND}"
LABEL = "the Hub token that spec.source.huggingFace.tokenSecretRef names"
INSTALL = (
    "apply package/install.yaml of this version to the control plane, which brings the kind SecretDelivery and the "
    "agent that delivers Secrets"
)


def first(**more: Any) -> Outcome:
    return compose(request(TOKEN, EU, **more))


def after(
    before: Outcome, observed: dict[str, Any], *, known: bool = True, **spec: Any
) -> tuple[Request, Outcome]:
    asked = request({**TOKEN, **spec}, EU, status=dict(before.status), observed=observed)
    asked = replace(asked, kinds={KIND: known})
    return asked, compose(asked)


def told(outcome: Outcome) -> tuple[str, str]:
    [found] = [c for c in outcome.conditions if c.type == "WeightsReady"]
    assert isinstance(found, Condition), found
    return found.reason, found.text


def under_way(before: Outcome) -> dict[str, Any]:
    """What there is of a Model before its download: no Job, no Deployment."""
    observed = live(before)
    return {n: m for n, m in observed.items() if not n.startswith(("vllm/download-", "vllm/deployment"))}


def synced(reason: str, message: str = "") -> dict[str, Any]:
    return {"type": "Synced", "status": "False", "reason": reason, "message": message}


def test_what_is_composed_is_a_delivery_and_never_a_value() -> None:
    made = manifests(first())
    delivery, owner = made[DELIVERY], made[OWNER]["spec"]["forProvider"]["manifest"]
    SecretDelivery.model_validate(delivery["spec"])
    assert delivery["metadata"]["namespace"] == "crossplane-system"
    assert "data" not in owner
    assert owner["metadata"]["annotations"] == {contract.DELIVERY_OF: delivery["metadata"]["name"]}
    target = delivery["spec"]["target"]
    assert (target["namespace"], target["name"]) == (
        owner["metadata"]["namespace"],
        owner["metadata"]["name"],
    )
    secrets = [n for n, m in made.items() if m and m["kind"] == "Object" and _inner(m)["kind"] == "Secret"]
    assert secrets == []


def _inner(manifest: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = manifest["spec"]["forProvider"]["manifest"]
    return inner


def test_a_model_without_a_token_needs_no_agent() -> None:
    asked = replace(request(SPEC, EU), kinds={KIND: False})
    made = compose(asked)
    assert KIND not in asked.required_kinds
    assert not [name for name in manifests(made) if "hub-token" in name]


def test_the_download_waits_for_the_delivery() -> None:
    before = first()
    observed = under_way(before)
    observed[DELIVERY]["status"] = {}
    asked, made = after(before, observed)
    desired = assemble(asked, FUNCTION, made)
    assert desired.held[DOWNLOAD] == f"waits for {LABEL}"
    assert told(made) == (
        "WaitsForAgent",
        f"[platform] the agent has not delivered {LABEL} to the cluster yet: if this lasts, look why Deployment "
        "freehold-agent in namespace crossplane-system of the control plane does not run",
    )
    ready, made = after(before, under_way(before))
    assert DOWNLOAD in assemble(ready, FUNCTION, made).manifests


@pytest.mark.parametrize(
    ("reason", "whose"),
    [
        ("SourceMissing", "model"),
        ("KeyMissing", "model"),
        ("ClusterUnreachable", "platform"),
        ("Refused", "platform"),
        ("NotReadable", "platform"),
    ],
)
def test_what_hinders_a_delivery_is_told_with_its_owner(reason: str, whose: str) -> None:
    before = first()
    observed = under_way(before)
    observed[DELIVERY]["status"] = {"conditions": [synced(reason, "why, and what to do")]}
    _, made = after(before, observed)
    assert told(made) == (
        reason,
        f"[{whose}] {LABEL} cannot be delivered to the cluster: why, and what to do",
    )


def test_a_pull_secret_is_the_platforms() -> None:
    given = {"pullSecretRef": {"name": "registry"}}
    before = compose(request(SPEC, EU, given=given))
    observed = under_way(before)
    observed["vllm/pull-secret-delivery"]["status"] = {"conditions": [synced("SourceMissing", "no")]}
    made = compose(request(SPEC, EU, status=dict(before.status), observed=observed, given=given))
    assert told(made) == (
        "SourceMissing",
        "[platform] the pull secret cannot be delivered to the cluster: no",
    )


def test_another_source_is_delivered_before_it_is_used() -> None:
    """What is delivered now is the Secret that the spec named before."""
    before = first()
    observed = under_way(before)
    delivered = {"namespace": "team-a", "name": "hub", "key": "token", "uid": "u", "resourceVersion": "7"}
    ready = [{"type": t, "status": "True"} for t in ("Ready", "Synced")]
    observed[DELIVERY]["status"] = {"conditions": ready, "delivered": delivered, "observedGeneration": 1}
    observed[DELIVERY]["metadata"] = {**observed[DELIVERY]["metadata"], "generation": 1}
    same, made = after(before, observed)
    assert assemble(same, FUNCTION, made).ready[DELIVERY]
    other, made = after(before, observed, source={"huggingFace": {"tokenSecretRef": {"name": "other"}}})
    assert not assemble(other, FUNCTION, made).ready[DELIVERY]


def test_a_control_plane_without_the_agents_kind_is_told_and_nothing_fails() -> None:
    """Crossplane would apply nothing of the composite, were a kind composed that it does not know."""
    asked = replace(request(TOKEN, EU), kinds={KIND: False})
    made = compose(asked)
    assert told(made) == ("AgentMissing", f"[platform] nothing delivers {LABEL} to the cluster: {INSTALL}")
    assert DELIVERY not in assemble(asked, FUNCTION, made).manifests


def test_a_model_that_serves_goes_on_without_the_agent() -> None:
    """Its source is gone, or its cluster does not answer: the Secret in the cluster stays as it is."""
    before = first()
    observed = live(before)
    observed[DELIVERY]["status"] = {
        "conditions": [synced("SourceMissing", "Secret team-a/hub does not exist")]
    }
    asked, made = after(before, observed)
    desired = assemble(asked, FUNCTION, made)
    assert all(desired.ready.values())
    ready = desired.conditions["WeightsReady"]
    assert (ready.status.value, ready.reason) == ("True", "UpdateFailing")
    assert ready.text.startswith("[model] the provider cannot update the Hub token that")
    assert "Secret team-a/hub does not exist" in ready.text


# A Model that an older package has placed: an Object holds the Secret.


def old(policies: list[str] | None = None) -> dict[str, Any]:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hub-token", "namespace": "n"},
        "data": {"token": ""},
    }
    made = remote.kubernetes_object("qwen-hub-token", "crossplane-system", "eu-kubernetes", secret)
    made["spec"]["references"] = [{"patchesFrom": {"name": "hub"}, "toFieldPath": "data.token"}]
    if policies:
        made["spec"]["managementPolicies"] = policies
    return {**made, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def upgraded(before: Outcome, **delivery: Any) -> dict[str, Any]:
    observed = {n: m for n, m in live(before).items() if n not in (OWNER, DELIVERY)}
    return {**observed, OLD: old(), **delivery}


@pytest.mark.parametrize("serves", [True, False])
def test_an_old_object_stays_until_the_agent_has_delivered(serves: bool) -> None:
    before = first()
    observed = upgraded(before)
    if not serves:
        observed = {n: m for n, m in observed.items() if n not in (DOWNLOAD, "vllm/deployment")}
    asked, made = after(before, observed)
    assert stays(made, OLD)
    desired = assemble(asked, FUNCTION, made)
    assert desired.manifests[OLD]["spec"] == old()["spec"]
    # Then neither answered by the agent nor waited for.
    observed |= {OWNER: live(before)[OWNER], DELIVERY: {**live(before)[DELIVERY], "status": {}}}
    asked, made = after(before, observed)
    desired = assemble(asked, FUNCTION, made)
    assert stays(made, OLD)
    assert desired.ready[DELIVERY], "the Object holds the Secret"
    assert DOWNLOAD in desired.manifests


def test_an_old_object_leaves_the_secret_alone_before_it_goes() -> None:
    before = first()
    both = {OWNER: live(before)[OWNER], DELIVERY: live(before)[DELIVERY]}
    asked, made = after(before, upgraded(before, **both))
    assert OLD not in made.gone
    kept = assemble(asked, FUNCTION, made).manifests[OLD]["spec"]
    assert kept == {**old()["spec"], "managementPolicies": list(remote.NEVER_DELETE)}
    asked, made = after(before, upgraded(before, **both) | {OLD: old(list(remote.NEVER_DELETE))})
    assert OLD in made.gone
    assert OLD not in assemble(asked, FUNCTION, made).manifests


def test_an_old_object_goes_on_where_the_agents_kind_is_not_there() -> None:
    before = first()
    asked, made = after(before, upgraded(before), known=False)
    desired = assemble(asked, FUNCTION, made)
    assert stays(made, OLD)
    assert DELIVERY not in desired.manifests
    assert not desired.held
    assert made.notes == [f"{LABEL} still reaches the cluster by an Object that holds it: {INSTALL}"]


def test_an_old_object_goes_with_the_reference_to_the_token() -> None:
    before = first()
    asked = request(SPEC, EU, status=dict(before.status), observed=upgraded(before))
    assert OLD in compose(asked).gone
