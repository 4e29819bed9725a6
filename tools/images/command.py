"""What `freehold images` does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from functions.catalog import image
from tools import paths
from tools.console import say, show, table
from tools.errors import ToolError
from tools.images import debian, provenance, sbom
from tools.images.kinds import DEBIAN_PACKAGES, KINDS, Kind, packages
from tools.images.kinds.names import REGISTRY, here, published, version
from tools.images.publish import Version, publish
from tools.images.registry import Registry
from tools.images.store import Built, Store

__all__ = ["REGISTRY", "build", "lock", "run"]

INDEX = "index"
"""In place of an architecture: of what a tag names that has several."""
_SUMS, _LICENCES = "SHA256SUMS", "LICENSES.txt"


def build(
    name: str, architecture: str = "amd64", registry: str = REGISTRY, store: Store | None = None
) -> Built:
    """Return an image, made unless it is there. Raises ToolError for a name that is none."""
    return _build(_kind(name, registry, version()), architecture, store)


def _build(kind: Kind, architecture: str, store: Store | None = None) -> Built:
    if architecture not in kind.architectures:
        known = ", ".join(kind.architectures)
        raise ToolError(f"the image {kind.name} is made for {known} alone, and not for {architecture}")
    return (store or Store()).build(kind.name, kind.make(architecture))


def lock() -> None:
    """Pin the newest Debian packages of all images."""
    debian.lock(DEBIAN_PACKAGES)
    say(f"wrote {debian.LOCK}")


def run(
    names: Sequence[str],
    architectures: Sequence[str],
    registry: str,
    tag: str | None,
    push: str | None,
    authority: Path | None,
    output: Path | None,
) -> None:
    """Make images; push them to a registry or write them as archives; print what they are.

    Args:
        names: of the images; all that are published for none.
        architectures: amd64, arm64 or both.
        registry: REGISTRY/ORGANISATION, which they and the functions of compositions are named after.
        tag: theirs; that of this version for None.
        push: HOST[:PORT] of a registry; http:// before it for one without TLS.
        authority: the certificate authority of that registry.
        output: the folder of the archives.
    """
    tag = tag or here()
    made = []
    for name in names or [kind.name for kind in KINDS.values() if not kind.for_tests]:
        kind = _kind(name, registry, tag)
        made.append(Version(kind, [_build(kind, architecture) for architecture in architectures]))
    if push:
        publish(_remote(push, authority), made)
    if output:
        bills = [_write(built, each.kind, output) for each in made for built in each.builts]
        (output / paths.INSTALL.name).write_text(install(registry, tag))
        _sum_up(output, bills)
    show(table(("IMAGE", "ARCHITECTURE", "DIGEST", "SIZE"), [row for each in made for row in _rows(each)]))


def _rows(version: Version) -> list[tuple[str, str, str, str]]:
    """Return what is told of an image: each architecture, and what the tag names where those are several."""
    name = version.kind.reference
    rows = [(name, each.architecture, each.digest, _megabytes(each.size)) for each in version.builts]
    return [*rows, (name, INDEX, version.manifest.digest, "")] if len(rows) > 1 else rows


def install(registry: str, tag: str) -> str:
    """Return install.yaml for what is published in a registry under a tag: functions, and the agent."""
    text = paths.INSTALL.read_text().replace(image("agent"), published("agent", registry, tag))
    return text.replace(f"{REGISTRY}/function-", f"{registry}/function-")


def _remote(push: str, authority: Path | None) -> Registry:
    plain = push.startswith("http://")
    return Registry(push.removeprefix("http://").removeprefix("https://"), authority, plain)


def _write(built: Built, kind: Kind, output: Path) -> dict[str, Any]:
    """Write an image as an archive, its bill of materials and its provenance beside it; return the bill."""
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"{built.name}-{built.architecture}.tar"
    say(f"writing {target}")
    with target.open("wb") as file:
        built.archive(file, kind.reference)
    bill = sbom.bill(built, kind.reference)
    target.with_suffix(".cdx.json").write_text(json.dumps(bill, indent=1) + "\n")
    made_of = kind.make(built.architecture)
    statement = provenance.statement(built, made_of, kind.reference)
    target.with_suffix(".provenance.json").write_text(json.dumps(statement, indent=1) + "\n")
    return bill


def _sum_up(output: Path, bills: Sequence[Mapping[str, Any]]) -> None:
    """Write what all images are made of by its licence, and the checksums of all that was written."""
    rows = "\n".join(f"{name} {number}: {words}" for name, number, words in sbom.licences(bills))
    (output / _LICENCES).write_text(f"{rows}\n")
    sums = []
    for path in sorted(output.iterdir()):
        if path.name != _SUMS:
            with path.open("rb") as file:
                sums.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (output / _SUMS).write_text("".join(sums))


def _kind(name: str, registry: str, tag: str) -> Kind:
    """Return a kind of image as it is named in a registry, under a tag."""
    if name not in KINDS:
        raise ToolError(f"there is no image {name!r}: {', '.join(KINDS)}")
    kind = KINDS[name]
    if kind.for_tests:
        return kind
    named = {each.name: each for each in packages.kinds(registry, tag)}
    return named.get(name) or replace(kind, reference=published(name, registry, tag))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
