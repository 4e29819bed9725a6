"""Models on pools, with the placement that the formulas of `docs/sizing.md` lead to.

The sums are of one GPU or slice, in GiB: GPUs: weights + cache, and what is usable. Of pools that fit, the
lowest hourly price of what a replica takes wins; pools without a price come last, and among them fewer
GPUs, then the smaller GPU.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from functions.base import Condition, Invalid, Status
from functions.vllm.compose import compose
from tests.vllm.place.cases_of_models import CASES_OF_MODELS
from tests.vllm.place.cases_of_pools import CASES_OF_POOLS
from tests.vllm.place.pools import Case
from tests.vllm.world import cluster, request

CASES = [*CASES_OF_MODELS, *CASES_OF_POOLS]


class Found(NamedTuple):
    said: str
    """POOL x GPUs, or the message of the refusal."""
    needs: float | None = None


def place(case: Case) -> Found:
    components = ["gpu-operator", *(["leader-worker-set"] if case.groups else [])]
    where = cluster("eu", *case.pools, allowed=["*"], sharedStorage=case.shared, components=components)
    try:
        outcome = compose(request(case.spec, where))
    except Invalid as invalid:
        return Found(str(invalid))
    placed = outcome.conditions[0]
    assert isinstance(placed, Condition)
    if placed.status is not Status.TRUE:
        return Found(placed.text)
    placement, sizing = outcome.status["placement"], outcome.status["sizing"]
    nodes = f" x {placement['nodes']} nodes" if placement["nodes"] > 1 else ""
    nodes += f", {placement['dataParallel']} data parallel" if "dataParallel" in placement else ""
    return Found(f"{placement['nodePool']} x {placement['gpus']}{nodes}", sizing["neededGiBPerGPU"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    found = place(case)
    assert found.said == case.expected, case.why
    if case.needs is not None:
        assert found.needs == pytest.approx(case.needs, abs=0.011), case.why


def test_every_case_has_its_own_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 40
