"""Manifests inside provider-kubernetes Objects."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.manifests import Manifest, group_of, label


@dataclass(frozen=True)
class Inner:
    """A manifest and where it was found."""

    manifest: Manifest
    inside: str
    """'Object namespace/name', or '' for a composed resource itself."""
    applied: bool = True
    """False for one that is only observed: it may be a name and a kind."""

    @property
    def label(self) -> str:
        """'Kind namespace/name', and what it is inside of."""
        return f"{label(self.manifest)} in {self.inside}" if self.inside else label(self.manifest)


def is_object(manifest: Manifest) -> bool:
    """Say whether a manifest is a provider-kubernetes Object."""
    return group_of(manifest) == "kubernetes.m.crossplane.io" and manifest.get("kind") == "Object"


def inner(manifest: Manifest) -> Manifest | None:
    """Return the manifest in an Object, or None when it is no Object."""
    if not is_object(manifest):
        return None
    found = manifest.get("spec", {}).get("forProvider", {}).get("manifest")
    return found if isinstance(found, dict) else None


def unwrap(manifest: Manifest, inside: str = "", applied: bool = True) -> Iterator[Inner]:
    """Yield a manifest, and those in it if it is an Object (which may hold an Object)."""
    yield Inner(manifest, inside, applied)
    within = inner(manifest)
    if within is not None:
        policies = manifest.get("spec", {}).get("managementPolicies") or ["*"]
        where = f"{label(manifest)} in {inside}" if inside else label(manifest)
        yield from unwrap(within, where, applied and policies != ["Observe"])
