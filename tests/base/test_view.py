"""Views: what can be read of an observed object, and that none of it can be echoed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from functions.base import Outcome, Request, Resource, Selector, View
from functions.base.wire import Fields, to_struct
from tests.base import support as s

LIVE: dict[str, Any] = {
    **s.managed("a", ready=True, ids=["x", "y"], size=3, price=0.5, on=True, off=None),
    "empty": {},
}


class Thing(BaseModel):
    region: str
    ids: list[str]
    size: int


class Strict(BaseModel):
    region: int


@pytest.fixture(params=["plain", "in place"])
def view(request: pytest.FixtureRequest) -> View:
    """A view of the same object, whatever it is kept as."""
    return View(LIVE if request.param == "plain" else Fields(to_struct(LIVE)))


FOR_PROVIDER = ("spec", "forProvider")
READS: list[tuple[str, Callable[[View], Any], Any]] = [
    ("text", lambda v: v.text("metadata", "name"), "a"),
    ("text of a number", lambda v: v.text(*FOR_PROVIDER, "size"), None),
    ("text of nothing", lambda v: v.text("metadata", "none", "deeper"), None),
    ("text below a text", lambda v: v.text("metadata", "name", "deeper"), None),
    ("number", lambda v: v.number(*FOR_PROVIDER, "size"), 3),
    ("fraction", lambda v: v.number(*FOR_PROVIDER, "price"), 0.5),
    ("number of a boolean", lambda v: v.number(*FOR_PROVIDER, "on"), None),
    ("texts", lambda v: v.texts(*FOR_PROVIDER, "ids"), ("x", "y")),
    ("texts of a text", lambda v: v.texts("metadata", "name"), ()),
    ("texts of objects", lambda v: v.texts("status", "conditions"), ()),
    ("each", lambda v: [c.text("type") for c in v.each("status", "conditions")], ["Ready"]),
    ("each of texts", lambda v: v.each(*FOR_PROVIDER, "ids"), ()),
    ("each of nothing", lambda v: v.each("none"), ()),
    ("has", lambda v: (v.has("empty"), v.has("none"), v.has(*FOR_PROVIDER, "off")), (True, False, False)),
    ("condition", lambda v: v.condition("Ready").text("status"), "True"),  # type: ignore[union-attr]
    ("no condition", lambda v: v.condition("Synced"), None),
    ("name", lambda v: v.name, "a"),
    ("no name", lambda v: v.each("status", "conditions")[0].name, ""),
    ("parsed", lambda v: v.parsed(Thing, *FOR_PROVIDER), Thing(region="here", ids=["x", "y"], size=3)),
    ("parsed of another shape", lambda v: v.parsed(Strict, *FOR_PROVIDER), None),
    ("parsed of a text", lambda v: v.parsed(Thing, "kind"), None),
    ("parsed of nothing", lambda v: v.parsed(Thing, "none"), None),
]


@pytest.mark.parametrize(("read", "want"), [r[1:] for r in READS], ids=[r[0] for r in READS])
def test_read(view: View, read: Callable[[View], Any], want: Any) -> None:
    assert read(view) == want


def of_own(request: Request) -> View:
    view = request.resource("demo/a")
    assert view is not None
    return view


def of_required(request: Request) -> View:
    return request.require("things", Selector("v1", "Thing"))[0]


ECHOES: dict[str, Callable[[Request], Any]] = {
    "view": of_own,
    "view of an item": lambda r: of_own(r).each("status", "conditions")[0],
    "tuple of views": lambda r: of_own(r).each("status", "conditions"),
    "required view": of_required,
    "model": lambda r: of_own(r).parsed(Thing, *FOR_PROVIDER),
    "raw object": lambda r: r.observed["demo/a"],
    "raw piece": lambda r: r.observed["demo/a"]["spec"]["forProvider"],
    "raw list": lambda r: r.observed["demo/a"]["spec"]["forProvider"]["ids"],
    "raw answer": lambda r: r.answers["things"][0],
}


@pytest.mark.parametrize("where", ["manifest", "field", "status"])
@pytest.mark.parametrize("what", ECHOES)
def test_an_observed_object_cannot_be_desired(what: str, where: str) -> None:
    def compose(request: Request) -> Outcome:
        echo = ECHOES[what](request)
        if where == "status":
            return Outcome((), (s.VALID,), {"plan": echo})
        manifest = echo if where == "manifest" else {**s.managed("b"), "spec": {"copy": echo}}
        return Outcome((Resource("demo/b", manifest),), (s.VALID,))

    message = s.request(observed={"demo/a": LIVE}, answers={"things": [LIVE]})
    got = s.answer(s.function(compose), message)
    assert got["results"][-1]["severity"] == "SEVERITY_FATAL"
    assert "desired" not in got


def test_a_view_cannot_be_iterated_or_unpacked(view: View) -> None:
    copies: list[Callable[[Any], Any]] = [dict, list, lambda v: {**v}]
    for copied in copies:
        with pytest.raises(TypeError):
            copied(view)


class Frozen(BaseModel, frozen=True):
    region: str


def test_the_same_content_is_parsed_once() -> None:
    """In place only: plain data has no bytes to know it by."""
    first, again = (View(Fields(to_struct(LIVE))).parsed(Frozen, *FOR_PROVIDER) for _ in range(2))
    assert first is not None
    assert first is again
    moved = {**LIVE, "spec": {"forProvider": {"region": "elsewhere"}}}
    assert View(Fields(to_struct(moved))).parsed(Frozen, *FOR_PROVIDER) == Frozen(region="elsewhere")
    assert View(Fields(to_struct(LIVE))).parsed(Strict, *FOR_PROVIDER) is None
