"""Keys of a Model's clients, over real HTTP: delivered, changed, taken back, and no client's mistake stops others."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from agent import deliverer as deliverer_module
from agent.deliverer import Deliverer
from agent.delivery import asked_of
from tests.agent.api_server import Answer, served
from tests.agent.deliveries import NAMESPACE, ControlPlane, GpuCluster, base64_of, delivery
from tests.agent.test_deliverer import World, quick, within_seconds, world
from tests.agent.test_keys import MADE, decoded, gpu, into_cluster

__all__ = ["quick"]

WEB, BATCH = "w" * 16, "batch-key-0123456789"
OWN = "team-a.chat"


def client(name: str, secret: str = "keys", key: str = "") -> dict[str, Any]:
    return {"name": name, "key": f"{OWN}_{name}", "secretRef": {"name": secret, "key": key or name}}


def asking(*clients: dict[str, Any], generation: int = 1, **more: Any) -> dict[str, Any]:
    made = into_cluster(generation=generation, **more)
    made["spec"]["clients"] = list(clients)
    return made


def plane(**keys: str) -> ControlPlane:
    return ControlPlane(secrets={"team-a/keys": (1, {name: base64_of(key) for name, key in keys.items()})})


def taken(now: World) -> dict[str, str]:
    """Return the clients' keys at the gateway, without the Model's own."""
    data = decoded(now.gpu.applied[-1].body["data"]) if now.gpu.applied else {}
    return {name: key for name, key in data.items() if name != OWN}


def clients(now: World) -> tuple[str, str, str]:
    conditions = now.plane.statuses.get("in", {}).get("conditions", [])
    found = next((c for c in conditions if c["type"] == "Clients"), None)
    return (found["status"], found["reason"], found["message"]) if found else ("", "", "")


def test_clients_are_delivered_and_follow_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with world(plane(web=WEB, batch=BATCH), gpu()) as now:
        now.has(asking(client("web"), client("batch")))
        within_seconds(lambda: taken(now) == {f"{OWN}_web": WEB, f"{OWN}_batch": BATCH})
        within_seconds(lambda: clients(now) == ("True", "Delivered", ""))
        own = decoded(now.plane.secrets[MADE][1])["key"]
        assert decoded(now.gpu.applied[-1].body["data"])[OWN] == own
        now.has(asking(client("web"), client("batch")))
        written, looks = len(now.gpu.applied), len(now.asked)
        within_seconds(lambda: len(now.asked) > looks + 8)
        assert len(now.gpu.applied) == written, "what has not changed is not written again"
        now.plane.secrets["team-a/keys"] = (2, {"web": base64_of("x" * 32), "batch": base64_of(BATCH)})
        within_seconds(lambda: taken(now) == {f"{OWN}_web": "x" * 32, f"{OWN}_batch": BATCH})
        assert not any(key in str(now.plane.statuses) for key in (WEB, BATCH, own))
    assert not any(form in caplog.text for key in (WEB, BATCH) for form in (key, base64_of(key)))


def test_a_client_that_is_taken_from_the_spec_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.deliverer._LOOK_SECONDS_OF_KEYS", 60.0)
    with world(plane(web=WEB, batch=BATCH), gpu()) as now:
        now.has(asking(client("web"), client("batch")))
        within_seconds(lambda: len(taken(now)) == 2)
        now.has(asking(client("batch"), generation=2))
        within_seconds(lambda: taken(now) == {f"{OWN}_batch": BATCH})
        now.has(into_cluster(generation=3))
        within_seconds(lambda: taken(now) == {})
        within_seconds(lambda: clients(now) == ("", "", ""))


def test_a_secret_that_is_deleted_takes_its_client_alone_and_brings_it_back() -> None:
    shared = plane(web=WEB)
    shared.secrets["team-a/other"] = (1, {"batch": base64_of(BATCH)})
    with world(shared, gpu()) as now:
        now.has(asking(client("web"), client("batch", "other")))
        within_seconds(lambda: len(taken(now)) == 2)
        gone = shared.secrets.pop("team-a/other")
        within_seconds(lambda: taken(now) == {f"{OWN}_web": WEB})
        within_seconds(
            lambda: (
                clients(now)
                == (
                    "False",
                    "LeftOut",
                    "1 of 2 clients have no access: batch (Secret team-a/other does not exist)",
                )
            )
        )
        assert now.said("in") == ("Delivered", ""), (
            "the Model's own key and the other client are as they were"
        )
        shared.secrets["team-a/other"] = gone
        within_seconds(lambda: len(taken(now)) == 2)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "Secret team-a/keys has nothing under the key bad"),
        ("short-of-16-char", ""),
        ("short-of-16-cha", "its key has fewer than 16 characters"),
        (
            "ends-with-a-line-end\n",
            "its key has characters other than printable ASCII, or blanks, such as the line's end: write it with "
            "printf",
        ),
        ("two words are two words", "its key has characters other than printable ASCII, or blanks"),
        ("umlauts-äöü-are-no-ascii", "its key has characters other than printable ASCII, or blanks"),
        ("k" * 1025, "its key has more than 1024 characters"),
        (WEB, "its key is that of client web"),
    ],
)
def test_a_key_that_is_not_taken_is_told_and_stops_nobody(key: str, why: str) -> None:
    with world(plane(web=WEB, bad=key, batch=BATCH), gpu()) as now:
        now.has(asking(client("web"), client("bad"), client("batch")))
        within_seconds(lambda: clients(now)[0] != "")
        others = {f"{OWN}_web": WEB, f"{OWN}_batch": BATCH}
        assert taken(now) == (others if why else {**others, f"{OWN}_bad": key})
        assert clients(now)[2] == (f"1 of 3 clients have no access: bad ({why})" if why else "")


def test_a_client_with_the_models_own_key_has_no_access() -> None:
    with world(plane(web=WEB), gpu()) as now:
        now.has(asking(client("web")))
        within_seconds(lambda: len(taken(now)) == 1)
        now.plane.secrets["team-a/keys"] = (2, {"web": now.plane.secrets[MADE][1]["key"]})
        within_seconds(lambda: taken(now) == {})
        within_seconds(lambda: clients(now)[2].endswith("web (its key is that of the Model itself)"))


def test_no_client_takes_anothers_name() -> None:
    """Such as by a function of somebody else's: the Model's own key stays at its place."""
    with world(plane(web=WEB, batch=BATCH), gpu()) as now:
        now.has(
            asking({**client("web"), "key": OWN}, client("batch"), {**client("batch", "x"), "name": "twice"})
        )
        within_seconds(lambda: clients(now)[0] == "False")
        assert decoded(now.gpu.applied[-1].body["data"]) == {
            OWN: decoded(now.plane.secrets[MADE][1])["key"],
            f"{OWN}_batch": BATCH,
        }


@pytest.mark.parametrize("name", ["../../team-b/secrets/keys", "%2e%2e/keys"])
def test_a_secret_of_another_namespace_is_not_even_asked_for(name: str) -> None:
    there = plane(web=WEB)
    there.secrets["team-b/keys"] = (1, {"batch": base64_of(BATCH)})
    with world(there, gpu()) as now:
        now.has(asking(client("web"), client("batch", name)))
        within_seconds(lambda: clients(now)[0] == "False")
        assert taken(now) == {f"{OWN}_web": WEB}
        assert not [request for request in now.asked if "team-b" in request.path]


def test_a_secret_that_the_agent_may_not_read_stops_nobody() -> None:
    there = plane(web=WEB)
    there.forbidden = "team-a/other"
    with world(there, gpu()) as now:
        now.has(asking(client("web"), client("batch", "other")))
        within_seconds(lambda: clients(now)[0] == "False")
        assert taken(now) == {f"{OWN}_web": WEB}
        assert "bind the ClusterRole freehold-agent-reads there" in clients(now)[2]


def test_a_control_plane_that_does_not_answer_takes_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    there = plane(web=WEB)
    with world(there, gpu()) as now:
        now.has(asking(client("web")))
        within_seconds(lambda: len(taken(now)) == 1)
        answer = there._secret
        monkeypatch.setattr(
            there,
            "_secret",
            lambda name, *more: Answer(500, {"message": "etcd"}) if name == "keys" else answer(name, *more),
        )
        within_seconds(lambda: now.said("in")[0] == "NotReadable")
        assert taken(now) == {f"{OWN}_web": WEB}
        assert clients(now) == ("True", "Delivered", "")


def test_a_cluster_that_refuses_the_keys_leaves_what_was_said_of_clients() -> None:
    there = GpuCluster(owners={"api-key": "in"}, refuses=Answer(403, {"message": "no"}))
    with world(plane(web=WEB), there) as now:
        now.has(asking(client("web")))
        within_seconds(lambda: now.said("in")[0] == "Refused")
        assert clients(now)[:2] == ("False", "Refused")
        there.refuses = None
        within_seconds(lambda: clients(now)[0] == "True")


@pytest.mark.parametrize(("models", "seconds"), [(1, 3.0), (75, 3.0), (100, 4.0), (1000, 40.0)])
def test_many_keys_are_looked_at_more_seldom(
    models: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty looks a second, whatever there is: a Model with a client has two Secrets."""
    monkeypatch.setattr("agent.deliverer._LOOK_SECONDS_OF_KEYS", 3.0)
    with served(lambda _: Answer(404, {})) as (cluster, _):
        deliverer = Deliverer(cluster, NAMESPACE)
        for number in range(models):
            made = asking(client("web"))
            made["metadata"] |= {"name": f"in-{number}", "uid": f"{number}"}
            deliverer.deliveries.change(made, gone=False)
        deliverer._due()
        assert deliverer._pause(asked_of(asking(client("web")))) == seconds
        assert deliverer._pause(asked_of(delivery())) == deliverer_module._LOOK_SECONDS
