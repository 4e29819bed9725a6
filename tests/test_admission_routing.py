"""What an API server refuses of a Model's routing, and that a function does as well."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Invalid, parse
from tests.test_admission import model
from tools.admission import admit

EITHER = "routing.session takes either a header or a cookie"
OF_ALL = "routing.session.header: this header is the same for all conversations, or the gateway's own"
NO_HEADER, NO_COOKIE = "this is no name of a header", "this is no name of a cookie"
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing to tell conversations by": ({"session": {}}, EITHER, EITHER),
    "two of them": ({"session": {"header": "x-session-id", "cookie": "chat"}}, EITHER, EITHER),
    "the key": ({"session": {"header": "authorization"}}, OF_ALL, OF_ALL),
    "all cookies": ({"session": {"header": "cookie"}}, OF_ALL, OF_ALL),
    "a transaction": ({"session": {"header": "txn-token"}}, OF_ALL, OF_ALL),
    "the gateway's own": ({"session": {"header": "x-freehold-model"}}, OF_ALL, OF_ALL),
    "a header that the gateway refuses": ({"session": {"header": "x_session"}}, NO_HEADER, NO_HEADER),
    "a header's capitals": ({"session": {"header": "X-Session-ID"}}, NO_HEADER, NO_HEADER),
    "a pseudo header": ({"session": {"header": ":path"}}, NO_HEADER, NO_HEADER),
    "more than a cookie": ({"session": {"cookie": "a; b"}}, NO_COOKIE, NO_COOKIE),
    "fewer than none": ({"queuePerReplica": -1}, "greater than or equal to 0", "has to be at least 0"),
    "more than anybody waits for": ({"queuePerReplica": 100_001}, "100000", "100000"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    routing, admission, function = BAD[name]
    claim = model(routing=routing)
    problems = [str(problem) for problem in admit([claim])]
    assert any(admission in problem for problem in problems), problems
    with pytest.raises(Invalid, match=function):
        parse(ModelSpec, claim["spec"], "spec")


@pytest.mark.parametrize(
    "routing",
    [{}, {"session": {"header": "x-session-id"}}, {"session": {"cookie": "Chat_1"}, "queuePerReplica": 0}],
)
def test_admitted(routing: dict[str, Any]) -> None:
    claim = model(routing=routing)
    assert admit([claim]) == []
    parse(ModelSpec, claim["spec"], "spec")
