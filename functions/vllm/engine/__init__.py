"""The inference engines: `engine` says what is known of one, and each has a module with its value."""

from functions.api import ModelSpec

from .engine import Batch, Device, Engine, Peer
from .vllm import VLLM

__all__ = ["ENGINES", "Batch", "Device", "Engine", "Peer", "engine_of"]

ENGINES = (VLLM,)


def engine_of(spec: ModelSpec) -> Engine:
    """Return the engine that serves a Model: the first one, since no field of a spec names another."""
    del spec
    return ENGINES[0]
