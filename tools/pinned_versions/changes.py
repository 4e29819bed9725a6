"""What changes between two versions of a chart, as far as it matters to Freehold and its users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from functions.catalog import chart
from functions.cluster_stack.registry import COMPONENTS
from tools.pinned_versions.facts import ChartFacts, unknown
from tools.pinned_versions.releases import releases

__all__ = ["changes", "crd_warning"]


def changes(old: ChartFacts, new: ChartFacts) -> list[str]:
    """Say what differs, a line each; what needs somebody to act comes first."""
    return [
        *_refused(new),
        *crd_warning(old, new),
        *_keyed("value", old.values, new.values),
        *_listed("workload", _workloads(old), _workloads(new)),
        *_listed("image", set(old.images), set(new.images)),
    ]


_BY_HAND = (
    "Before a live cluster gets the new version, apply them in the cluster: kubectl apply --server-side "
    "--force-conflicts -f CHART/crds"
)
_AGENT = (
    "The agent of the control plane applies them before a live cluster gets the new version, unless the "
    "input says upgradeCRDs: false"
)


def crd_warning(old: ChartFacts, new: ChartFacts) -> list[str]:
    """Say which CRDs Helm would leave as they are in clusters that have the old version."""
    if old.version == new.version:
        return []
    changed = [name for name, digest in new.crds.items() if old.crds.get(name) != digest]
    if not changed:
        return []
    ours = any(c.upgrades_crds and chart(c.name).name == new.chart for c in COMPONENTS)
    return [
        f"CRDs of {new.chart} changed or came: {', '.join(changed)}. Helm never upgrades CRDs of a chart's "
        f"folder crds. {_AGENT if ours else _BY_HAND}",
        *(f"CRD {name} is gone from the chart, and stays in clusters" for name in old.crds.keys() - new.crds),
    ]


def _refused(new: ChartFacts) -> Iterator[str]:
    seen = set()
    for asked in releases():
        if asked.chart == new.chart:
            for problem in unknown(asked.values, new):
                if problem not in seen:
                    seen.add(problem)
                    yield f"Freehold sets a value that this version does not take: {problem}"


def _keyed(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{what} {path} is new ({new[path]})" for path in sorted(new.keys() - old))
    yield from (f"{what} {path} is gone" for path in sorted(old.keys() - new))
    for path in sorted(old.keys() & new):
        if old[path] != new[path]:
            yield f"{what} {path} was {old[path]} and is {new[path]}"


def _listed(what: str, old: set[str], new: set[str]) -> Iterator[str]:
    yield from (f"{what} {each} is new" for each in sorted(new - old))
    yield from (f"{what} {each} is gone" for each in sorted(old - new))


def _workloads(facts: ChartFacts) -> set[str]:
    return {
        f"{w.kind} {w.name} (pod security {w.pod_security}{', ' + w.hook if w.hook else ''})"
        for w in facts.workloads
    }
