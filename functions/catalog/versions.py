"""Versions of everything deployed, from `versions.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["ChartVersion", "chart", "cluster_autoscaler", "image", "kubernetes"]


@dataclass(frozen=True)
class ChartVersion:
    """A Helm chart at a version."""

    name: str
    repository: str
    version: str


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


def cluster_autoscaler(kubernetes: str) -> str:
    """Return the tag of cluster-autoscaler's image for a Kubernetes minor version, or for the nearest."""
    tags = _versions()["cluster-autoscaler"]
    return str(tags[min(tags, key=lambda known: (abs(_minor(known) - _minor(kubernetes)), known))])


def _minor(version: str) -> int:
    return int(version.partition(".")[2])
