"""Publishing a version: all of it or nothing that anybody could pull by its tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.console import say
from tools.errors import ToolError
from tools.images.image import Blob, index
from tools.images.kinds.kind import Kind
from tools.images.registry import Registry
from tools.images.store import Built

__all__ = ["Version", "publish"]


@dataclass(frozen=True)
class Version:
    """An image to publish under its tag, of one architecture or several."""

    kind: Kind
    builts: Sequence[Built]

    @property
    def manifest(self) -> Blob:
        """What the tag names: the image's manifest, or the index of its architectures."""
        [first, *others] = self.builts
        return index([built.descriptor for built in self.builts]) if others else first.manifest


def publish(remote: Registry, versions: Sequence[Version]) -> None:
    """Push images, then their tags in the order that is given.

    A version that is there already is left alone. Raises ToolError, before anything is sent, when one of
    them is there with other contents; and when the registry is not reached or refuses: no tag is set then
    unless everything before it was.
    """
    new = [version for version in versions if not _is_there(remote, version)]
    for version in new:
        say(f"pushing {remote.host}/{version.kind.repository}")
        for built in version.builts:
            remote.push(built, version.kind.repository, built.digest)
    for version in new:
        say(f"tagging {remote.host}/{version.kind.repository}:{version.kind.tag}")
        remote.tag(version.kind.repository, version.kind.tag, version.manifest)


def _is_there(remote: Registry, version: Version) -> bool:
    kind = version.kind
    found = remote.digest(kind.repository, kind.tag)
    name = f"{remote.host}/{kind.repository}:{kind.tag}"
    if found is None:
        return False
    if found != version.manifest.digest:
        raise ToolError(
            f"{name} is there already with other contents ({found}), and a version is published once: raise "
            "the version in pyproject.toml, or name another by --tag. Nothing was pushed"
        )
    say(f"{name} is there already")
    return True
