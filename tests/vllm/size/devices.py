"""Devices as an engine sees them, by the catalog's figures."""

from __future__ import annotations

from functions.catalog import gpus
from functions.vllm.engine import Device


def device(gpu: str, slices: int = 1) -> Device:
    """Return a GPU, or one of the slices into which time slicing or MPS divides it."""
    known = gpus()[gpu]
    assert known.cuda_gib is not None
    return Device(gpu, known.cuda_gib, int(0.92 / slices * 10000) / 10000, known.compute_capability)
