"""Keys of all Models in one Secret: nobody impersonates another tenant, or keeps one out."""

from __future__ import annotations

from base64 import b64encode

import pytest

from agent.keys_of_all import KeysOf, Merged, merged

A, B, C = ("a" * 20, "b" * 20, "c" * 20)


def model(model_: str, **keys: str) -> KeysOf:
    """Return a Model's keys; `own` is the Model's, another name a client's."""
    namespace, _, name = model_.partition("/")
    own = f"{namespace}.{name}"
    ids = {own if client == "own" else f"{own}_{client}": key for client, key in keys.items()}
    return raw(model_, **ids)


def raw(model_: str, **ids: str) -> KeysOf:
    namespace, _, name = model_.partition("/")
    return KeysOf(namespace, name, {id_: b64encode(key.encode()).decode() for id_, key in ids.items()})


def ids(found: Merged) -> dict[str, list[str]]:
    assert found.data.keys() == found.models.keys()
    return found.models


def test_each_key_lets_into_the_models_that_have_it() -> None:
    found = merged([model("team-a/chat", own=A, app=B), model("team-b/chat", own=C)])
    assert ids(found) == {
        "team-a.chat": ["team-a/chat"],
        "team-a.chat_app": ["team-a/chat"],
        "team-b.chat": ["team-b/chat"],
    }
    assert found.left_out == []
    assert found.data["team-b.chat"] == b64encode(C.encode()).decode()


def test_a_client_with_one_key_for_several_models_of_its_namespace_has_one_id() -> None:
    # Proves: Envoy knows one client by a key, and the policies of all these Models name it.
    found = merged([model("team-a/chat", app=A, other=B), model("team-a/embed", app=A)])
    assert ids(found) == {"team-a_app": ["team-a/chat", "team-a/embed"], "team-a.chat_other": ["team-a/chat"]}
    assert found.left_out == []


def test_a_client_may_have_a_key_for_each_model() -> None:
    found = merged([model("team-a/chat", app=A), model("team-a/embed", app=B)])
    assert ids(found) == {"team-a.chat_app": ["team-a/chat"], "team-a.embed_app": ["team-a/embed"]}


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([model("team-b/chat", own=A)], id="another-tenants-model"),
        pytest.param([model("team-b/chat", app=A)], id="another-tenants-client-of-that-name"),
        pytest.param([model("team-a/embed", own=A)], id="two-models"),
        pytest.param([model("team-a/embed", other=A)], id="another-name"),
    ],
)
def test_a_key_that_two_have_counts_for_neither(others: list[KeysOf]) -> None:
    # Proves: nobody is taken for somebody else; who has another key goes on.
    found = merged([model("team-a/chat", app=A, own=B), *others, model("team-c/chat", own=C)])
    assert ids(found) == {"team-a.chat": ["team-a/chat"], "team-c.chat": ["team-c/chat"]}
    assert len(found.left_out) == 2
    assert all("has the key of another client" in words for words in found.left_out)
    assert A not in str(found.left_out)


@pytest.mark.parametrize(
    ("id_", "key", "why"),
    [
        ("team-b.chat", A, "is no client id of this Model"),
        ("team-a.chat2", A, "is no client id of this Model"),
        ("team-a.chat_", A, "is no client id of this Model"),
        ("team-a.chat_x_y", A, "is no client id of this Model"),
        ("team-a_app", A, "is no client id of this Model"),
        ("nobody", A, "is no client id of this Model"),
        ("team-a.chat", "", "fewer than 16"),
        ("team-a.chat", "short", "fewer than 16"),
        ("team-a.chat", "x" * 1025, "more than 1024"),
        ("team-a.chat", "with a blank inside of it", "printable"),
        ("team-a.chat", f"{A}\n", "printable"),
        ("team-a.chat", "ä" * 20, "printable"),
    ],
)
def test_what_is_no_key_of_the_model_is_left_out(id_: str, key: str, why: str) -> None:
    found = merged([raw("team-a/chat", **{id_: key}), model("team-b/chat", own=C)])
    assert ids(found) == {"team-b.chat": ["team-b/chat"]}
    [words] = found.left_out
    assert f"{id_} of team-a/chat" in words
    assert why in words


def test_what_is_no_base64_is_no_key() -> None:
    assert merged([KeysOf("team-a", "chat", {"team-a.chat": "%%%"})]).data == {}


def test_a_model_that_moves_has_its_keys_twice() -> None:
    both = model("team-a/chat", own=A, app=B)
    assert ids(merged([both, both])) == {"team-a.chat": ["team-a/chat"], "team-a.chat_app": ["team-a/chat"]}


def test_the_key_of_before_lets_in_until_it_goes() -> None:
    found = merged([raw("team-a/chat", **{"team-a.chat": A, "team-a.chat__former": B})])
    assert ids(found) == {"team-a.chat": ["team-a/chat"], "team-a.chat__former": ["team-a/chat"]}


def test_one_name_with_two_keys_of_several_models_each() -> None:
    pairs = [model(f"team-a/m{i}", app=A if i < 2 else B) for i in range(4)]
    found = merged([*pairs, model("team-b/chat", own=C)])
    assert ids(found) == {"team-a_app": ["team-a/m0", "team-a/m1"], "team-b.chat": ["team-b/chat"]}
    assert len(found.left_out) == 2


def test_it_is_bounded() -> None:
    many = [model(f"team-a/m{i:04}", own=f"{i:04}" * 250) for i in range(1000)]
    found = merged(many)
    assert 600 < len(found.data) < 720
    assert len(found.left_out) == 1000 - len(found.data)
