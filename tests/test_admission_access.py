"""What an API server refuses of a Model's callers, and that a function does as well."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ModelSpec
from functions.base import Invalid, parse
from tests.test_admission import model
from tools.admission import admit

KEYS = {"name": "keys"}
NO_CLIENT = "this is no name of a client"


def clients(*names: str, **fields: Any) -> dict[str, Any]:
    return model(access={"clients": [{"name": name, "secretRef": KEYS, **fields} for name in names]})


# What is refused; the words of the API server, and those of a function.
BAD = {
    "a client's capitals": (clients("Web"), NO_CLIENT, NO_CLIENT),
    "what ends the Model's name in an id": (clients("a_b"), NO_CLIENT, NO_CLIENT),
    "a client that begins with a dash": (clients("-a"), NO_CLIENT, NO_CLIENT),
    "a client that is named twice": (clients("a", "a"), "Duplicate value", "names a more than once"),
    "more clients than there may be": (clients(*(f"c{n}" for n in range(33))), "at most 32", "at most 32"),
    "a Secret of another namespace": (
        clients("a", secretRef={"name": "../b/secrets/c"}),
        "this is no name of a Secret",
        "this is no name of a Secret",
    ),
    "any namespace": (
        model(access={"namespaces": ["team-*"]}),
        "name each namespace",
        "name each namespace",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    claim, admission, function = BAD[name]
    problems = [str(problem) for problem in admit([claim])]
    assert any(admission in problem for problem in problems), problems
    with pytest.raises(Invalid, match=function):
        parse(ModelSpec, claim["spec"], "spec")


def test_admitted() -> None:
    claim = clients("web-app", "2fast")
    claim["spec"]["access"] |= {"namespaces": ["jobs"], "inCluster": True}
    assert admit([claim]) == []
