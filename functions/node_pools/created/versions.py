"""Which Kubernetes version a cluster is to have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from functions.base import Invalid, View

__all__ = ["LiveVersions", "Versions", "decide", "live_versions", "newest"]

_AT = "spec.kubernetesVersion"


@dataclass(frozen=True)
class LiveVersions:
    """Kubernetes minor versions of a live cluster object."""

    composed: str
    """The version that the object was composed with."""
    running: str
    """The version that the cloud reports; empty while there is no control plane, or where the
    object's status is lost."""


def live_versions(cluster: View) -> LiveVersions:
    """Return the Kubernetes versions of a live cluster object, from its fields `version`."""
    return LiveVersions(
        composed=cluster.text("spec", "forProvider", "version") or "",
        running=cluster.text("status", "atProvider", "version") or "",
    )


@dataclass(frozen=True)
class Versions:
    """Kubernetes minor versions, such as 1.35."""

    control_plane: str
    nodes: str
    """Newest version that nodes may have: never ahead of the control plane.

    Empty while it is not known what the control plane runs; live nodes keep their version then.
    """
    note: str = ""
    behind: str = ""
    """The version that the spec asks for, where the cluster does not follow the spec."""

    @property
    def asked(self) -> str:
        """The version to record: going back is judged by what was asked, not by what the cloud did."""
        return self.behind or self.control_plane


def decide(
    *, asked: str | None, recorded: str, live: LiveVersions | None, default: str, cloud: str
) -> Versions:
    """Decide the versions of a cluster; only the spec upgrades a live one.

    A status that is lost upgrades nothing: the version that the live object was composed with
    says what the cluster has been asked for.

    Args:
        asked: version in the spec; None where the spec leaves it out.
        recorded: version asked for in an earlier run; empty before the first, or where the status is lost.
        live: versions of the live cluster object; None while there is no cluster.
        default: version of a new cluster: the platform's, or the package's.
        cloud: name of the cloud in messages.

    Raises:
        Invalid: when the spec goes back, or forward by more than one minor version.
    """
    if live is None or not live.composed:
        wanted = asked or recorded or default
        return Versions(wanted, wanted)
    running = live.running
    if not running:
        return Versions(live.composed, nodes="", behind=asked or "")
    wanted = asked or max(recorded, live.composed, running, key=_minor)
    if recorded and _minor(wanted) < min(_minor(recorded), _minor(running)):
        raise Invalid(
            _AT,
            f"the cluster runs {running}, and Kubernetes cannot go back to {wanted}",
            f"Set {running}, or claim a new cluster",
        )
    if _minor(wanted) > _minor(running) + 1:
        raise Invalid(
            _AT,
            f"the cluster runs {running}; {wanted} is more than one minor version ahead",
            f"Set 1.{_minor(running) + 1} first",
        )
    if _minor(wanted) < _minor(running):
        note = f"the cluster runs {running}, {cloud} has upgraded it: set {_AT} to {running}"
        return Versions(running, running, note, wanted)
    return Versions(wanted, running)


def newest(versions: Iterable[str]) -> str:
    """Return the newest of some versions, of which each may be empty; empty where there is none.

    Nodes are never ahead of their control plane, so their versions stand in for one that is recorded nowhere.
    """
    return max(versions, key=_minor, default="")


def _minor(version: str) -> int:
    """Return 35 for 1.35 and for 1.35.2; 0 for what is no version of Kubernetes 1, such as an empty one."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return int(minor) if major == "1" and minor.isdecimal() else 0
