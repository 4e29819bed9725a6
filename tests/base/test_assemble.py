"""What becomes of every composed resource: created, held back, carried on or dropped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from hypothesis import given
from hypothesis import strategies as st

from functions.base import Outcome, Progress, Resource, exists
from functions.base.respond import respond
from functions.base.wire import to_plain
from tests.base import support as s
from tests.base.apiserver import observe

Wanted = dict[str, tuple[dict[str, Any], bool | None]]


def resource(name: str, *after: str, **extra: Any) -> Resource:
    return Resource(f"demo/{name}", s.managed(name), tuple(f"demo/{a}" for a in after), **extra)


def live(name: str, ready: bool | None = True, failure: str = "", **late: Any) -> dict[str, Any]:
    """Return what is observed of `resource(name)`, with fields that the provider added."""
    status = s.managed(name, ready, failure).get("status")
    seen = observe(s.managed(name), status=status)
    seen["spec"]["forProvider"] |= late
    return seen


def named(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{index}" for index in range(count)]


class Case(NamedTuple):
    name: str
    reason: str
    resources: Sequence[Resource]
    request: fnv1.RunFunctionRequest
    want: Wanted
    gone: Sequence[str] = ()


AB = {"demo/a": live("a"), "demo/b": live("b", ready=False, arn="late")}
CREATED: tuple[dict[str, Any], bool] = (s.managed("a"), False)
CASES = [
    Case(
        "created",
        "a new resource is not ready",
        [resource("a")],
        s.request(),
        {"demo/a": CREATED},
    ),
    Case(
        "given-up",
        "the only way to delete: the spec no longer asks for it",
        [resource("b")],
        s.request(observed=AB),
        {"demo/b": (s.managed("b"), False)},
        gone=["demo/a"],
    ),
    Case(
        "all-given-up",
        "even everything",
        [],
        s.request(observed=AB),
        {},
        gone=["demo/a", "demo/b"],
    ),
    Case(
        "given-up-and-gone-already",
        "deletion takes more than one look",
        [resource("a")],
        s.request(),
        {"demo/a": CREATED},
        gone=["demo/b"],
    ),
    Case(
        "forgotten",
        "a function that forgets a resource keeps it, by its own fields alone",
        [resource("a")],
        s.request(observed=AB),
        {"demo/a": (s.managed("a"), True), "demo/b": (s.managed("b"), False)},
    ),
    Case(
        "nothing-decided",
        "an empty decision keeps everything",
        [],
        s.request(observed=AB),
        {"demo/a": (s.managed("a"), True), "demo/b": (s.managed("b"), False)},
    ),
    Case(
        "forgotten-and-ready",
        "a kind that reports no conditions does not become unready by being carried on",
        [],
        s.request(observed={"demo/pc": s.config("pc"), "demo/new": s.managed("new")}),
        {"demo/pc": (s.config("pc"), True), "demo/new": (s.managed("new"), False)},
    ),
    Case(
        "other-functions-resources",
        "what later steps observe is theirs to desire; what earlier ones desire is passed on",
        [resource("a")],
        s.request(
            observed={"later/x": live("x"), "first/net": live("net"), "demo-2/y": live("y")},
            desired={"first/net": (s.managed("net"), True), "first/new": (s.managed("new"), None)},
        ),
        {
            "demo/a": CREATED,
            "first/net": (s.managed("net"), True),
            "first/new": (s.managed("new"), None),
        },
    ),
    Case(
        "changed",
        "an existing resource gets the new manifest at once",
        [Resource("demo/a", s.managed("a", size=2))],
        s.request(observed={"demo/a": live("a")}),
        {"demo/a": (s.managed("a", size=2), True)},
    ),
    Case(
        "desired-before",
        "the same function may stand in a pipeline twice: its later word replaces the earlier one",
        [Resource("demo/a", s.managed("a"))],
        s.request(
            observed={"demo/a": live("a")}, desired={"demo/a": ({**s.managed("a", old=[1]), "old": 1}, False)}
        ),
        {"demo/a": (s.managed("a"), True)},
    ),
    Case(
        "unknown-manifest-of-a-new-resource",
        "it is held back",
        [Resource("demo/a", None, waits_for="the network"), resource("b")],
        s.request(),
        {"demo/b": (s.managed("b"), False)},
    ),
    Case(
        "unknown-manifest-of-a-live-resource",
        "it is carried on",
        [Resource("demo/a", None, waits_for="the network")],
        s.request(observed={"demo/a": live("a", arn="late")}),
        {"demo/a": (s.managed("a"), True)},
    ),
    Case(
        "need-unready",
        "rule 4: a resource waits for what it needs",
        [resource("a"), resource("b", "a")],
        s.request(observed={"demo/a": live("a", ready=False)}),
        {"demo/a": (s.managed("a"), False)},
    ),
    Case(
        "need-ready",
        "and no longer",
        [resource("a"), resource("b", "a")],
        s.request(observed={"demo/a": live("a")}),
        {"demo/a": (s.managed("a"), True), "demo/b": (s.managed("b"), False)},
    ),
    Case(
        "need-lost-after-creation",
        "rule 1: what exists stays, though its need is unready or gone",
        [resource("a"), resource("b", "a"), resource("c", "gone")],
        s.request(observed={"demo/a": live("a", ready=False), "demo/b": live("b"), "demo/c": live("c")}),
        {
            "demo/a": (s.managed("a"), False),
            "demo/b": (s.managed("b"), True),
            "demo/c": (s.managed("c"), True),
        },
    ),
    Case(
        "need-of-an-earlier-step",
        "readiness counts across steps",
        [
            Resource("demo/a", s.managed("a"), after=("first/net",)),
            Resource("demo/b", s.managed("b"), after=("first/gpu",)),
        ],
        s.request(
            observed={"first/net": live("net"), "first/gpu": live("gpu", ready=False)},
            desired={"first/net": (s.managed("net"), True), "first/gpu": (s.managed("gpu"), False)},
        ),
        {
            "demo/a": CREATED,
            "first/net": (s.managed("net"), True),
            "first/gpu": (s.managed("gpu"), False),
        },
    ),
    Case(
        "need-that-says-nothing",
        "a step may leave readiness to a later step: then the object itself says it",
        [
            Resource("demo/a", s.managed("a"), after=("first/net",)),
            Resource("demo/b", s.managed("b"), after=("first/gpu",)),
        ],
        s.request(
            observed={"first/net": live("net"), "first/gpu": live("gpu", ready=False)},
            desired={"first/net": (s.managed("net"), None), "first/gpu": (s.managed("gpu"), None)},
        ),
        {
            "demo/a": CREATED,
            "first/net": (s.managed("net"), None),
            "first/gpu": (s.managed("gpu"), None),
        },
    ),
    Case(
        "own-readiness",
        "a kind without conditions is ready as its function says",
        [
            Resource("demo/pc", s.config("pc"), ready=exists),
            Resource("demo/a", s.managed("a"), after=("demo/pc",)),
        ],
        s.request(observed={"demo/pc": s.config("pc")}),
        {"demo/pc": (s.config("pc"), True), "demo/a": CREATED},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_composed_resources(case: Case) -> None:
    decided = s.function(Outcome(case.resources, (s.VALID, s.LIVE), gone=case.gone))
    want = s.response([s.VALID_SENT, s.LIVE_SENT], case.want)
    assert s.answer(decided, case.request) == want, case.reason


def test_all_that_need_nothing_are_created_at_once() -> None:
    """However many are on their way, or fail: a slow kind holds up nothing but what needs it."""
    old = {f"demo/{n}": live(n, ready=False) for n in named("old", 20)}
    broken = {f"demo/{n}": live(n, ready=False, failure="no quota") for n in named("broken", 20)}
    decided = s.function(Outcome([resource(n) for n in named("n", 50)]))
    got = respond(decided, s.request(observed={**old, **broken})).desired.resources
    assert {f"demo/{n}" for n in named("n", 50)} <= set(got)


def test_what_is_out_of_reach_goes_without_being_reached() -> None:
    """Rendered, kept or carried on; what only looks keeps looking, and what nobody manages is as it was."""
    looks = {**s.managed("looks"), "spec": {"forProvider": {}, "managementPolicies": ["Observe"]}}
    outcome = Outcome(
        [
            resource("a"),
            Resource("demo/kept", None, waits_for="an id"),
            Resource("demo/looks", looks),
            Resource("demo/c", s.config("c")),
        ],
        unreachable=True,
    )
    observed = {f"demo/{name}": live(name) for name in ("a", "kept", "carried", "looks", "c")}
    response = respond(s.function(outcome), s.request(observed=observed))
    made = {name: to_plain(r.resource) for name, r in response.desired.resources.items()}
    policies = {name: (m.get("spec") or {}).get("managementPolicies") for name, m in made.items()}
    left = ["Observe", "Create", "Update"]
    assert policies == {
        "demo/a": left,
        "demo/kept": left,
        "demo/carried": left,
        "demo/looks": ["Observe"],
        "demo/c": None,
    }


@pytest.mark.parametrize(("manifest", "waits_for"), [(None, ""), (s.managed("a"), "an id")])
def test_a_resource_waits_for_its_manifest_or_has_one(
    manifest: dict[str, Any] | None, waits_for: str
) -> None:
    with pytest.raises(ValueError, match="has either a manifest or what that waits for"):
        Resource("demo/a", manifest, waits_for=waits_for)


# Random graphs of resources, and of what exists of them.


class World(NamedTuple):
    resources: list[Resource]
    message: fnv1.RunFunctionRequest
    gone: list[str]


STATES = st.sampled_from(["absent", "absent", "ready", "ready", "unready", "failing", "new"])


def seen(name: str, state: str) -> dict[str, Any]:
    if state == "failing":
        return live(name, ready=False, failure="no quota")
    return live(name, ready={"ready": True, "unready": False, "new": None}[state])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = named("r", draw(st.integers(0, 14)))
    resources = []
    for index, name in enumerate(names):
        needs = [n for n in names[:index] if draw(st.integers(0, 4)) == 0]
        made = resource(name, *needs)
        unknown = draw(st.integers(0, 5)) == 0
        resources.append(Resource(made.name, None, made.after, waits_for="it") if unknown else made)
    draw(st.randoms(use_true_random=False)).shuffle(resources)
    states = {f"demo/{n}": draw(STATES) for n in [*names, *named("gone", draw(st.integers(0, 3)))]}
    observed = {n: seen(n.removeprefix("demo/"), state) for n, state in states.items() if state != "absent"}
    before = {
        f"first/{n}": (s.managed(n), draw(st.sampled_from([True, False, None])))
        for n in named("x", draw(st.integers(0, 4)))
    }
    observed |= {n: live(n) for n in before if draw(st.booleans())}
    gone = [n for n in states if n.startswith("demo/gone") and draw(st.booleans())]
    return World(resources, s.request(observed=observed, desired=before), gone)


def run(world: World) -> fnv1.RunFunctionResponse:
    progress = Progress("Live", tuple(r.name for r in world.resources), "all there")
    decided = Outcome(world.resources, (s.VALID, progress), gone=world.gone)
    return respond(s.function(decided), world.message)


@given(worlds())
def test_nothing_observed_is_lost(world: World) -> None:
    observed = set(world.message.observed.resources)
    kept = {n for n in observed if n.startswith("demo/")} - set(world.gone)
    before = set(world.message.desired.resources)
    got = set(run(world).desired.resources)
    assert got >= kept | before, "rule 1: desired state never shrinks because something is missing"
    assert not (got & observed) - kept - before, "what is given up goes"


@given(worlds())
def test_nothing_is_created_before_its_needs(world: World) -> None:
    answer = run(world).desired.resources
    for made in world.resources:
        if made.name in answer and made.name not in world.message.observed.resources:
            assert made.manifest is not None
            for need in made.after:
                assert need in world.message.observed.resources
                assert answer[need].ready == fnv1.READY_TRUE, f"{made.name} came before {need}"


@given(worlds())
def test_whatever_has_what_it_needs_is_created(world: World) -> None:
    observed, answer = world.message.observed.resources, run(world).desired.resources
    able = {
        r.name
        for r in world.resources
        if r.name not in observed
        and r.manifest is not None
        and all(n in observed and answer[n].ready == fnv1.READY_TRUE for n in r.after)
    }
    assert {n for n in answer if n not in observed and n.startswith("demo/")} == able


@given(worlds(), st.randoms(use_true_random=False))
def test_same_request_same_bytes(world: World, shuffler: random.Random) -> None:
    first = run(world).SerializeToString(deterministic=True)
    assert run(world).SerializeToString(deterministic=True) == first
    other = world._replace(message=reordered(world.message, shuffler))
    assert run(other).SerializeToString(deterministic=True) == first, "the order of a map says nothing"


def reordered(message: fnv1.RunFunctionRequest, shuffler: random.Random) -> fnv1.RunFunctionRequest:
    """Return the same request with its maps filled in another order."""
    copy = fnv1.RunFunctionRequest()
    copy.CopyFrom(message)
    for state, source in ((copy.observed, message.observed), (copy.desired, message.desired)):
        state.ClearField("resources")
        names = sorted(source.resources)
        shuffler.shuffle(names)
        for name in names:
            state.resources[name].CopyFrom(source.resources[name])
    return copy
