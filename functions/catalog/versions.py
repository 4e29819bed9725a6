"""Versions of everything deployed, from `versions.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["ChartVersion", "chart", "image", "kubernetes"]


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


def chart(name: str) -> ChartVersion:
    """Return a chart's repository and version."""
    found = _versions()["charts"][name]
    return ChartVersion(name, found["repository"], found["version"])
