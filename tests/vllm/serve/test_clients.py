"""Who may call a Model beside those with its own key: clients with keys of theirs, and pods of other namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import SecretDelivery, contract
from functions.base import Invalid
from functions.vllm.compose import compose
from tests.vllm.serve.test_route import (
    GATED,
    HANDED_OUT,
    KEY,
    SECURITY,
    again,
    callers,
    desired,
    inner,
    served,
)
from tests.vllm.world import EU, SPEC, manifests, request

CLIENTS = [
    {"name": "batch", "secretRef": {"name": "keys", "key": "batch"}},
    {"name": "web-app", "secretRef": {"name": "web"}},
]
FORMER = "team-a.qwen__former"
IDS = ["team-a.qwen", "team-a.qwen_batch", "team-a.qwen_web-app"]


def test_clients_have_keys_of_their_own_beside_the_models() -> None:
    made = manifests(compose(request({**SPEC, "access": {"clients": CLIENTS}}, GATED)))
    delivery = SecretDelivery.model_validate(made[KEY]["spec"])
    assert [delivery.target.key, *(client.key for client in delivery.clients)] == IDS
    assert [(c.secret_ref.name, c.secret_ref.key) for c in delivery.clients] == [
        ("keys", "batch"),
        ("web", "key"),
    ]
    [rule] = inner(made[SECURITY])["spec"]["authorization"]["rules"]
    assert rule["principal"]["headers"][0]["values"] == [
        IDS[0],
        FORMER,
        *IDS[1:],
        # With one key for several Models of the namespace, at the address that they share.
        "team-a_batch",
        "team-a_web-app",
    ]
    assert "clients" not in made[HANDED_OUT]["spec"]
    assert "clients" not in manifests(compose(request(SPEC, GATED)))[KEY]["spec"]


def test_no_client_of_one_model_has_the_id_of_another_model() -> None:
    """A claim's name may have dots and dashes, and a client's name dashes: neither has what parts them."""
    ids = set()
    for name in ("chat", "chat-web", "chat.web", "chat.web-app"):
        for client in ("web", "app", "web-app"):
            access = {"clients": [{"name": client, "secretRef": {"name": "keys"}}]}
            made = manifests(compose(request({**SPEC, "access": access}, GATED, name=name)))
            ids.add(made[KEY]["spec"]["clients"][0]["key"])
            ids.add(made[KEY]["spec"]["target"]["key"])
            ids.add(made[KEY]["spec"]["rotation"]["key"])
    assert len(ids) == 4 * (3 + 2)


def test_the_models_own_key_changes_as_the_spec_asks() -> None:
    made = manifests(compose(request(SPEC, GATED)))
    assert made[KEY]["spec"]["rotation"] == {"number": 0, "overlapMinutes": 60, "key": FORMER}
    asked = {"access": {"key": {"rotation": 4, "overlapMinutes": 0}}}
    made = manifests(compose(request({**SPEC, **asked}, GATED)))
    for name in (KEY, HANDED_OUT):
        assert made[name]["spec"]["rotation"] == {"number": 4, "overlapMinutes": 0, "key": FORMER}


@pytest.mark.parametrize("name", ["a_b", "Web", "a.b", "-a", "", "a" * 41])
def test_a_client_with_another_name_is_refused(name: str) -> None:
    access = {"clients": [{"name": name, "secretRef": {"name": "keys"}}]}
    with pytest.raises(Invalid, match=r"access\.clients"):
        compose(request({**SPEC, "access": access}, GATED))


def test_a_client_that_is_named_twice_is_refused() -> None:
    with pytest.raises(Invalid, match=r"access\.clients names batch more than once"):
        compose(request({**SPEC, "access": {"clients": [CLIENTS[0], CLIENTS[0]]}}, GATED))


def test_a_client_that_is_left_out_is_told_and_the_model_serves() -> None:
    access = {"clients": CLIENTS}
    before, observed = served(GATED, access=access)
    words = "1 of 2 clients have no access: batch (Secret team-a/keys does not exist)"
    observed[KEY] = _told(observed[KEY], {"status": "False", "reason": "LeftOut", "message": words})
    made = again(before, observed, access=access)
    assert list(made.notes) == [f"spec.access.clients: {words}"]
    assert desired(before, observed, access=access).conditions["Serving"].status.value == "True"
    observed[KEY]["status"]["observedGeneration"] = 1
    assert list(again(before, observed, access=access).notes) == [], "it says nothing of these clients yet"
    observed[KEY] = _told(observed[KEY], {"status": "True"})
    assert list(again(before, observed, access=access).notes) == []


def _told(delivery: dict[str, Any], clients: dict[str, str]) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Clients", **clients}]
    return {
        **delivery,
        "metadata": {**delivery["metadata"], "generation": 2},
        "status": {"observedGeneration": 2, "conditions": conditions},
    }


def test_clients_without_a_gateway_or_an_agent_that_knows_them_are_told() -> None:
    access = {"clients": CLIENTS}
    assert "the Model's cluster has no gateway" in " ".join(
        compose(request({**SPEC, "access": access}, EU)).notes
    )
    before, observed = served(GATED, access=access)
    # A control plane with an older install.yaml drops what it does not know.
    spec = {key: value for key, value in observed[KEY]["spec"].items() if key != "clients"}
    made = again(before, {**observed, KEY: {**observed[KEY], "spec": spec}}, access=access)
    assert "apply package/install.yaml of this version" in " ".join(made.notes)


def test_other_namespaces_call_only_where_the_claim_lists_them() -> None:
    access: dict[str, Any] = {"namespaces": ["jobs", "team-b"]}
    assert callers(compose(request({**SPEC, "access": access}, GATED))) == [
        "jobs",
        "team-b",
        contract.GATEWAY_NAMESPACE,
    ]
    both = {"namespaces": ["team-a", "jobs"], "inCluster": True}
    assert callers(compose(request({**SPEC, "access": both}, GATED))) == [
        "team-a",
        "jobs",
        contract.GATEWAY_NAMESPACE,
    ]
    assert callers(compose(request({**SPEC, "access": access}, EU))) == ["team-a", "jobs", "team-b"]
    with pytest.raises(Invalid, match="name each namespace"):
        compose(request({**SPEC, "access": {"namespaces": ["team-*"]}}, GATED))
