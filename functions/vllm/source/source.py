"""What is known of a source of weights: one value of `Source` for each, in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from functions.api import ModelSpec
from functions.base import Resource

from ..plan import Plan
from .failures import Cause

__all__ = ["Reader", "Source"]


class Reader(NamedTuple):
    """How a container reads weights from a source into the volume.

    Its last step makes the file `functions.vllm.serve.pod.COMPLETE`: serving pods wait for that.
    """

    command: list[str]
    env: list[dict[str, Any]]


class Source(NamedTuple):
    """A place that weights come from."""

    field: str
    """Field of the spec's `source`, as the API's model names it, that is set for this source."""
    identity: Callable[[ModelSpec, Sequence[str]], str]
    """Digest of what tells a Model's weights from other weights; each digest has its own volume.

    It follows from the spec and the arguments that are recorded with the placement (`engineFlags`), which
    may say which of a model's formats the engine reads.
    """
    egress: Callable[[Plan], list[dict[str, Any]]]
    """Ports that the download reaches beside name servers, as a NetworkPolicy names them."""
    credentials: Callable[[Plan], list[Resource]]
    """Composed resources that authenticate the download; none for public weights."""
    credential_names: tuple[str, ...]
    """Names of all composed resources that `credentials` returns, or returned in an older package."""
    reader: Callable[[Plan], Reader]
    """How the weights are read."""
    complete: str
    """CEL over the download's Job, `object`, that holds once all weights are in the volume."""
    causes: Mapping[int, Cause]
    """Why a download fails, by the exit code of its container; with these codes it is not tried at once "
    "again."""
    refused: Callable[[Plan], Cause | None]
    """Why a download would fail for sure, known from the spec; None where nothing is known against it."""
    hint: str
    """What to check where a download does not end, as a part of a sentence."""
