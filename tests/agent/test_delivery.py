"""What a delivery may read, what is written for it and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.delivery import Carried, Undelivered, Version, is_owner, refuse_source, secret, status_of, value_of
from functions.api import SecretDeliveryStatus, Undeliverable
from tests.agent.deliveries import HOME, NAMESPACE, asked, base64_of

NOW, LATER = "2026-11-29T00:00:00Z", "2026-11-29T00:05:00Z"
MISSING = Undelivered(Undeliverable.SOURCE_MISSING, "Secret team-a/hub does not exist")
KEY = ".dockerconfigjson"


@pytest.mark.parametrize(
    ("source", "target", "labels"),
    [
        ({}, {}, {"crossplane.io/claim-namespace": "team-a"}),
        ({"namespace": NAMESPACE, "key": KEY}, {"key": KEY}, {"crossplane.io/claim-namespace": "team-a"}),
    ],
)
def test_what_is_the_claims_is_read(source: Any, target: Any, labels: Any) -> None:
    refuse_source(asked(source=source, target=target, labels=labels))


@pytest.mark.parametrize(
    ("source", "target", "labels", "whose"),
    [
        (
            {"namespace": "team-b"},
            {},
            {"crossplane.io/claim-namespace": "team-a"},
            "the claim is in namespace team-a",
        ),
        ({}, {}, {}, "it has no claim"),
        ({"namespace": ""}, {}, {"crossplane.io/claim-namespace": ""}, "it has no claim"),
        (
            {"namespace": NAMESPACE},
            {},
            {"crossplane.io/claim-namespace": "team-a"},
            "the claim is in namespace",
        ),
        ({"namespace": NAMESPACE, "key": "kubeconfig"}, {"key": KEY}, {}, "it has no claim"),
        ({"namespace": NAMESPACE, "key": KEY}, {"key": "token"}, {}, "it has no claim"),
    ],
)
def test_what_is_not_the_claims_is_not_even_read(source: Any, target: Any, labels: Any, whose: str) -> None:
    with pytest.raises(Undelivered, match=r"is not this delivery's to read") as refused:
        refuse_source(asked(source=source, target=target, labels=labels))
    assert refused.value.reason == "NotAllowed"
    assert whose in str(refused.value)


@pytest.mark.parametrize("data", [None, {}, {"other": "eA=="}, {"token": ""}, {"token": base64_of(" \n")}])
def test_a_key_without_a_value(data: Any) -> None:
    with pytest.raises(Undelivered) as missing:
        value_of(asked(), {"data": data})
    assert missing.value.reason == "KeyMissing"
    assert str(missing.value) == (
        "Secret team-a/hub has nothing under the key token: put the value there, or correct the reference"
    )


def test_the_secret_goes_with_its_owner() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "hub-token", "uid": "uid-7"}
    made = secret(asked(), "dmFsdWU=", owner)
    assert made["metadata"]["ownerReferences"] == [owner]
    assert (made["metadata"]["namespace"], made["type"], made["data"]) == (
        HOME,
        "Opaque",
        {"token": "dmFsdWU="},
    )


@pytest.mark.parametrize(
    "metadata", [{}, {"annotations": None}, {"annotations": {"agent.freehold.dev/delivery": "x"}}]
)
def test_a_config_map_of_another_delivery_owns_nothing(metadata: Any) -> None:
    assert not is_owner(asked(), {"metadata": metadata})


def test_a_status_says_what_was_delivered_and_never_the_value() -> None:
    status = status_of(asked(generation=3), Carried(Version("u", "7")), NOW)
    SecretDeliveryStatus.model_validate(status)
    assert status["observedGeneration"] == 3
    assert status["delivered"] == {
        "namespace": "team-a",
        "name": "hub",
        "key": "token",
        "uid": "u",
        "resourceVersion": "7",
    }
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("Ready", "True", "Delivered"),
        ("Synced", "True", "Delivered"),
    ]


def said(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_what_was_delivered_once_stays_ready() -> None:
    """The Secret is in its cluster, whatever becomes of its source."""
    first = status_of(asked(), MISSING, NOW)
    assert said(first) == {"Ready": ("False", "SourceMissing"), "Synced": ("False", "SourceMissing")}
    assert "delivered" not in first
    done = status_of(asked(status=first), Carried(Version("u", "7")), LATER)
    gone = status_of(asked(status=done), MISSING, LATER)
    assert said(gone) == {"Ready": ("True", "Delivered"), "Synced": ("False", "SourceMissing")}
    assert gone["conditions"][1]["message"] == "Secret team-a/hub does not exist"
    other = status_of(asked(status=gone, source={"name": "other"}), MISSING, LATER)
    assert said(other)["Ready"] == ("False", "SourceMissing")


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = status_of(asked(), MISSING, NOW)
    again = status_of(asked(status=first), Undelivered(Undeliverable.REFUSED, "no"), LATER)
    assert {c["lastTransitionTime"] for c in again["conditions"]} == {NOW}
    done = status_of(asked(status=again), Carried(Version("u", "7")), LATER)
    assert {c["lastTransitionTime"] for c in done["conditions"]} == {LATER}
