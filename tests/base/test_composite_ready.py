"""Crossplane derives the composite's readiness from what is composed; what is not composed yet counts too."""

from __future__ import annotations

import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1

from functions.base import Condition, Outcome, Resource, Status, Whose, exists
from functions.base.respond import respond
from tests.base import support

VALID = support.VALID
LIVE = Condition("Live", Status.TRUE, "Live", "it runs", Whose.MODEL)
ONE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "x"}}


def outcome(*conditions: Condition, held: bool = False) -> Outcome:
    resources = [Resource("demo/one", ONE, ready=exists)]
    if held:
        resources.append(Resource("demo/two", None, waits_for="an address"))
    return Outcome(resources, conditions)


@pytest.mark.parametrize(
    ("decided", "live", "expected"),
    [
        pytest.param(
            outcome(VALID, LIVE), True, fnv1.READY_UNSPECIFIED, id="all there: Crossplane derives it"
        ),
        pytest.param(outcome(VALID, LIVE, held=True), True, fnv1.READY_FALSE, id="something is held back"),
        pytest.param(outcome(VALID, support.LIVE), True, fnv1.READY_FALSE, id="a condition does not hold"),
        pytest.param(
            outcome(VALID, support.LIVE), False, fnv1.READY_UNSPECIFIED, id="Crossplane names what is unready"
        ),
        pytest.param(Outcome(conditions=(support.LIVE,)), False, fnv1.READY_FALSE, id="nothing is composed"),
    ],
)
def test_ready(decided: Outcome, live: bool, expected: int) -> None:
    asked = support.request(support.xr(), observed={"demo/one": ONE} if live else {})
    assert respond(support.function(decided), asked).desired.composite.ready == expected
