"""What is known of an inference engine: one value of `Engine` for each, in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from functions.api import ModelSpec, Placement
from functions.catalog import GPU, ModelFacts

__all__ = ["Batch", "Device", "Engine", "Peer"]


class Device(NamedTuple):
    """What a Model gets of one GPU: the whole GPU, a MIG slice, or a share of the GPU's time and memory."""

    gpu: str
    """GPU model, as the catalog names it."""
    visible_gib: float
    """Memory that the engine sees, in GiB: of the whole GPU with time slicing and MPS, else of the device."""
    utilization: float
    """Share of that memory that the engine is told to take, from 0 to 1."""
    compute_capability: tuple[int, int]

    @property
    def granted_gib(self) -> float:
        """Memory that the engine takes, in GiB."""
        return self.visible_gib * self.utilization


class Batch(NamedTuple):
    """The most that an engine computes in one step; both numbers are passed to the engine."""

    tokens: int
    sequences: int


class Peer(NamedTuple):
    """A pod of a replica that runs on several nodes, one pod on each."""

    ordinal: str
    """Which of the replica's pods it is, from 0; as a reference to a variable of the container."""
    leader: str
    """Address of the replica's first pod; as a reference to a variable of the container."""
    leads: bool
    """Whether it is the first pod, which alone answers requests."""


class Engine(NamedTuple):
    """An inference engine with an OpenAI-compatible server."""

    name: str
    """Name of its image in the catalog's versions, of its container, its workload and its Service."""
    command: tuple[str, ...]
    """What starts the server; the folder of the weights follows, then the arguments."""
    port: int
    """TCP port that the server listens on."""
    metrics_path: str
    """HTTP path of the Prometheus metrics."""
    api: Mapping[str, tuple[str, str]]
    """What clients may call: by the path below a Model's address, the method and the server's own path."""
    cache_folder: str
    """Folder that it writes compiled kernels to."""
    environment: Mapping[str, str]
    """Environment variables of its container; the Model's own override them."""
    memory_utilization: float
    """Share of a GPU's memory that it takes by default, from 0 to 1."""
    drain_seconds: int
    """Time that requests under way have to end after the server is told to stop."""
    batches: Callable[[ModelFacts, Device, int, int], Sequence[Batch]]
    """The batches for a model on a device, the fastest first, with the longest context in tokens and the
    requests to hold. A later one takes less memory."""
    batches_in_flight: Callable[[ModelFacts, int], int]
    """Batches that are computed at once for a model whose layers are divided among some nodes."""
    memory_arguments: Callable[[Batch, ModelFacts], list[str]]
    """Arguments that decide how much memory the engine takes beside the weights.

    They are recorded with the placement, like `model_arguments`.
    """
    cannot_run: Callable[[ModelFacts, GPU], str]
    """Why a GPU cannot run a model's precision; empty when it can."""
    load_format: Callable[[ModelSpec, Sequence[str]], str]
    """The format of the weights' files that it reads, from the spec's arguments, else from recorded ones.

    Empty: the Hub's own format.
    """
    too_old: Callable[[str], str]
    """Why an image cannot be started as this package starts it; empty when it can, as far as is known."""
    refuse_image: Callable[[ModelSpec, str], None]
    """Raise `Invalid` for an image of a Model's spec, or of the platform, that cannot be started."""
    refuse_spec: Callable[[ModelSpec, str], None]
    """Raise `Invalid` for a spec that no model can be served with by an image."""
    refuse_uncounted: Callable[[ModelSpec], None]
    """Raise `Invalid` for arguments of the spec that take memory which is not counted."""
    refuse_model: Callable[[ModelSpec, str, ModelFacts], None]
    """Raise `Invalid` for what a model cannot be served with by an image."""
    at_once: Callable[[Placement], int]
    """Requests that one replica computes at once, at most, by the arguments that a placement has recorded."""
    model_arguments: Callable[[ModelSpec, ModelFacts, int], list[str]]
    """Arguments that follow from a Model's spec, the model and the tensor parallel size.

    They are recorded with the placement, so that a newer version changes nothing that runs.
    """
    arguments: Callable[[ModelSpec, Placement, int, Peer | None], Sequence[str]]
    """All arguments of the server.

    They follow from a Model's spec, its placement, the longest context in tokens and, where a
    replica runs on several nodes, the pod.
    """
    startup_seconds: Callable[[float], int]
    """Time to load weights of some GiB and to start, before a pod counts as stuck."""
    probes: Callable[[int], Mapping[str, Any]]
    """The container's probes, with the time to start in seconds."""
