"""Deliberate faults in a function: with each, a test of the suite fails, the one that is there for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.catching import assert_caught
from tests.e2e.conftest import Plane
from tests.e2e.mutants import MUTANTS
from tests.e2e.observing import FREEHOLD
from tests.e2e.rewinding import rewound
from tools.control_plane.api import Api


@pytest.fixture
def faulty(control_plane: Plane) -> Iterator[Plane]:
    """Have the control plane go back at the end: the test that fails leaves its claims behind."""
    before = claims(control_plane.api)
    with rewound(control_plane):
        yield control_plane
    assert claims(control_plane.api) == before


def claims(api: Api) -> list[str]:
    return [
        claim["metadata"]["uid"]
        for kind in ("InferenceCluster", "Model")
        for claim in api.items(FREEHOLD, kind)
    ]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(faulty: Plane, name: str) -> None:
    assert_caught(faulty, name)
