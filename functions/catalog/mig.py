"""MIG profiles, by which a GPU is partitioned in hardware; `mig_profiles.tsv` has the sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["MigProfile", "mig_profiles"]


@dataclass(frozen=True)
class MigProfile:
    """One profile of a GPU model."""

    name: str
    """As in the extended resource nvidia.com/mig-NAME."""
    memory_mib: int | None
    """Memory of one partition that the driver reports, in MiB, which is below the name's; None: not known."""
    per_gpu: int
    """Partitions of one GPU that has this profile alone, as in mig-parted's configuration all-NAME."""


@cache
def mig_profiles() -> dict[str, dict[str, MigProfile]]:
    """Return the profiles by GPU model and name; a GPU without MIG has none.

    Profiles with media engines or graphics are left out: serving uses neither.
    """
    found: dict[str, dict[str, MigProfile]] = {}
    for row in rows("mig_profiles.tsv"):
        memory = row["memory_mib"]
        profile = MigProfile(row["profile"], int(memory) if memory else None, int(row["slices_per_gpu"]))
        found.setdefault(row["gpu"], {})[profile.name] = profile
    return found
