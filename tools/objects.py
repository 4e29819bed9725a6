"""Manifests inside others: in provider-kubernetes Objects, and as inputs of a Composition's functions."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.manifests import Manifest, group_of, label


@dataclass(frozen=True)
class Inner:
    """A manifest and what it was found in."""

    manifest: Manifest
    inside: str
    """'Object namespace/name' or 'Composition name', or '' for a composed resource itself."""
    applied: bool = True
    """False for the manifest of an Object that only observes: a name and a kind are enough."""
    is_input: bool = False
    """True for the input of a function: a manifest without metadata."""

    @property
    def label(self) -> str:
        """'Kind namespace/name', and the Object or Composition that holds it."""
        return f"{label(self.manifest)} in {self.inside}" if self.inside else label(self.manifest)


def is_object(manifest: Manifest) -> bool:
    """Tell whether a manifest is a provider-kubernetes Object."""
    return group_of(manifest) == "kubernetes.m.crossplane.io" and manifest.get("kind") == "Object"


def inner(manifest: Manifest) -> Manifest | None:
    """Return the manifest that an Object holds; None for other kinds."""
    if not is_object(manifest):
        return None
    found = manifest.get("spec", {}).get("forProvider", {}).get("manifest")
    return found if isinstance(found, dict) else None


def unwrap(manifest: Manifest, inside: str = "", applied: bool = True) -> Iterator[Inner]:
    """Yield a manifest and the manifests inside: an Object may hold an Object, a Composition holds inputs."""
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
