"""Which release of the node image, and which version of each add-on, a cluster runs.

A live node group or add-on keeps the release that it was composed with until somebody asks for
another: the claim by `spec.aws.nodeRelease` or `spec.kubernetesVersion`, the platform by the
function's input. A newer package alone moves nothing that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.api import EksInput
from functions.base import Invalid, View
from functions.catalog import eks

from ..created.versions import LiveVersions, Versions

__all__ = ["MINOR", "NodeVersions", "Releases"]

MINOR = "freehold.dev/kubernetes-version"
"""Annotation of an Addon: the Kubernetes minor version that the add-on's version was taken for."""


@dataclass(frozen=True)
class NodeVersions:
    """What the nodes of a node group run. EKS replaces every node for each change of one of these."""

    kubernetes: str
    """Kubernetes minor version."""
    image: str
    """Release of the node image; empty where EKS chose the newest at the time."""
    template: str
    """Version of the launch template."""


@dataclass(frozen=True)
class Releases:
    """Releases that the claim and the platform ask for."""

    version: Versions
    """Kubernetes versions of the cluster."""
    node_release: str
    """Release of the node image that the claim asks for; empty where it leaves that to the platform."""
    given: Mapping[str, EksInput]
    """The platform's releases, by Kubernetes minor version."""

    def check(self, live: LiveVersions | None) -> None:
        """Refuse a Kubernetes version that EKS does not have, and a node image of another one.

        What a live cluster has is never refused: EKS upgrades clusters by itself, to versions that a
        package may not know yet.

        Args:
            live: Kubernetes versions of the live cluster; None for a new cluster.

        Raises:
            Invalid: with the versions that there are.
        """
        wanted, known = self.version.control_plane, {*eks(), *self.given}
        if wanted not in known and (live is None or wanted not in (live.composed, live.running)):
            raise Invalid(
                "spec.kubernetesVersion",
                f"EKS is not known to have Kubernetes {wanted}",
                f"Use one of {', '.join(sorted(known, key=_minor))}; a platform that knows better lists "
                f"{wanted} under eks in the input of function-node-pools",
            )
        asked, nodes = _minor_of(self.node_release), self.version.nodes
        left_behind = live is not None and _minor(asked) < _minor(nodes)
        if asked and nodes and asked not in (self.version.control_plane, nodes) and not left_behind:
            raise Invalid(
                "spec.aws.nodeRelease",
                f"{self.node_release} is for Kubernetes {asked}, and the cluster has {nodes}",
                f"Name a release of {nodes}, or leave it out",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings: a release that the cluster has left behind, by its Kubernetes version."""
        asked, nodes = _minor_of(self.node_release), self.version.nodes
        if not asked or not nodes or _minor(asked) >= _minor(nodes):
            return ()
        return (
            f"spec.aws.nodeRelease {self.node_release} has no effect: it is for Kubernetes {asked}, and the "
            f"cluster has {nodes}; name a release of {nodes}, or leave it out",
        )

    def nodes(self, live: View | None, newest_template: str) -> NodeVersions | None:
        """Return what the nodes of a node group are to run.

        The launch template's version moves only together with the other two. So whoever makes a
        version of it (a newer package, a changed tag, somebody in AWS' console) replaces no node.

        Args:
            live: the node group; None while there is none.
            newest_template: version of the launch template that has the content desired now; empty while
                that is not known or not made.

        Returns:
            None while a new node group has to wait for its launch template.
        """
        if live is None:
            minor = self.version.nodes or self.version.control_plane
            return NodeVersions(minor, self._image(minor, None), newest_template) if newest_template else None
        has = NodeVersions(
            kubernetes=live.text("spec", "forProvider", "version") or "",
            image=live.text("spec", "forProvider", "releaseVersion") or "",
            template=live.text("spec", "forProvider", "launchTemplate", "version") or "",
        )
        minor = self.version.nodes or has.kubernetes
        image = self._image(minor, has.image if minor == has.kubernetes else None)
        if (minor, image) == (has.kubernetes, has.image) or not newest_template:
            return has
        return NodeVersions(minor, image, newest_template)

    def _image(self, minor: str, has: str | None) -> str:
        """Return the release of the node image for a Kubernetes version; empty leaves it to EKS.

        Args:
            minor: the Kubernetes version.
            has: release that live nodes of that version have; None for new nodes.
        """
        if self.node_release.startswith(f"{minor}."):
            return self.node_release
        if has is not None:
            return has
        given, known = self.given.get(minor), eks().get(minor)
        return (given and given.node_release) or (known.node_release if known else "")

    def addon(self, name: str, live: View | None) -> tuple[str, str]:
        """Return an add-on's version, empty where EKS is to choose, and the Kubernetes version it is for.

        Args:
            name: EKS' name of the add-on.
            live: the Addon; None while there is none.
        """
        taken_for = (live and live.text("metadata", "annotations", MINOR)) or ""
        minor = self.version.nodes or taken_for or self.version.control_plane
        given, known = self.given.get(minor), eks().get(minor)
        if given and name in given.addons:
            return given.addons[name], minor
        has = (live and live.text("spec", "forProvider", "addonVersion")) or ""
        if live is not None and taken_for in ("", minor):
            return has, minor
        return (known.addons.get(name, has) if known else has), minor


def _minor_of(release: str) -> str:
    """Return 1.35 for 1.35.6-20260714; empty for an empty release."""
    return release.rpartition(".")[0]


def _minor(version: str) -> int:
    """Return 35 for 1.35; 0 for an empty version."""
    return int(version.partition(".")[2] or 0)
