"""What is asked of a CRDUpgrade, what becomes of each CRD, and what is said of it; all of it pure."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import yaml

from functions.api import AppliedCRDs, CRDUpgrade, Undeliverable, contract

from .delivery import CLAIM_NAMESPACE, Undelivered, condition

__all__ = [
    "Asked",
    "Done",
    "Step",
    "annotated",
    "asked_of",
    "crds_of",
    "refuse_secret",
    "standing",
    "status_of",
    "step",
]

_MOST_BYTES = 64 * 2**20
"""Of an archive once it is unpacked."""
_FOLDER, _ENDINGS = "crds", (".yaml", ".yml", ".json")
"""What Helm takes for CRDs of a chart."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_API_VERSION, _KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"


class Asked(NamedTuple):
    """A CRDUpgrade."""

    namespace: str
    name: str
    uid: str
    generation: int
    claim_namespace: str
    """Namespace of the claim that it is composed for; empty for one that core has not composed."""
    spec: CRDUpgrade
    status: Mapping[str, Any]

    @property
    def chart(self) -> str:
        """The chart, as messages name it and as the annotation of its CRDs says it."""
        return f"{self.spec.chart.name} {self.spec.chart.version}"

    @property
    def applied(self) -> AppliedCRDs | None:
        """What was applied last, where that is what is asked for; None for everything else."""
        found = self.status.get("applied")
        applied = AppliedCRDs.model_validate(found) if found else None
        return applied if applied and f"{applied.name} {applied.version}" == self.chart else None


class Step(Enum):
    """What becomes of a CRD."""

    APPLY = "apply"
    CURRENT = "current"
    """It is this chart's already."""
    NEWER = "newer"
    """It is a newer version's and left alone: with the old schema, objects would lose fields."""


class Done(NamedTuple):
    """What a cluster has after a successful try."""

    crds: tuple[str, ...]
    """Names of the chart's CRDs."""
    newer: tuple[str, ...] = ()
    """Those of them that are a newer chart's."""


def asked_of(found: Mapping[str, Any]) -> Asked:
    """Read a CRDUpgrade.

    Raises:
        ValueError: for one that its CRD would not let in.
    """
    metadata = found["metadata"]
    return Asked(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        int(metadata.get("generation", 0)),
        metadata.get("labels", {}).get(CLAIM_NAMESPACE, ""),
        CRDUpgrade.model_validate(found["spec"]),
        found.get("status", {}),
    )


def refuse_secret(asked: Asked) -> None:
    """Refuse to read what is beside neither the upgrade nor its claim, whoever has written the upgrade.

    Raises:
        Undelivered: saying so.
    """
    ref = asked.spec.pull_secret_ref
    if ref and ref.namespace not in {asked.namespace, asked.claim_namespace or asked.namespace}:
        raise Undelivered(
            Undeliverable.NOT_ALLOWED,
            f"Secret {ref.namespace}/{ref.name} is not this upgrade's to read. CRDUpgrades are composed by "
            "Freehold's functions alone: delete one that somebody else has made",
        )


