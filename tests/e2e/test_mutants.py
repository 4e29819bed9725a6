"""Deliberate faults in a function: with each, a test of the suite fails, the one that is there for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.catching import assert_caught
from tests.e2e.conftest import Plane, started
from tests.e2e.mutants import MUTANTS


@pytest.fixture
def faulty(name: str) -> Iterator[Plane]:
    """Start a control plane for one fault: the test that fails leaves its claims behind."""
    with started(f"faulty-{name}") as own:
        yield own


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(faulty: Plane, name: str) -> None:
    assert_caught(faulty, name)
