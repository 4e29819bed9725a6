"""Following objects: pages, changes, what the API server has forgotten, refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from agent.cluster import PODS, Cluster
from agent.known import Known
from agent.watching import Watching
from tests.agent.api_server import Answer, Asked, served


def named(name: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}


def page(*names: str, version: int, more: str = "") -> Answer:
    return Answer(
        200,
        {"items": [named(n) for n in names], "metadata": {"resourceVersion": str(version), "continue": more}},
    )


def follow(cluster: Cluster, until: Callable[[], bool], known: Known[Any]) -> Watching:
    """Follow pods until something holds."""
    stop, watching = threading.Event(), Watching(cluster, PODS, {"labelSelector": "x"}, known)
    thread = threading.Thread(target=watching.run, args=[stop])
    thread.start()
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    return watching


def watched_from(asked: list[Asked]) -> list[str]:
    return [request.query["resourceVersion"] for request in asked if "watch" in request.query]


def test_pages_changes_and_a_forgotten_version() -> None:
    touched: list[str] = []
    gone: list[str] = []
    known = Known[str](
        lambda o: str(o["metadata"]["name"]),
        touched.append,
        lambda namespace, kept: gone.append(f"{namespace}/{kept}"),
    )
    lists = iter([page("a", version=7, more="next"), page("b", version=7), page("c", version=20)])
    watches = iter(
        [
            [
                {"type": "ADDED", "object": named("c", 8)},
                {"type": "DELETED", "object": named("a", 9)},
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "11"}}},
            ],
            [{"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}],
        ]
    )

    def answer(request: Asked) -> Answer:
        if "watch" in request.query:
            return Answer(200, next(watches, []))
        return next(lists, page("c", version=20))

    with served(answer) as (cluster, asked):
        follow(cluster, lambda: "20" in watched_from(asked), known)
    assert known.of("n") == {"c": "c"}
    assert watched_from(asked)[:3] == ["7", "11", "20"]
    assert asked[1].query["continue"] == "next"
    assert all(r.query["labelSelector"] == "x" for r in asked)
    assert gone == ["n/a", "n/b"]
    assert set(touched) == {"n"}


def test_a_refusal_is_tried_again_and_told_by_its_health() -> None:
    answers = iter([Answer(403, {"message": "pods is forbidden"}), Answer(500, "oh")])
    known = Known[str](lambda o: str(o["metadata"]["name"]), lambda _: None)
    seen: list[bool] = []

    def answer(request: Asked) -> Answer:
        return Answer(200, []) if "watch" in request.query else next(answers, page("a", version=1))

    with served(answer) as (cluster, _):
        watching = follow(cluster, lambda: bool(known.of("n")), known)
        seen.append(watching.listed.is_set())
    assert seen == [True]
    assert watching.well()


def test_a_watch_that_hears_nothing_is_not_well(monkeypatch: Any) -> None:
    watching = Watching(None, PODS, {}, None)  # type: ignore[arg-type]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert not watching.well()
