"""What the gateway takes from clients: sizes, headers, odd paths, slow ones, many; engines are played, Envoys real.

A stream of two minutes begins before everything and ends after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.real import asking, gateways, pods
from tools.control_plane.api import Api
from tools.manifests import Manifest
from tools.node.gateway import HOST

BUSY, CALM = "team-a", "team-b"
"""Namespaces: of the Model that is loaded, and of the one that should not notice."""
_STREAM_SECONDS, _SLOW_SECONDS, _FLOOD_SECONDS = 120, 60, 20
_SLOW, _FLOOD = 1000, 200
"""Connections."""
_MEGABYTE = 1_000_000
_OWN = f"/{BUSY}/busy"
_ASK = f"POST {_OWN}/v1/completions HTTP/1.1"
_FORGED = "X-Freehold-Client: team-b.calm"
Answers = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def both(api: Api, gateway: Manifest) -> Iterator[list[Manifest]]:
    """Two Models of two teams, by the same gateway."""
    del gateway
    for team in (BUSY, CALM):
        pods.namespace(api, team)
    with gateways.played(api, (BUSY, "busy"), (CALM, "calm")) as claims:
        yield claims


@pytest.fixture(scope="module")
def busy(both: list[Manifest]) -> Manifest:
    """The Model that is called by many."""
    return both[0]


@pytest.fixture(scope="module")
def calm(both: list[Manifest]) -> Manifest:
    """The other one."""
    return both[1]


@pytest.fixture(scope="module")
def stream(api: Api, calm: Manifest) -> Iterator[Manifest]:
    """A pod that reads one stream of two minutes."""
    pod = gateways.load(calm, "long", _STREAM_SECONDS)
    gateways.begun(api, pod)
    yield pod
    pods.remove(api, pod)


def _get(path: str, key: str, *more: str) -> str:
    return "\r\n".join(
        [f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {key}", *more, "", ""]
    )


def _tries(key: str, others: str) -> dict[str, dict[str, Any]]:
    """Return requests by their names, as `programs/raw.py` takes them."""
    models, known = f"{_OWN}/v1/models", ("Host: " + HOST, f"Authorization: Bearer {key}")
    length = f"Content-Length: {_MEGABYTE}"

    def post(*lines: str) -> str:
        return "\r\n".join([_ASK, *known, *lines, "", ""])

    heads = {
        "as it should be": _get(models, key),
        "forged holder": _get(models, key, _FORGED),
        "forged holder, named by Connection": _get(models, key, _FORGED, "Connection: X-Freehold-Client"),
        "another's key, forged holder": _get(models, others, "X-Freehold-Client: team-a.busy"),
        "headers of 70 kB": _get(models, key, *(f"X-Long-{n}: {'x' * 7000}" for n in range(10))),
        "150 headers": _get(models, key, *(f"X-Many-{n}: x" for n in range(150))),
        "two lengths": post("Content-Length: 5", "Content-Length: 6") + "hello",
        "a length and chunks": post("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
        "another host": _get(models, key).replace(f"Host: {HOST}", "Host: example.com"),
        "path: backslash": _get(f"{_OWN}/v1\\..\\metrics", key),
        "path: encoded backslash": _get(f"{_OWN}/v1/..%5c..%5cmetrics", key),
        "path: encoded slash": _get(f"{_OWN}%2fv1/models", key),
        "path: encoded twice": _get(f"{_OWN}/v1/%252e%252e/metrics", key),
        "path: encoded NUL": _get(f"{models}%00", key),
        "path: case": _get(models.upper(), key),
        "path: trailing dot": _get(f"{models}.", key),
        "path: trailing dots": _get(f"{models}/..", key),
        "path: dot in the Model": _get(f"{_OWN}./v1/models", key),
        "path: absolute": _get(f"https://{HOST}/metrics", key),
        "path: asterisk": _get("*", key),
        "path: shared metrics": _get("/v1/../metrics", key),
        "path: another Model's way": _get(f"/{CALM}/calm/../../{BUSY}/busy/metrics", key),
    }
    tries: dict[str, dict[str, Any]] = {name: {"head": head} for name, head in heads.items()}
    tries["a megabyte"] = {"head": post(length), "size": _MEGABYTE}
    tries["a megabyte in chunks"] = {
        "head": post("Transfer-Encoding: chunked"),
        "size": _MEGABYTE,
        "chunked": True,
    }
    tries["too large"] = {"head": post(f"Content-Length: {11 * _MEGABYTE}"), "size": 11 * _MEGABYTE}
    tries["too large in chunks"] = {
        "head": post("Transfer-Encoding: chunked"),
        "size": 11 * _MEGABYTE,
        "chunked": True,
    }
    tries["another name in TLS"] = {"head": _get(models, key), "sni": "example.com"}
    return tries


@pytest.fixture(scope="module")
def answers(api: Api, busy: Manifest, calm: Manifest, stream: Manifest) -> Answers:
    """What a pod beside the Model is answered to each of the requests."""
    del stream
    own = gateways.key(api, busy)
    pod = asking.app(
        busy,
        gateways.program("raw"),
        HOST=HOST,
        CA="/endpoint/ca.crt",
        READY=f"{_OWN}/v1/models",
        KEY=own,
        TRIES=json.dumps(_tries(own, gateways.key(api, calm))),
    )
    found: dict[str, list[str]] = json.loads(pods.run(api, pod, 180))
    return {name: (status, body) for name, (status, body) in found.items()}


def _heard(answers: Answers, name: str) -> dict[str, Any]:
    status, body = answers[name]
    assert status == "200", (status, body)
    heard: dict[str, Any] = json.loads(body)
    return heard


def test_the_engine_hears_who_called_and_never_the_key(answers: Answers) -> None:
    for name in ("as it should be", "forged holder", "forged holder, named by Connection"):
        heard = _heard(answers, name)
        assert heard["line"] == "GET /v1/models HTTP/1.1"
        assert heard["headers"]["x-freehold-client"] == f"{BUSY}.busy", name
        assert "authorization" not in heard["headers"], name
    assert answers["another's key, forged holder"][0] == "401"


def test_a_megabyte_arrives_whole(answers: Answers) -> None:
    whole = hashlib.sha256(b"x" * _MEGABYTE).hexdigest()
    for name in ("a megabyte", "a megabyte in chunks"):
        heard = _heard(answers, name)
        assert (heard["bytes"], heard["sha256"]) == (_MEGABYTE, whole), name


def test_what_is_too_large_is_refused(answers: Answers) -> None:
    for name in ("too large", "too large in chunks"):
        assert answers[name][0] == "413", (name, answers[name])
    for name in ("headers of 70 kB", "150 headers"):
        assert answers[name][0] == "431", (name, answers[name])


def test_what_two_readers_may_understand_differently_is_refused(answers: Answers) -> None:
    for name in ("two lengths", "a length and chunks"):
        assert answers[name][0] == "400", (name, answers[name])
    assert answers["another host"][0] == "404"
    assert not answers["another name in TLS"][0].startswith("2"), answers["another name in TLS"]


def test_tricks_with_paths_find_nothing(answers: Answers) -> None:
    tricks = {name: status for name, (status, _) in answers.items() if name.startswith("path: ")}
    assert {name: status for name, status in tricks.items() if status not in ("400", "404")} == {}
    assert len(tricks) > 10


def _calm_meanwhile(api: Api, calm: Manifest, seconds: int) -> dict[str, Any]:
    """Return how the other team's Model answers, ten times a second."""
    pod = gateways.load(calm, "steady", seconds)
    gateways.begun(api, pod)
    return gateways.ended(api, pod, seconds + 60)


