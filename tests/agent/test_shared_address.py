"""The shared address: the Secret follows the Models' keys within seconds, and a client sees its own Models."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest

from agent import shared_address
from agent.asking import Question
from agent.shared_address import SharedAddress, answering
from functions.api import contract
from tests.agent.api_server import Answer, Asked, served

KEYS = f"/api/v1/namespaces/{contract.GATEWAY_NAMESPACE}/secrets/{contract.GATEWAY_KEYS}"
AT = "2026-11-29T10:00:00Z"


def labelled(name: str, label: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {contract.MODEL: label}}}


def route(namespace: str, model: str) -> dict[str, Any]:
    header = {"name": contract.GATEWAY_MODEL, "value": model}
    rules = [{"matches": [{"path": {"value": "/x"}}]}, {"matches": [{"headers": [header]}]}]
    return {
        "metadata": {"name": "vllm", "namespace": namespace, "creationTimestamp": AT},
        "spec": {"rules": rules},
    }


def keys(namespace: str, **data: str) -> dict[str, Any]:
    encoded = {id_: b64encode(key.encode()).decode() for id_, key in data.items()}
    return {"metadata": {"name": contract.MODEL_KEYS, "namespace": namespace}, "data": encoded}


class World:
    """What stands in the cluster, and what is written there."""

    def __init__(self) -> None:
        self.found: dict[str, list[dict[str, Any]]] = {
            shared_address.NAMESPACES: [labelled("chat-1", "chat-1"), labelled("embed-1", "embed-1")],
            shared_address.ROUTES: [route("chat-1", "team-a/chat"), route("embed-1", "team-b/embed")],
            shared_address.SECRETS: [
                keys("chat-1", **{"team-a.chat": "a" * 20}),
                keys("embed-1", **{"team-b.embed": "b" * 20}),
            ],
        }
        self.events: list[dict[str, Any]] = []
        self.lists_secrets = threading.Event()
        self.lists_secrets.set()
        self.written: list[dict[str, str]] = []
        self.refuses = False

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "PATCH":
            if self.refuses:
                return Answer(403, {"message": "no"})
            assert asked.path == KEYS
            self.written.append(asked.body["data"])
            return Answer(200, {})
        if asked.path == shared_address.SECRETS:
            # RBAC takes nothing else for a look at Secrets of one name.
            assert asked.query["fieldSelector"] == "metadata.name=freehold-keys"
            if not self.lists_secrets.is_set():
                return Answer(503, {"message": "later"})
        else:
            assert asked.query["labelSelector"] == contract.MODEL
        if "watch" in asked.query:
            time.sleep(0.05)
            if asked.path == shared_address.SECRETS:
                events, self.events = self.events, []
                return Answer(200, events)
            return Answer(200, [])
        listed = {"items": self.found[asked.path], "metadata": {"resourceVersion": "1"}}
        return Answer(200, listed)

    def ids(self) -> list[str]:
        return sorted(self.written[-1]) if self.written else []

    def change(self, secret: dict[str, Any], *, gone: bool = False) -> None:
        self.events.append({"type": "DELETED" if gone else "MODIFIED", "object": secret})


@contextmanager
def running(world: World) -> Iterator[SharedAddress]:
    stop = threading.Event()
    with served(world.answer) as (cluster, _):
        shared = SharedAddress(cluster)
        thread = threading.Thread(target=shared.run, args=[stop], daemon=True)
        thread.start()
        try:
            yield shared
        finally:
            stop.set()
            shared.namespaces.replace([])  # wakes it
            thread.join(20)


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


BOTH = ["nobody", "team-a.chat", "team-b.embed"]


def test_the_keys_of_all_models_and_one_of_nobody() -> None:
    world = World()
    with running(world):
        assert within(20, lambda: world.ids() == BOTH)
    # Proves: it is never empty, and what nobody has cannot be guessed.
    assert len(b64decode(world.written[-1]["nobody"])) >= 32
    assert len({each["nobody"] for each in world.written}) == 1


def test_nothing_is_written_before_all_is_known() -> None:
    # Proves: an agent that starts locks nobody out.
    world = World()
    world.lists_secrets.clear()
    with running(world) as shared:
        time.sleep(0.6)
        assert world.written == []
        assert shared.models("team-a.chat") is None
        world.lists_secrets.set()
        assert within(20, lambda: world.ids() == BOTH)


def test_a_key_that_is_taken_back_is_gone_within_seconds() -> None:
    world = World()
    with running(world) as shared:
        assert within(20, lambda: world.ids() == BOTH)
        began = time.monotonic()
        world.change(world.found[shared_address.SECRETS][0], gone=True)
        assert within(5, lambda: world.ids() == ["nobody", "team-b.embed"])
        print(f"gone after {time.monotonic() - began:.1f} s")
        assert shared.models("team-a.chat") == []


def test_a_secret_of_a_namespace_that_is_no_models_counts_for_nothing() -> None:
    """Whoever may write a Secret and a route somewhere is not thereby another tenant's Model."""
    world = World()
    for namespace, label in (("stranger", "chat-1"), ("unlabelled", "")):
        world.found[shared_address.NAMESPACES].append(labelled(namespace, label))
        world.found[shared_address.ROUTES].append(route(namespace, "team-a/chat"))
        world.found[shared_address.SECRETS].append(keys(namespace, **{"team-a.chat": "s" * 20}))
    with running(world):
        assert within(20, lambda: world.ids() == BOTH)
    assert b64decode(world.written[-1]["team-a.chat"]) == b"a" * 20


