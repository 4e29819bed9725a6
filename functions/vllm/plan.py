"""What is deployed for one Model: everything that its manifests need, and nothing else."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from functions.api import ModelSpec, Placement, VLLMInput
from functions.base import Claim, Request, digest, unique_name
from functions.catalog import image

__all__ = ["PLACEMENT_ANNOTATION", "Plan", "asked", "make_plan", "namespace_of", "weights_id"]

_STARTUP_MINUTES = 15
_STARTUP_SECONDS_PER_GIB = 18
_STARTUP_BOUNDS = (30 * 60, 180 * 60)


PLACEMENT_ANNOTATION = "freehold.dev/placement"
"""On the Objects of the namespace and the workload: the placement, should the status be lost."""


@dataclass(frozen=True)
class Plan:
    """A placed Model."""

    composite: str
    claim: Claim
    spec: ModelSpec
    placement: Placement
    image: str
    hub: str
    """Address of the Hugging Face Hub or its mirror."""
    weights_gib: float
    """Of the files."""
    context: int
    """Longest context of a request, in tokens."""

    @property
    def name(self) -> str:
        """The name that stands in labels of everything that belongs to the Model."""
        return self.placement.namespace

    @property
    def note(self) -> dict[str, str]:
        """The placement as an annotation.

        Sorted: the order of a map in a request is not the same in every run.
        """
        placement = self.placement.model_copy(update={"runners_up": None})
        return {PLACEMENT_ANNOTATION: json.dumps(placement.plain(), sort_keys=True)}

    @property
    def startup_seconds(self) -> int:
        """Time to load the weights before a pod counts as stuck.

        KAITO 0.12's budget: 15 minutes and 18 seconds a GiB, within 30 to 180 minutes.
        """
        seconds = math.ceil(_STARTUP_MINUTES * 60 + _STARTUP_SECONDS_PER_GIB * self.weights_gib)
        return min(max(seconds, _STARTUP_BOUNDS[0]), _STARTUP_BOUNDS[1])

    @property
    def volume_gib(self) -> int:
        """Size of the weights' volume: the files, some more, and the downloader's own notes."""
        return math.ceil(self.weights_gib * 1.15 + 2)

    @property
    def prefix(self) -> str:
        """What the names of objects in the control plane begin with: one Model's, in one place."""
        tag = self.placement.tag_in_names
        return f"{self.composite}-{tag}" if tag else self.composite

    def object_name(self, what: str) -> str:
        """Name of a composed object in the control plane."""
        return unique_name(self.prefix, what)


def make_plan(
    request: Request,
    spec: ModelSpec,
    given: VLLMInput,
    placement: Placement,
    weights_gib: float,
    context: int,
) -> Plan:
    """Put a placed Model's plan together."""
    return Plan(
        composite=request.name,
        claim=request.claim,
        spec=spec,
        placement=placement,
        image=spec.engine.image or given.image or image("vllm"),
        hub=given.weights.endpoint,
        weights_gib=weights_gib,
        context=context,
    )


def namespace_of(claim: Claim, tag: str = "") -> str:
    """Name the Model's own namespace in its cluster, from what a tenant cannot choose for another.

    The digest separates tenants, so it is long enough that nobody finds a second name for it.
    """
    return unique_name(claim.namespace, claim.name, *([tag] if tag else []), digits=16)


def weights_id(spec: ModelSpec) -> str:
    """Identify one set of weights, so that a new one gets a volume of its own."""
    return digest(spec.model, spec.revision)


def asked(spec: ModelSpec) -> str:
    """Identify what a placement depends on, so that it is only made again when that changes.

    Without defaults: a field that a newer version adds places nothing again.
    """
    sized = {"model", "context_length", "concurrency", "gpu", "architecture", "task", "quantization"}
    return digest(spec.model_dump_json(include=sized, exclude_defaults=True))
