"""How a GPU is cut into hardware partitions (MIG); `mig_profiles.tsv` has the sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import rows

__all__ = ["MigProfile", "mig_profiles"]


@dataclass(frozen=True)
class MigProfile:
    """A size of partition."""

    name: str
    """As in the resource nvidia.com/mig-NAME."""
    memory_mib: int | None
    """Memory of one partition, in MiB: what the driver gives, below the name's; None where not known."""
    per_gpu: int
    """Partitions of one GPU when it is cut into these alone, as mig-parted's all-NAME does."""


@cache
def mig_profiles() -> dict[str, dict[str, MigProfile]]:
    """Return the profiles by GPU model and name; a GPU without MIG is not there.

    Profiles with media engines or graphics are left out: serving uses neither.
    """
    found: dict[str, dict[str, MigProfile]] = {}
    for row in rows("mig_profiles.tsv"):
        memory = row["memory_mib"]
        profile = MigProfile(row["profile"], int(memory) if memory else None, int(row["slices_per_gpu"]))
        found.setdefault(row["gpu"], {})[profile.name] = profile
    return found
