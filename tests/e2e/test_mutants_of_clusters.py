"""Faults on purpose in function-node-pools: with each, the suite turns red at the test that is there for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.catching import assert_caught, names
from tests.e2e.conftest import Plane, started


@pytest.fixture(scope="module")
def faulty() -> Iterator[Plane]:
    """A control plane for these alone: what a fault leaves behind stays, and would be in the way of others."""
    with started("faulty-clusters") as own:
        yield own


@pytest.mark.parametrize("name", names("node-pools"))
def test_a_mutant_is_caught(faulty: Plane, name: str) -> None:
    assert_caught(faulty, name)
