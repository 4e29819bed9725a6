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


FOR_SOMEBODY = "access.jwt needs claims, scopes or serviceAccounts"
NO_CLAIM = "this is no name of a claim"
STAFF = {"issuer": "corp", "audience": "chat", "claims": [{"name": "groups", "values": ["ml"]}]}


def tokens(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a Model that takes tokens; None leaves a field out."""
    given = {key: value for key, value in {**STAFF, **fields}.items() if value is not None}
    return model(access={"jwt": [given, *more]})


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
    "tokens of an address instead of a name": (
        tokens(issuer="https://evil.example.org/"),
        "this is no name of an issuer",
        "this is no name of an issuer",
    ),
    "tokens of no issuer": (tokens(issuer=None), "issuer: Required value", "issuer"),
    "tokens for whatever": (tokens(audience=None), "audience: Required value", "audience"),
    "tokens for nothing": (tokens(audience=""), "audience", "audience"),
    "tokens of anybody": (tokens(claims=[]), FOR_SOMEBODY, FOR_SOMEBODY),
    "tokens of whom nobody says": (tokens(claims=None), FOR_SOMEBODY, FOR_SOMEBODY),
    "a claim that is no string": (
        tokens(claims=[{"name": 7, "values": ["x"]}]),
        "claims[0].name",
        "claims",
    ),
    "a claim of blanks": (tokens(claims=[{"name": "a b", "values": ["x"]}]), NO_CLAIM, NO_CLAIM),
    "a claim of any value": (tokens(claims=[{"name": "sub", "values": []}]), "values", "values"),
    "a service account by a pattern": (
        tokens(serviceAccounts=[{"namespace": "shop", "name": "*"}]),
        "'*' stands for nothing here",
        "stands for nothing here",
    ),
    "an issuer twice": (tokens(STAFF), "Duplicate value", "names corp more than once"),
    "a client that may more than all": (
        model(
            access={
                "limits": {"requestsPerMinute": 5},
                "clients": [{"name": "a", "secretRef": KEYS, "limits": {"requestsPerMinute": 6}}],
            }
        ),
        "limits of a client.requestsPerMinute is above access.limits.requestsPerMinute",
        "limits of client a.requestsPerMinute is above access.limits.requestsPerMinute",
    ),
    "each client may more than all": (
        model(access={"limits": {"tokensPerMonth": 5, "perClient": {"tokensPerMonth": 6}}}),
        "access.limits.perClient.tokensPerMonth is above access.limits.tokensPerMonth",
        "access.limits.perClient.tokensPerMonth is above access.limits.tokensPerMonth",
    ),
    "a minute that uses up the month": (
        model(access={"limits": {"tokensPerMinute": 6, "tokensPerMonth": 5}}),
        "the first minute would use up the month",
        "the first minute would use up the month",
    ),
    "a limit of nothing": (
        model(access={"limits": {"requestsPerMinute": 0}}),
        "greater than or equal to 1",
        "has to be at least 1",
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
    claim["spec"]["access"]["limits"] = {"requestsPerMinute": 9, "perClient": {"requestsPerMinute": 9}}
    assert admit([claim]) == []


@pytest.mark.parametrize(
    "claim",
    [
        tokens(),
        tokens(claims=[{"name": "realm_access.roles", "values": ["a", "b"], "isList": True}]),
        tokens(claims=None, serviceAccounts=[{"namespace": "shop", "name": "chat.v1"}]),
        tokens({**STAFF, "issuer": "apps"}),
    ],
)
def test_tokens_are_admitted(claim: dict[str, Any]) -> None:
    assert admit([claim]) == []
    parse(ModelSpec, claim["spec"], "spec")
