"""Versions of everything deployed, from `versions.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["ChartVersion", "EksVersions", "chart", "cluster_autoscaler", "eks", "image", "kubernetes"]


@dataclass(frozen=True)
class ChartVersion:
    """A Helm chart at a version."""

    name: str
    repository: str
    version: str


@dataclass(frozen=True)
class EksVersions:
    """What EKS runs of one Kubernetes minor version."""

    node_release: str
    """Release of the node images, such as 1.35.6-20260714."""
    addons: Mapping[str, str]
    """Versions of EKS add-ons by the add-on's name."""


@cache
def _versions() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("versions.toml").read_text(encoding="utf-8"))


def kubernetes() -> str:
    """Return the Kubernetes minor version of new clusters."""
    return str(_versions()["kubernetes"])


def image(name: str) -> str:
    """Return an image reference."""
    return str(_versions()["images"][name])


def chart(component: str) -> ChartVersion:
    """Return the chart that installs a component, with its repository and version."""
    found = _versions()["charts"][component]
    return ChartVersion(found.get("chart", component), found["repository"], found["version"])


@cache
def eks() -> Mapping[str, EksVersions]:
    """Return what EKS runs, by Kubernetes minor version."""
    return {
        minor: EksVersions(str(found["node-release"]), found["addons"])
        for minor, found in _versions()["eks"].items()
    }


def cluster_autoscaler(kubernetes: str) -> str:
    """Return the tag of cluster-autoscaler's image for a Kubernetes minor version, or for the nearest."""
    tags = _versions()["cluster-autoscaler"]
    return str(tags[min(tags, key=lambda known: (abs(_minor(known) - _minor(kubernetes)), known))])


def _minor(version: str) -> int:
    return int(version.partition(".")[2])
