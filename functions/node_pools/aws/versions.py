"""Which Kubernetes version a cluster is to have."""

from __future__ import annotations

from dataclasses import dataclass

from functions.base import Invalid

__all__ = ["Versions", "decide"]

_AT = "spec.kubernetesVersion"


@dataclass(frozen=True)
class Versions:
    """Kubernetes minor versions, such as 1.35."""

    control_plane: str
    nodes: str
    """Never ahead of the control plane, which EKS would refuse."""
    note: str = ""
    behind: str = ""
    """What the spec asks for, where AWS has gone beyond it by itself."""

    @property
    def asked(self) -> str:
        """What to record: going back is judged by what was asked, not by what AWS did."""
        return self.behind or self.control_plane


def decide(*, asked: str | None, recorded: str, running: str, default: str) -> Versions:
    """Decide the versions of a cluster; only the spec upgrades one that lives.

    Args:
        asked: by the spec.
        recorded: asked for in an earlier run, empty before the first.
        running: observed of a live control plane, empty while there is none.
        default: for a new cluster: the platform's, or the package's.

    Raises:
        Invalid: when the spec goes back, or forward by more than one minor version.
    """
    if not running:
        wanted = asked or recorded or default
        return Versions(wanted, wanted)
    wanted = asked or max(recorded, running, key=_minor)
    if recorded and _minor(wanted) < _minor(recorded):
        raise Invalid(
            _AT,
            f"the cluster has {recorded}, and Kubernetes cannot go back to {wanted}",
            f"Set {recorded}, or claim a new cluster",
        )
    if _minor(wanted) > _minor(running) + 1:
        raise Invalid(
            _AT,
            f"the cluster runs {running}; {wanted} is more than one minor version ahead",
            f"Set 1.{_minor(running) + 1} first",
        )
    if _minor(wanted) < _minor(running):
        note = f"the cluster runs {running}, AWS has upgraded it: set {_AT} to {running}"
        return Versions(running, running, note, wanted)
    return Versions(wanted, running)


def _minor(version: str) -> int:
    """Return 35 for 1.35; 0 for nothing."""
    return int(version.split(".")[1]) if version else 0
