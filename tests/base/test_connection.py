"""The composite's connection Secret: what a function decides, and that nothing of it goes without a decision."""

from __future__ import annotations

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Outcome, Unanswered
from functions.base.respond import respond
from tests.base import support as s


def told(
    outcome: Outcome | Exception, observed: dict[str, bytes], before: dict[str, bytes]
) -> dict[str, bytes]:
    message: fnv1.RunFunctionRequest = s.request()
    message.observed.composite.connection_details.update(observed)
    message.desired.composite.connection_details.update(before)
    function = s.raising(outcome) if isinstance(outcome, Exception) else s.function(outcome)
    return dict(respond(function, message).desired.composite.connection_details)


CONDITIONS = (s.VALID, s.LIVE)


def test_what_is_decided_is_sent() -> None:
    outcome = Outcome(conditions=CONDITIONS, connection={"url": "https://é"})
    assert told(outcome, {"url": b"old", "model": b"old"}, {}) == {"url": "https://é".encode()}


@pytest.mark.parametrize(
    "outcome", [Outcome(conditions=CONDITIONS), Unanswered("clusters")], ids=["none", "unanswered"]
)
def test_without_a_decision_it_says_what_it_says(outcome: Outcome | Exception) -> None:
    # Proves: apps lose no address while Crossplane has not answered.
    assert told(outcome, {"url": b"https://a"}, {}) == {"url": b"https://a"}


def test_an_earlier_steps_word_is_newer_than_what_stands() -> None:
    outcome = Outcome(conditions=CONDITIONS)
    assert told(outcome, {"url": b"old", "model": b"m"}, {"url": b"new"}) == {"url": b"new", "model": b"m"}
    over = Outcome(conditions=CONDITIONS, connection={"url": "mine"})
    assert told(over, {}, {"url": b"new", "ca": b"c"}) == {"url": b"mine", "ca": b"c"}
