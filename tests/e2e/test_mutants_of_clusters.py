"""Faults on purpose in function-node-pools: with each, the suite turns red at the test that is there for it."""

from __future__ import annotations

import pytest

from tests.e2e.catching import assert_caught, names
from tests.e2e.conftest import Plane


@pytest.mark.parametrize("name", names("node-pools"))
def test_a_mutant_is_caught(control_plane: Plane, name: str) -> None:
    assert_caught(control_plane, name)
