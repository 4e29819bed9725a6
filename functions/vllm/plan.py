"""What is deployed for one placed Model: everything that its manifests need, and nothing else."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from functions.api import MetricsPods, ModelSpec, OfferedGateway, Placement, VLLMInput, Weights, contract
from functions.base import Claim, Request, unique_name
from functions.catalog import image

from .engine import Engine, engine_of

__all__ = ["PLACEMENT_ANNOTATION", "Plan", "image_of", "latest_image", "make_plan", "newer"]

PLACEMENT_ANNOTATION = "freehold.dev/placement"
"""On the Objects of the namespace and the workload: the placement, should the status be lost."""


class MetricsReaders(NamedTuple):
    """Pods that may read metrics."""

    namespaces: tuple[str, ...]
    """Whose pods all may."""
    pods: tuple[MetricsPods, ...]
    """More, by namespace and label."""


class Plan(NamedTuple):
    """A placed Model."""

    composite: str
    """Name of the XModel."""
    claim: Claim
    spec: ModelSpec
    placement: Placement
    engine: Engine
    latest_image: str
    """The image that a new Model gets now."""
    downloader: str
    """Image of the download's pod."""
    weights: Weights
    """How the platform has weights downloaded."""
    weights_gib: float
    """Size of the files."""
    context: int
    """Longest context of a request, in tokens."""

    metrics: MetricsReaders
    """Who in the cluster may read metrics."""
    pull_secret: str
    """Secret of the platform namespace by which images are pulled; empty: none."""
    priority_class: str
    """PriorityClass of pods that serve; empty: the cluster's default."""

    @property
    def name(self) -> str:
        """The value of the label that everything of this placement has in the cluster."""
        return self.placement.namespace

    @property
    def image(self) -> str:
        """Image of the engine."""
        return self.placement.image

    @property
    def gateway(self) -> OfferedGateway | None:
        """The cluster's gateway; none where there is none, or no claim by which a route is named."""
        return self.placement.gateway if self.claim.namespace else None

    @property
    def annotations(self) -> dict[str, str]:
        """The placement as an annotation, with sorted keys: a request has maps in no fixed order."""
        placement = self.placement.model_copy(update={"runners_up": None})
        return {PLACEMENT_ANNOTATION: json.dumps(placement.plain(), sort_keys=True)}

    @property
    def startup_seconds(self) -> int:
        """Time to load the weights before a pod counts as stuck."""
        return self.engine.startup_seconds(self.weights_gib)

    @property
    def volume(self) -> str:
        """Name of the weights' PersistentVolumeClaim: each set of weights has its own."""
        return f"weights-{self.placement.weights}"

    @property
    def volume_gib(self) -> int:
        """Size of the weights' volume: what the spec says, else the files and 15% more, and 2 GiB."""
        return self.spec.source.volume_gib or math.ceil(self.weights_gib * 1.15 + 2)

    @property
    def user(self) -> int:
        """User and group that download and read the weights."""
        return self.weights.user or contract.WEIGHTS_USER

    @property
    def prefix(self) -> str:
        """Beginning of the names of objects in the control plane: each placement of a Model has its own."""
        tag = self.placement.tag_in_names
        return f"{self.composite}-{tag}" if tag else self.composite

    def object_name(self, what: str) -> str:
        """Return the name of a composed object in the control plane."""
        return unique_name(self.prefix, what)


def latest_image(spec: ModelSpec, given: VLLMInput) -> str:
    """Return the image that the platform, or else the package, gives a new Model."""
    return given.image or image(engine_of(spec).name)


def image_of(spec: ModelSpec, given: VLLMInput, recorded: Placement | None) -> str:
    """Return the image of a Model: the spec's, else the one that it has, else the newest.

    Args:
        spec: the Model's.
        given: the function's input.
        recorded: the Model's placement; None for a new Model.
    """
    return spec.engine.image or (recorded.image if recorded else "") or latest_image(spec, given)


def newer(engine: Engine, latest: str) -> str:
    """Name the image to move to from one that is too old, in words.

    Args:
        engine: the Model's.
        latest: the image that a new Model gets.
    """
    return "a newer image" if engine.too_old(latest) else latest


def make_plan(
    request: Request,
    spec: ModelSpec,
    given: VLLMInput,
    placement: Placement,
    weights_gib: float,
    context: int,
) -> Plan:
    """Return the plan of a placed Model.

    Args:
        request: the Model's.
        spec: the Model's.
        given: the function's input.
        placement: of the Model.
        weights_gib: size of the files.
        context: longest context of a request, in tokens.
    """
    engine = engine_of(spec)
    return Plan(
        composite=request.name,
        claim=request.claim,
        spec=spec,
        placement=placement,
        engine=engine,
        latest_image=latest_image(spec, given),
        metrics=MetricsReaders(tuple(given.metrics_namespaces), tuple(given.metrics_pods)),
        pull_secret=given.pull_secret_ref.name if given.pull_secret_ref else "",
        priority_class=given.priority_class_name or "",
        # Never the spec's own image: that of an old engine has an old huggingface_hub, or none.
        downloader=given.weights.image or given.image or image("vllm"),
        weights=given.weights,
        weights_gib=weights_gib,
        context=context,
    )
