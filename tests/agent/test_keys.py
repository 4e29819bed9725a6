"""Keys that the agent makes, over real HTTP: made once, carried to the cluster and beside the claim, never seen."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.delivery import Undelivered, handed_over, refuse_source, secret
from agent.made import made_secret, refuse_made
from functions.api import SecretDelivery
from tests.agent.api_server import Answer
from tests.agent.deliveries import (
    COMPOSITE,
    HOME,
    NAMESPACE,
    ControlPlane,
    GpuCluster,
    asked,
    base64_of,
    delivery,
)
from tests.agent.test_deliverer import quick, within_seconds, world

__all__ = ["quick"]

MADE, BESIDE = f"{NAMESPACE}/chat-x1-key", "team-a/chat-endpoint"
OWNER = {key: COMPOSITE[key] for key in ("apiVersion", "kind", "name", "uid")}
SOURCE = {"namespace": NAMESPACE, "name": "chat-x1-key", "key": "key"}
TEXTS = {"OPENAI_BASE_URL": "https://models.example.org/team-a/chat/v1", "OPENAI_MODEL": "Qwen/Qwen3-8B"}


def into_cluster(**more: Any) -> dict[str, Any]:
    target = {"name": "api-key", "key": "team-a.chat"}
    return delivery("in", made=True, source=SOURCE, target=target, **more)


def beside_claim(**more: Any) -> dict[str, Any]:
    target = {
        "namespace": "team-a",
        "name": "chat-endpoint",
        "key": "OPENAI_API_KEY",
        "texts": TEXTS,
        **more.pop("target", {}),
    }
    return delivery("beside", made=True, source=SOURCE, target=target, cluster="", **more)


def plane(**more: Any) -> ControlPlane:
    return ControlPlane(secrets=more.pop("secrets", {}), **more)


def gpu() -> GpuCluster:
    return GpuCluster(owners={"api-key": "in"})


def decoded(data: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_a_key_is_made_once_and_is_the_same_at_both_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with world(plane(), gpu()) as now:
        now.has(into_cluster(), beside_claim())
        within_seconds(lambda: now.said("in")[0] == now.said("beside")[0] == "Delivered")
        key = decoded(now.plane.secrets[MADE][1])["key"]
        assert len(base64.urlsafe_b64decode(key + "=")) == 32
        assert now.gpu.applied[0].path == f"/api/v1/namespaces/{HOME}/secrets/api-key"
        assert decoded(now.gpu.applied[0].body["data"]) == {"team-a.chat": key}
        assert decoded(now.plane.secrets[BESIDE][1]) == {**TEXTS, "OPENAI_API_KEY": key}
        assert now.plane.owners[MADE] == now.plane.owners[BESIDE] == [OWNER]
        looks = len(now.asked)
        within_seconds(lambda: len(now.asked) > looks + 8)
        assert now.plane.secrets[MADE][0] == 1, "it is never overwritten"
        assert not any(key in str(status) for status in now.plane.statuses.values())
    assert key not in caplog.text
    assert base64_of(key) not in caplog.text


def test_a_key_that_is_deleted_is_made_anew_and_delivered() -> None:
    with world(plane(), gpu()) as now:
        now.has(into_cluster())
        within_seconds(lambda: len(now.gpu.applied) == 1)
        before = decoded(now.plane.secrets[MADE][1])["key"]
        now.plane.secrets[MADE] = (2, now.plane.secrets[MADE][1])
        within_seconds(lambda: len(now.gpu.applied) == 2)
        assert now.gpu.applied[1].body["data"] == now.gpu.applied[0].body["data"]
        del now.plane.secrets[MADE]
        now.plane.owners.clear()
        within_seconds(lambda: MADE in now.plane.secrets)
        assert decoded(now.plane.secrets[MADE][1])["key"] != before


@pytest.mark.parametrize("content", [{}, {"key": ""}, {"key": base64_of(" ")}])
def test_an_empty_key_reaches_nobody(content: dict[str, str]) -> None:
    emptied = plane(secrets={MADE: (3, content)}, owners={MADE: [COMPOSITE]})
    with world(emptied, gpu()) as now:
        now.has(into_cluster(), beside_claim())
        within_seconds(lambda: now.said("in")[0] == now.said("beside")[0] == "KeyMissing")
        assert now.gpu.applied == []
        assert BESIDE not in now.plane.secrets


def test_a_secret_that_was_not_made_for_the_model_is_not_delivered() -> None:
    """Such as the kubeconfig of a cluster, of which a delivery has the name."""
    other = [{**COMPOSITE, "uid": "another"}]
    with world(plane(secrets={MADE: (1, {"key": base64_of("x")})}, owners={MADE: other}), gpu()) as now:
        now.has(into_cluster())
        within_seconds(lambda: now.said("in")[0] == "NotAllowed")
        assert "was not made for this claim" in now.said("in")[1]
        assert now.gpu.applied == []


def test_an_agent_that_may_make_nothing_is_told() -> None:
    with world(plane(unmade=Answer(403, {"message": "forbidden"})), gpu()) as now:
        now.has(into_cluster())
        within_seconds(lambda: now.said("in")[0] == "NotReadable")
        assert now.said("in")[1] == (
            f"the agent may not make Secret {MADE} (403): apply package/install.yaml of this version to the "
            "control plane"
        )


def test_a_composed_secret_is_taken_over_before_it_gets_a_key() -> None:
    """Crossplane composes it at first, then no more; the Secret is there all the time."""
    old = {key: base64_of(text) for key, text in TEXTS.items()}
    before = plane(secrets={BESIDE: (7, old)}, owners={BESIDE: [COMPOSITE]})
    with world(before, gpu()) as now:
        now.has(beside_claim())
        within_seconds(lambda: now.said("beside")[0] == "StillComposed")
        assert now.plane.owners[BESIDE] == [COMPOSITE], "it is not asked for yet"
        now.has(beside_claim(target={"composed": True}, generation=2))
        within_seconds(lambda: now.plane.owners[BESIDE] != [COMPOSITE])
        looks = len(now.asked)
        within_seconds(lambda: len(now.asked) > looks + 8)
        assert now.plane.secrets[BESIDE] == (8, old), "Crossplane may still read it"
        assert now.plane.owners[BESIDE] == [OWNER]
        now.has(beside_claim(generation=3))
        within_seconds(lambda: now.said("beside")[0] == "Delivered")
        assert set(now.plane.secrets[BESIDE][1]) == {*TEXTS, "OPENAI_API_KEY"}


def test_a_secret_that_is_to_be_handed_over_and_is_gone_gets_no_key() -> None:
    with world(plane(), gpu()) as now:
        now.has(beside_claim(target={"composed": True}))
        within_seconds(lambda: now.said("beside")[0] == "StillComposed")
        assert BESIDE not in now.plane.secrets


@pytest.mark.parametrize(
    "wrong",
    [
        into_cluster(labels={}),
        into_cluster(owners=[]),
        into_cluster() | {"spec": {**into_cluster()["spec"], "source": {**SOURCE, "namespace": "team-a"}}},
        beside_claim(target={"namespace": "team-b"}),
        beside_claim(target={"namespace": NAMESPACE}),
        beside_claim(labels={}),
        beside_claim(owners=[]),
    ],
)
def test_what_no_claim_has_asked_for_is_not_made_or_written(wrong: dict[str, Any]) -> None:
    with world(plane(), gpu()) as now:
        now.has(wrong)
        within_seconds(lambda: now.said(wrong["metadata"]["name"])[0] == "NotAllowed")
        assert not [request for request in now.asked if "/secrets" in request.path]


def test_every_key_is_another() -> None:
    of = asked(made=True, source=SOURCE)
    keys = {made_secret(of, datetime.now(UTC))["data"]["key"] for _ in range(100)}
    assert len(keys) == 100


def test_a_made_source_is_the_deliverys_own() -> None:
    of = asked(made=True, source=SOURCE)
    refuse_source(of)
    refuse_made(of, made_secret(of, datetime.now(UTC))["metadata"])
    with pytest.raises(Undelivered):
        refuse_made(of, {"ownerReferences": []})


def test_what_is_handed_over_is_the_version_that_was_seen() -> None:
    patch = handed_over({"resourceVersion": "7"}, asked().owner)
    assert patch["metadata"]["resourceVersion"] == "7"


def test_texts_never_take_the_place_of_the_value() -> None:
    of = asked(target={"texts": {"token": "empty"}})
    assert secret(of, base64_of("value"), of.owner)["data"] == {"token": base64_of("value")}


def test_a_delivery_of_an_older_package_means_what_it_meant() -> None:
    spec = SecretDelivery.model_validate(delivery()["spec"])
    assert (spec.made, spec.target.composed, spec.target.texts) == (False, False, {})
