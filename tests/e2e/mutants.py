"""Deliberate faults: `python -m tests.e2e.mutants FAULT FUNCTION ...` serves a function with one.

Each is a mistake that other systems have made; test_mutants.py shows that a test of the suite fails for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from functions.api import Nodes
from functions.base import Claim, Function, Outcome, Request, View, exists
from functions.main import FUNCTIONS, main

SUITE = "tests/e2e/"


@dataclass(frozen=True)
class Mutant:
    """A deliberate fault, and the test that must fail for it."""

    function: str
    fault: Callable[[], None]
    caught_by: str
    words: str
    """Words of that failure: a test that fails for another reason proves nothing."""


def _decides(name: str, wrong: Callable[[Request, Outcome], Outcome]) -> None:
    """Replace a function's decision."""
    module: Any = importlib.import_module(FUNCTIONS[name])
    right: Function = module.FUNCTION
    module.FUNCTION = replace(right, compose=lambda request: wrong(request, right.compose(request)))


def _drop_a_resource_without_its_cluster() -> None:
    def wrong(_: Request, outcome: Outcome) -> Outcome:
        if all(getattr(c, "reason", "") != "ClusterMissing" for c in outcome.conditions):
            return outcome
        kept = [r for r in outcome.resources if r.name != "vllm/service"]
        return replace(outcome, resources=kept, gone=["vllm/service"])

    _decides("vllm", wrong)


def _echo_what_is_observed() -> None:
    from functions.base import assemble
    from functions.base.wire import thaw

    def echo(observed: Any) -> Any:
        return {key: value for key, value in thaw(observed).items() if key != "status"}

    assemble.own_fields = echo  # type: ignore[attr-defined]


def _swap_two_tenants() -> None:
    other = {"team-a": "team-b", "team-b": "team-a"}
    right: Any = Request.claim

    def wrong(request: Request) -> Claim:
        claim: Claim = right.func(request)
        return replace(claim, namespace=other.get(claim.namespace, claim.namespace))

    Request.claim = property(wrong)  # type: ignore[assignment, method-assign]


def _take_over_a_pools_size() -> None:
    from functions.node_pools.aws import pools

    def wrong(live: View | None, asked: Nodes) -> dict[str, int]:
        del live
        return {"minSize": asked.min, "maxSize": asked.max, "desiredSize": asked.min}

    pools._bounds = wrong


def _forget_the_usages() -> None:
    def wrong(_: Request, outcome: Outcome) -> Outcome:
        kept = [r for r in outcome.resources if not r.name.endswith("in-use")]
        return replace(outcome, resources=kept)

    _decides("node-pools", wrong)


def _call_everything_ready_at_once() -> None:
    def wrong(_: Request, outcome: Outcome) -> Outcome:
        return replace(outcome, resources=[replace(r, ready=exists) for r in outcome.resources])

    _decides("node-pools", wrong)


MUTANTS = {
    "drop": Mutant(
        "vllm",
        _drop_a_resource_without_its_cluster,
        "test_models.py::test_a_cluster_that_disappears_takes_nothing_along",
        "vllm/service",
    ),
    "echo": Mutant(
        "vllm",
        _echo_what_is_observed,
        "test_existing.py::test_nothing_changes_once_both_are_ready",
        "FatalError",
    ),
    "swap": Mutant(
        "vllm", _swap_two_tenants, "test_tenants.py::test_each_team_gets_its_own_secret", "assert 'team-"
    ),
    "size": Mutant(
        "node-pools",
        _take_over_a_pools_size,
        "test_aws.py::test_a_size_that_an_autoscaler_set_is_left_alone",
        "desiredSize",
    ),
    "usage": Mutant(
        "node-pools",
        _forget_the_usages,
        "test_existing.py::test_claim_and_composite_are_kept_while_in_use",
        "both guards to say",
    ),
    "ready": Mutant(
        "node-pools",
        _call_everything_ready_at_once,
        "test_slow.py::test_a_cluster_waits_for_its_pools",
        "assert 'True' == 'False'",
    ),
}


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)].fault()
    main()
