"""Crossplane providers: which package installs the kinds of an API group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["Provider", "providers"]


@dataclass(frozen=True)
class Provider:
    """A provider package."""

    group: str
    """API group of its kinds."""
    version: str
    """Version of that API group."""
    kind: str
    """One of its kinds, with a short schema: where the control plane knows it, the package is installed."""
    package: str
    """Image of the package, without a tag."""
    since: str
    """The oldest version of the package that Freehold is written for."""

    @property
    def api_version(self) -> str:
        """Group and version, as in a manifest."""
        return f"{self.group}/{self.version}"

    @property
    def name(self) -> str:
        """The package's own name."""
        return self.package.rpartition("/")[2]


@cache
def providers() -> dict[str, Provider]:
    """Return the providers by API group."""
    return {
        row["group"]: Provider(row["group"], row["api_version"], row["kind"], row["package"], row["since"])
        for row in rows("providers.tsv")
    }
