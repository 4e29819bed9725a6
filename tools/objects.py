"""Manifests inside others: in provider-kubernetes Objects, and as inputs of a Composition's functions."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.manifests import Manifest, group_of, label


@dataclass(frozen=True)
class Inner:
    """A manifest and where it was found."""

    manifest: Manifest
    inside: str
    """'Object namespace/name' or 'Composition name', or '' for a composed resource itself."""
    applied: bool = True
    """False for one that is only observed: it may be a name and a kind."""
    is_input: bool = False
    """True for the input of a function: a manifest without metadata."""

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
    steps = manifest["spec"]["pipeline"] if manifest.get("kind") == "Composition" else []
    for step in steps:
        if step.get("input"):
            yield Inner(step["input"], f"step {step['step']} of {label(manifest)}", is_input=True)
