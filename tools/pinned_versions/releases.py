"""What Freehold's examples have Helm install: every Release that their InferenceClusters compose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from functions.base import Request
from functions.main import load
from tools import paths
from tools.manifests import load as load_manifests

__all__ = ["Asked", "releases"]

_NAME = "example"


@dataclass(frozen=True)
class Asked:
    """One Release of one example."""

    example: str
    component: str
    chart: str
    helm_name: str
    namespace: str
    values: Mapping[str, Any]


class _Known(defaultdict[str, bool]):
    """Every kind is known."""

    def __init__(self) -> None:
        super().__init__(lambda: True)

    def __contains__(self, _: object) -> bool:
        return True


@cache
def releases() -> tuple[Asked, ...]:
    """Compose every example; both functions run as they do in a pipeline."""
    found = []
    for file in sorted(paths.EXAMPLES.rglob("*.yaml")):
        for claim in load_manifests(file):
            if claim["kind"] == "InferenceCluster":
                name = str(file.relative_to(paths.EXAMPLES).with_suffix(""))
                found += [_asked(name, manifest) for manifest in _composed(claim)]
    return tuple(found)


def _composed(claim: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    metadata = claim["metadata"]
    reference = {"namespace": metadata.get("namespace", "default"), "name": metadata["name"]}
    composite = {"metadata": {"name": _NAME}, "spec": {**claim["spec"], "claimRef": reference}}
    inputs = _inputs()
    before = load("node-pools").compose(_request(composite, inputs["node-pools"], {}))
    after = load("cluster-stack").compose(_request(composite, inputs["cluster-stack"], before.status))
    return [
        (r.name, r.manifest)
        for r in after.resources
        if r.manifest is not None and r.manifest["kind"] == "Release"
    ]


def _inputs() -> dict[str, Mapping[str, Any]]:
    """Return the inputs of the composition as it is shipped, by function."""
    [composition] = load_manifests(paths.COMPOSITIONS / "inferencecluster.yaml")
    steps = composition["spec"]["pipeline"]
    return {s["functionRef"]["name"].removeprefix("function-"): s.get("input", {}) for s in steps}


def _request(composite: Mapping[str, Any], given: Mapping[str, Any], status: Mapping[str, Any]) -> Request:
    return Request(
        composite=composite,
        observed={},
        composed_before={},
        status_before=status,
        answers={},
        input=given,
        kinds=_Known(),
    )


def _asked(example: str, named: tuple[str, Mapping[str, Any]]) -> Asked:
    name, manifest = named
    spec = manifest["spec"]["forProvider"]
    return Asked(
        example,
        name.partition("/")[2],
        spec["chart"]["name"],
        manifest["metadata"]["annotations"]["crossplane.io/external-name"],
        spec["namespace"],
        spec["values"],
    )