def test_a_thousand_slow_clients_delay_nobody(
    api: Api, busy: Manifest, calm: Manifest, stream: Manifest
) -> None:
    """Streams, uploads of a byte a second, and headers without an end, which alone are refused."""
    del stream
    before = _calm_meanwhile(api, calm, 5)
    slow = gateways.load(busy, "slow", _SLOW_SECONDS, _SLOW)
    gateways.begun(api, slow)
    during = _calm_meanwhile(api, calm, _SLOW_SECONDS // 2)
    came = gateways.ended(api, slow, _SLOW_SECONDS * 3)
    print(f"alone {before}\nbeside {_SLOW} slow clients {during}\nof which {came}")
    assert came.pop("at once") > _SLOW * 0.9
    assert came == {"stream: whole": _SLOW // 2, "upload: 200": _SLOW * 9 // 20, "dribble: 408": _SLOW // 20}
    assert set(during["statuses"]) == {"200"}
    assert during["p95"] < 1, "seconds"


def test_one_teams_flood_leaves_the_other_its_answers(
    api: Api, busy: Manifest, calm: Manifest, stream: Manifest
) -> None:
    del stream
    flood = gateways.load(busy, "flood", _FLOOD_SECONDS, _FLOOD)
    gateways.begun(api, flood)
    during = _calm_meanwhile(api, calm, _FLOOD_SECONDS // 2)
    came = gateways.ended(api, flood, _FLOOD_SECONDS * 3)
    print(f"beside a flood of {came}: {during}")
    assert sum(came.values()) > 1000
    assert set(during["statuses"]) == {"200"}
    assert during["p95"] < 2, "seconds"


def test_a_stream_of_two_minutes_is_whole(api: Api, stream: Manifest) -> None:
    """Through all of the above, and although its client asks Envoy by headers to cut it after a second."""
    came = gateways.ended(api, stream, _STREAM_SECONDS * 2)
    print(came)
    assert came["stream"] == "whole"
    assert came["seconds"] >= _STREAM_SECONDS