def crds_of(archive: bytes) -> list[dict[str, Any]]:
    """Return the CRDs of the folder `crds` of a chart's archive; not those of the charts inside it.

    Raises:
        Undelivered: for an archive that is none, or too large.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as packed:
            unpacked = packed.read(_MOST_BYTES + 1)
        if len(unpacked) > _MOST_BYTES:
            raise ValueError("too large")
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as tar:
            for member in tar:
                _, _, path = member.name.partition("/")
                if not (path.startswith(f"{_FOLDER}/") and path.endswith(_ENDINGS) and member.isfile()):
                    continue
                content = tar.extractfile(member)
                assert content is not None, "it is a file"
                for each in yaml.load_all(content.read(), _LOADER):
                    if each and each["kind"] == _KIND and each["apiVersion"] == _API_VERSION:
                        found[each["metadata"]["name"]] = each
    except (
        OSError,
        EOFError,
        zlib.error,
        tarfile.TarError,
        yaml.YAMLError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ):
        raise Undelivered(Undeliverable.CHART_UNREADABLE, "the chart's archive cannot be read") from None
    return list(found.values())


def step(crd: Mapping[str, Any], found: Mapping[str, Any] | None, chart: str) -> Step:
    """Tell what becomes of a CRD of a chart.

    Args:
        crd: of the chart.
        found: as it is in the cluster; None where it is not there.
        chart: name and version, a space between them.

    Raises:
        Undelivered: where it lacks a version in which there may be objects.
    """
    if found is None:
        return Step.APPLY
    stands = standing(found["metadata"], chart)
    if stands is not Step.APPLY:
        return stands
    new = {each["name"]: bool(each.get("served")) for each in crd["spec"]["versions"]}
    stored = set((found.get("status") or {}).get("storedVersions") or ())
    served = {each["name"] for each in found["spec"]["versions"] if each.get("served")}
    gone = sorted({v for v in stored if v not in new} | {v for v in served if not new.get(v)})
    if gone:
        own = crd["metadata"]["name"]
        raise Undelivered(
            Undeliverable.VERSION_IN_USE,
            f"CRD {own} of chart {chart} has {' and '.join(gone)} no more, which the cluster's own serves or "
            "has stored: nothing is changed. Move the objects to another version, and take that one out of "
            f"the cluster's CRD and its status.storedVersions (kubectl edit crd {own})",
        )
    return Step.APPLY


def standing(metadata: Mapping[str, Any], chart: str) -> Step:
    """Tell what becomes of a CRD that is in the cluster, as far as its metadata say it.

    Args:
        metadata: of the CRD.
        chart: name and version, a space between them.
    """
    before = str((metadata.get("annotations") or {}).get(contract.CHART_OF_CRD, ""))
    if before == chart:
        return Step.CURRENT
    (name, _, version), (name_before, _, version_before) = chart.partition(" "), before.partition(" ")
    same = name == name_before
    return Step.NEWER if same and _is_newer(version_before, version) else Step.APPLY


def annotated(crd: Mapping[str, Any], chart: str) -> dict[str, Any]:
    """Return what is applied of a chart's CRD, which says of itself which chart it is of."""
    metadata = crd["metadata"]
    annotations = {**(metadata.get("annotations") or {}), contract.CHART_OF_CRD: chart}
    kept = {"name": metadata["name"], "labels": metadata.get("labels") or {}, "annotations": annotations}
    return {"apiVersion": _API_VERSION, "kind": _KIND, "metadata": kept, "spec": crd["spec"]}


def _is_newer(one: str, other: str) -> bool:
    """Tell whether a version comes after another; not where one of them is no semantic version."""
    first, second = _order(one), _order(other)
    return first is not None and second is not None and first > second


def _order(version: str) -> tuple[Any, ...] | None:
    """Return what sorts as semantic versions do; None for what is none."""
    core, _, more = version.removeprefix("v").partition("+")[0].partition("-")
    try:
        numbers = [int(number) for number in core.split(".")]
    except ValueError:
        return None
    parts = [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in more.split(".")]
    return (numbers, not more, parts)


def status_of(asked: Asked, outcome: Done | Undelivered, now: str) -> dict[str, Any]:
    """Return the status after a try.

    Args:
        asked: the upgrade, with the status until now.
        outcome: what the cluster has, or why it has not what is asked for.
        now: the time, as Kubernetes writes it.
    """
    chart = asked.spec.chart
    applied: Mapping[str, Any] = asked.status.get("applied") or {}
    if isinstance(outcome, Done):
        applied = {"name": chart.name, "version": chart.version, "crds": list(outcome.crds)}
        left = f"{', '.join(outcome.newer)}: of a newer version, and left alone" if outcome.newer else ""
        synced = ("True", _APPLIED, left[:1024])
    else:
        synced = ("False", outcome.reason.value, str(outcome)[:1024])
    there = (applied.get("name"), applied.get("version")) == (chart.name, chart.version)
    ready = ("True", _APPLIED, "") if there else synced
    before = {each["type"]: each for each in asked.status.get("conditions", ())}
    return {
        "observedGeneration": asked.generation,
        **({"applied": applied} if applied else {}),
        "conditions": [
            condition(type_, says, before.get(type_), now)
            for type_, says in (("Ready", ready), ("Synced", synced))
        ],
    }


_APPLIED = "Applied"
