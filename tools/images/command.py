"""What `freehold images` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.console import say, show, table
from tools.errors import ToolError
from tools.images import debian
from tools.images.kinds import DEBIAN_PACKAGES, KINDS, Kind
from tools.images.registry import Registry
from tools.images.store import Built, Store

__all__ = ["build", "lock", "run"]


def build(name: str, architecture: str = "amd64", store: Store | None = None) -> Built:
    """Return an image, made unless it is there. Raises ToolError for a name that is none."""
    kind = _kind(name)
    if architecture not in kind.architectures:
        known = ", ".join(kind.architectures)
        raise ToolError(f"the image {name} is made for {known} alone, and not for {architecture}")
    return (store or Store()).build(name, kind.make(architecture))


def lock() -> None:
    """Pin the newest Debian packages of all images."""
    debian.lock(DEBIAN_PACKAGES)
    say(f"wrote {debian.LOCK}")


def run(
    names: Sequence[str],
    architectures: Sequence[str],
    push: str | None,
    authority: Path | None,
    output: Path | None,
) -> None:
    """Make images; push them to a registry or write them as archives; print what they are."""
    rows = []
    registry = _registry(push, authority) if push else None
    for name in names or list(KINDS):
        kind = _kind(name)
        for architecture in architectures:
            built = build(name, architecture)
            if registry:
                _push(registry, kind, built, alone=len(architectures) == 1)
            if output:
                _write(built, kind, output)
            rows.append((kind.reference, architecture, built.digest, _megabytes(built.size)))
    show(table(("IMAGE", "ARCHITECTURE", "DIGEST", "SIZE"), rows))


def _registry(push: str, authority: Path | None) -> Registry:
    plain = push.startswith("http://")
    return Registry(push.removeprefix("http://").removeprefix("https://"), authority, plain)


def _push(registry: Registry, kind: Kind, built: Built, *, alone: bool) -> None:
    tag = kind.tag if alone else f"{kind.tag}-{built.architecture}"
    say(f"pushing {registry.host}/{kind.repository}:{tag}")
    registry.push(built, kind.repository, tag)


def _write(built: Built, kind: Kind, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"{built.name}-{built.architecture}.tar"
    say(f"writing {target}")
    with target.open("wb") as file:
        built.archive(file, kind.reference)


def _kind(name: str) -> Kind:
    try:
        return KINDS[name]
    except KeyError:
        raise ToolError(f"there is no image {name!r}: {', '.join(KINDS)}") from None


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
