"""Facts about the real Helm charts that Freehold pins, from `charts/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

__all__ = ["FOLDER", "ChartFacts", "chart_facts"]

FOLDER = Path(__file__).parent / "charts"
"""One file a chart, named for the chart."""


@dataclass(frozen=True)
class ChartFacts:
    """What one packaged chart says of itself."""

    chart: str
    """`name` of its Chart.yaml."""
    version: str
    """`version` of its Chart.yaml once packaged.

    A registry's tag may be spelled differently and hold the same chart. provider-helm compares
    this version, as a string, with the one that a Release asks for: where they differ, the
    Release is upgraded at every poll and never Ready.
    """
    source: str
    """Where the chart's source and the script that packages it stand."""


@cache
def chart_facts(name: str) -> ChartFacts:
    """Return the facts about a chart.

    Args:
        name: the chart's own name, such as lws.
    """
    return ChartFacts(**yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