def test_a_model_without_a_route_has_no_place_there() -> None:
    world = World()
    world.found[shared_address.ROUTES].pop()
    with running(world):
        assert within(20, lambda: world.ids() == ["nobody", "team-a.chat"])


def test_it_goes_on_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_address, "_AGAIN_SECONDS", 0.1)
    world = World()
    world.refuses = True
    with running(world):
        time.sleep(0.5)
        world.refuses = False
        assert within(20, lambda: world.ids() == BOTH)


@contextmanager
def listing(shared: SharedAddress) -> Iterator[Callable[..., tuple[int, Any]]]:
    server = answering("127.0.0.1:0", shared)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path: str, **headers: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        status, body = answer.status, json.loads(answer.read())
        connection.close()
        return status, body

    try:
        yield ask
    finally:
        server.shutdown()
        server.server_close()


def test_a_client_is_told_its_own_models() -> None:
    world = World()
    with running(world) as shared, listing(shared) as ask:
        assert within(20, lambda: world.ids() == BOTH)
        status, body = ask("/v1/models", x_freehold_client="team-a.chat")
        assert status == 200
        [model] = body["data"]
        assert body["object"] == "list"
        assert model == {"id": "team-a/chat", "object": "model", "created": 1795946400, "owned_by": "team-a"}
        for nobody in ("", "nobody", "team-c.chat", "team-a"):
            assert ask("/v1/models", x_freehold_client=nobody) == (200, {"object": "list", "data": []})
        assert ask("/v1/models") == (200, {"object": "list", "data": []})
        assert ask("/metrics", x_freehold_client="team-a.chat")[0] == 404


def test_before_it_knows_the_models_it_says_so() -> None:
    with served(lambda _: Answer(503, {})) as (cluster, _), listing(SharedAddress(cluster)) as ask:
        assert ask("/v1/models", x_freehold_client="team-a.chat")[0] == 503


def test_how_a_model_is_asked_with_its_own_key() -> None:
    """By the route's own words; a Model without a key, or without such a path, is not asked."""
    with served(lambda _: Answer(503, {})) as (cluster, _):
        shared = SharedAddress(cluster)
    shared.namespaces.replace([labelled(name, name) for name in ("chat-1", "embed-1", "old-1")])
    asked, old = route("chat-1", "team-a/chat"), route("old-1", "team-a/old")
    own = {"method": "GET", "path": {"type": "Exact", "value": "/team-a/chat/v1/models"}}
    asked["spec"] |= {"hostnames": ["models.example.org"]}
    asked["spec"]["rules"].append({"matches": [own]})
    shared.routes.replace([asked, route("embed-1", "team-b/embed"), old])
    shared.secrets.replace([keys("chat-1", **{"team-a.chat": "a" * 20, "team-a.chat_web": "w" * 20})])
    assert shared.questions() == {
        "chat-1": Question("models.example.org", "/team-a/chat/v1/models", "a" * 20)
    }
    shared.secrets.replace([keys("chat-1", **{"team-a.chat": ""})])
    assert shared.questions() == {}
