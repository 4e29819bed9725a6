from __future__ import annotations

import pytest

from functions.catalog import chart
from functions.cluster_stack.registry import COMPONENTS
from tools.versions.facts import chart_facts


@pytest.mark.parametrize("component", [c.name for c in COMPONENTS])
def test_a_pin_is_the_version_that_the_chart_has_inside(component: str) -> None:
    # Proves: provider-helm, which compares the two as strings, finds a Release up to date once installed.
    pinned = chart(component)
    facts = chart_facts(pinned.name)
    assert (pinned.name, pinned.version) == (facts.chart, facts.version)
