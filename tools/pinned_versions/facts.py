"""Facts about the real Helm charts that Freehold pins, from `charts/*.yaml`.

`derive` makes them of a chart; nothing of a chart itself is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ANY", "FOLDER", "OPEN", "ChartFacts", "Workload", "chart_facts", "unknown", "write"]

FOLDER = Path(__file__).parent / "charts"
"""One file a chart, named for the chart."""
ANY = "any"
"""Type of a value that a chart does not type: it has no default, or an empty map or list."""
OPEN = "open map"
"""Type of a map that a template passes on whole: what is in it is Kubernetes' to judge."""
_HEADER = "# Written by `freehold versions read` from the chart itself. Do not edit.\n"


@dataclass(frozen=True)
class Workload:
    """Something of a chart that makes pods, as Freehold's values name it."""

    kind: str
    name: str
    pod_security: str
    """The strictest pod security standard that its pods meet."""
    hook: str = ""
    """The Helm hooks that run it, where it is no part of the installation itself."""


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
    crds: Mapping[str, str] = field(default_factory=dict)
    """CRDs of its folder `crds`, with a digest of each: Helm installs those once and never upgrades them."""
    workloads: tuple[Workload, ...] = ()
    images: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """Type of each value by its path: bool, number, string, list, map, `open map` or `any`."""

    def plain(self) -> dict[str, Any]:
        """Return the facts as they stand in a file."""
        facts = asdict(self)
        facts["workloads"] = [
            {key: value for key, value in asdict(each).items() if value} for each in self.workloads
        ]
        facts["images"] = list(self.images)
        return facts


def parsed(data: Mapping[str, Any]) -> ChartFacts:
    """Return facts from what stands in a file."""
    workloads = tuple(Workload(**each) for each in data.get("workloads", ()))
    return ChartFacts(**{**data, "workloads": workloads, "images": tuple(data.get("images", ()))})


@cache
def chart_facts(name: str) -> ChartFacts:
    """Return the facts about a chart.

    Args:
        name: the chart's own name, such as lws.
    """
    return parsed(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def write(facts: ChartFacts) -> Path:
    """Write the facts about a chart; return the file."""
    file = FOLDER / f"{facts.chart}.yaml"
    text = yaml.safe_dump(facts.plain(), sort_keys=False, width=110, allow_unicode=True)
    file.write_text(_HEADER + text, encoding="utf-8")
    chart_facts.cache_clear()
    return file


def unknown(given: Mapping[str, Any], facts: ChartFacts) -> list[str]:
    """Say which values a chart does not know, or knows with another type: `path: why`."""
    return list(_unknown(given, facts.values, ""))


def _unknown(given: Mapping[str, Any], known: Mapping[str, str], above: str) -> Iterator[str]:
    for key, value in given.items():
        path = f"{above}.{key}" if above else key
        type_ = known.get(path)
        if type_ is None:
            yield f"{path}: the chart has no such value"
        elif type_ == OPEN and isinstance(value, Mapping):
            continue
        elif type_ == "map" and isinstance(value, Mapping):
            yield from _unknown(value, known, path)
        elif type_ not in {ANY, type_of(value)}:
            yield f"{path}: {type_of(value)}, and the chart has {type_}"


def type_of(value: object) -> str:
    """Return the type of a value in the words of the facts."""
    if value is None:
        return ANY
    names: dict[type, str] = {bool: "bool", int: "number", float: "number", str: "string", list: "list"}
    return names.get(type(value), "map")
