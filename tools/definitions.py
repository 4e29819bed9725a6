"""The XRDs and compositions of this repository, found by kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.errors import ToolError
from tools.manifests import Manifest, group_of, load
from tools.paths import COMPOSITIONS, XRDS


@dataclass(frozen=True)
class Definition:
    """One CompositeResourceDefinition and the file it is in."""

    xrd: Manifest
    path: Path

    @property
    def group(self) -> str:
        """The API group of both kinds."""
        return str(self.xrd["spec"]["group"])

    @property
    def kind(self) -> str:
        """The kind of the XR."""
        return str(self.xrd["spec"]["names"]["kind"])

    @property
    def claim_kind(self) -> str | None:
        """The kind of the claim, if there is one."""
        names = self.xrd["spec"].get("claimNames") or {}
        return names.get("kind")

    @property
    def enforces_composition(self) -> bool:
        """Whether a claim's own choice of composition is ignored."""
        return "enforcedCompositionRef" in self.xrd["spec"]

    def schema(self, version: str) -> dict[str, Any]:
        """Return the OpenAPI schema of a version; empty if it has none."""
        for candidate in self.xrd["spec"]["versions"]:
            if candidate["name"] == version:
                schema: dict[str, Any] = candidate.get("schema", {}).get("openAPIV3Schema", {})
                return schema
        return {}


@dataclass(frozen=True)
class Composition:
    """One Composition and the file it is in."""

    manifest: Manifest
    path: Path

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions its pipeline names, in order, each once."""
        steps = self.manifest["spec"].get("pipeline", [])
        return tuple(dict.fromkeys(step["functionRef"]["name"] for step in steps))


@dataclass(frozen=True)
class Definitions:
    """Every XRD and composition in two folders."""

    xrds: Path = XRDS
    compositions: Path = COMPOSITIONS

    @cached_property
    def all(self) -> Sequence[Definition]:
        """The XRDs, in the order of their file names."""
        return [
            Definition(manifest, file)
            for file in sorted(self.xrds.glob("*.yaml"))
            for manifest in load(file)
            if manifest["kind"] == "CompositeResourceDefinition"
        ]

    @cached_property
    def all_compositions(self) -> Sequence[Composition]:
        """The compositions, in the order of their file names."""
        return [
            Composition(manifest, file)
            for file in sorted(self.compositions.glob("*.yaml"))
            for manifest in load(file)
            if manifest["kind"] == "Composition"
        ]

    def of(self, manifest: Manifest) -> Definition:
        """Return the definition of a claim or XR. Raises ToolError naming the known kinds."""
        group, kind = group_of(manifest), manifest.get("kind")
        for definition in self.all:
            if group == definition.group and kind in {definition.kind, definition.claim_kind}:
                return definition
        known = [
            f"{kind}.{definition.group}"
            for definition in self.all
            for kind in (definition.claim_kind, definition.kind)
            if kind
        ]
        raise ToolError(
            f"{manifest.get('apiVersion')} {kind} is no claim or XR of {self.xrds}: "
            f"known are {', '.join(known) or 'none'}"
        )

    def is_claim(self, manifest: Manifest) -> bool:
        """Say whether a manifest is a claim (an XR, or something else, is not)."""
        group, kind = group_of(manifest), manifest.get("kind")
        return any((group, kind) == (d.group, d.claim_kind) for d in self.all)

    def composition(self, xr: Manifest) -> Composition:
        """Return the composition of an XR: the one its XRD enforces, else its own choice.

        Raises ToolError when none, or several with nothing to choose by, fit.
        """
        wanted = {"apiVersion": xr["apiVersion"], "kind": xr["kind"]}
        fitting = [
            composition
            for composition in self.all_compositions
            if composition.manifest["spec"]["compositeTypeRef"] == wanted
        ]
        spec = self.of(xr).xrd["spec"]
        named = (
            spec.get("enforcedCompositionRef")
            or xr.get("spec", {}).get("compositionRef")
            or spec.get("defaultCompositionRef")
            or {}
        ).get("name")
        if named:
            fitting = [c for c in fitting if c.manifest["metadata"]["name"] == named]
        if len(fitting) == 1:
            return fitting[0]
        problem = "there is none" if not fitting else f"there are {len(fitting)}"
        name = f" named {named}" if named else ""
        raise ToolError(
            f"needs one composition{name} for {xr['apiVersion']} {xr['kind']} "
            f"in {self.compositions}: {problem}"
        )
