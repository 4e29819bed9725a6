"""Keys at the real gateway: clients that come and go, and a Model's own key that changes, each with its time.

Of the Model that answers in all modules, which gets another key of its own here. Times are printed: run it with `-s`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.people import member
from tests.e2e.real import asking, gateways, pods
from tools.control_plane.api import Api
from tools.control_plane.waiting import patience, wait_for
from tools.manifests import Manifest

TEAM = "team-a"
MOST_SECONDS = 5
WEB, NEXT, SHORT = "web-" * 8, "next" * 8, "short"
Last = Callable[[str], tuple[int, float]]
"""What was answered last to the holder of a key, and since when."""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def team(api: Api, chat: Manifest) -> Api:
    del chat
    return member(api, TEAM)


@pytest.fixture
def called(api: Api, team: Api, chat: Manifest) -> Iterator[Manifest]:
    """A Model that answers whoever has a key; at the end nobody but itself has one."""
    yield chat
    _let_in(team, chat, None)
    if api.find("v1", "Secret", "clients", TEAM):
        team.delete(secret())


@contextmanager
def asked(api: Api, claim: Manifest, keys: dict[str, str]) -> Iterator[Last]:
    """Have a pod ask with each key again and again; give what says how it is answered."""
    pod = asking.app(claim, gateways.program("clients"), "asking-with-keys", KEYS=json.dumps(keys))
    api.create(pod)

    def last(name: str) -> tuple[int, float]:
        if pods.phase(api, pod) != "Running":
            return 0, 0.0
        lines: list[dict[str, Any]] = [json.loads(line) for line in pods.log(api, pod).splitlines()]
        found = next((line for line in reversed(lines) if line["name"] == name), None)
        return (found["status"], found["at"]) if found else (0, 0.0)

    try:
        yield last
    finally:
        pods.remove(api, pod)


def after(last: Last, name: str, status: int, what: str, do: Callable[[], Any]) -> float:
    """Do something; return the seconds until the holder of a key is answered so, and print them."""
    began = time.time()
    do()
    wait_for(f"{status} for {name}", lambda: last(name)[0] == status, 60)
    seconds = last(name)[1] - began
    print(f"{what}: {status} for {name} after {seconds:.1f} s")
    return seconds


def secret(**keys: str) -> Manifest:
    data = {name: base64.b64encode(key.encode()).decode() for name, key in keys.items()}
    metadata = {"name": "clients", "namespace": TEAM}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def client(name: str) -> dict[str, Any]:
    return {"name": name, "secretRef": {"name": "clients", "key": name}}


def test_clients_come_and_go_within_seconds(api: Api, team: Api, called: Manifest) -> None:
    own = gateways.key(api, called)
    keys = {"own": own, "web": WEB, "next": NEXT, "short": SHORT}
    kept = team.create(secret(web=WEB, short=SHORT))
    clients = [client(name) for name in ("web", "short", "absent")]
    with asked(api, called, keys) as last:
        wait_for("the own key", lambda: last("own")[0] == 200, 60)
        assert [last(name)[0] for name in ("web", "next", "short")] == [401, 401, 401]
        since = last("own")[1]
        after(last, "web", 200, "named in the spec", lambda: _let_in(team, called, clients))
        assert last("short")[0] == 401, "a short key is taken by nobody"
        changed = {"data": secret(web=NEXT)["data"]}
        took = [
            after(last, "web", 401, "its key changed", lambda: team.patch(kept, changed)),
            after(last, "next", 200, "the new one", lambda: None),
            after(last, "next", 401, "its Secret deleted", lambda: team.delete(kept)),
        ]
        assert max(took) < MOST_SECONDS * patience()
        team.create(secret(web=WEB))
        wait_for("the client again", lambda: last("web")[0] == 200)
        gone = after(last, "web", 401, "taken out of the spec", lambda: _let_in(team, called, None))
        assert gone < MOST_SECONDS * patience()
        assert last("own") == (200, since), "the Model's own key was never refused"


def _let_in(team: Api, claim: Manifest, clients: list[dict[str, Any]] | None) -> None:
    team.patch(claim, {"spec": {"access": {"clients": clients}}})


def test_a_client_with_anothers_key_stops_nobody(api: Api, team: Api, called: Manifest) -> None:
    """One key twice has Envoy Gateway refuse everybody of a route."""
    own = gateways.key(api, called)
    team.create(secret(web=WEB, twice=WEB, mine=own))
    with asked(api, called, {"own": own, "web": WEB}) as last:
        wait_for("the own key", lambda: last("own")[0] == 200, 60)
        since = last("own")[1]
        clients = [client(name) for name in ("web", "twice", "mine")]
        after(last, "web", 200, "named beside two that are not taken", lambda: _let_in(team, called, clients))
        assert last("own") == (200, since)


def test_the_own_key_changes_without_a_gap(api: Api, team: Api, called: Manifest) -> None:
    before = gateways.key(api, called)
    with asked(api, called, {"before": before}) as last:
        wait_for("the own key", lambda: last("before")[0] == 200, 60)
        since = last("before")[1]
        began = time.monotonic()
        _rotate(team, called, {"rotation": 1})
        wait_for("another key beside the claim", lambda: gateways.key(api, called) != before, 60)
        print(f"asked for: another key beside the claim after {time.monotonic() - began:.1f} s")
        now = gateways.key(api, called)
        with_new = pods.run(api, asking.app(called, _ONCE, "asking-once", KEY=now), 60)
        assert with_new.strip() == "200"
        assert last("before") == (200, since), "both keys are taken"
        seconds = after(
            last, "before", 401, "the overlap ended", lambda: _rotate(team, called, {"overlapMinutes": 0})
        )
        assert seconds < MOST_SECONDS * patience()
        assert pods.run(api, asking.app(called, _ONCE, "asking-once", KEY=now), 60).strip() == "200"


_ONCE = """
import os, time, urllib.error, urllib.request
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/models", headers={"Authorization": "Bearer " + os.environ["KEY"]}
)
for _ in range(60):
    try:
        print(urllib.request.urlopen(request, timeout=30).status)
        break
    except urllib.error.HTTPError as error:
        print(error.code)
        break
    except urllib.error.URLError:
        # The agent of network policies hears of a new pod a moment after the pod has started.
        time.sleep(0.5)
"""


def _rotate(team: Api, claim: Manifest, key: dict[str, int]) -> None:
    team.patch(claim, {"spec": {"access": {"key": key}}})
