from __future__ import annotations

import pytest

from functions.api import ClusterStackInput
from functions.catalog import chart
from tools.versions.facts import chart_facts

COMPONENTS = [name.replace("_", "-") for name in ClusterStackInput.model_fields]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_pin_is_the_version_that_the_chart_has_inside(component: str) -> None:
    # Proves: provider-helm, which compares the two as strings, finds a Release up to date once installed.
    pinned = chart(component)
    facts = chart_facts(pinned.name)
    assert (pinned.name, pinned.version) == (facts.chart, facts.version)
