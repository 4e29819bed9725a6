"""Pipeline parallelism: a replica on several nodes, each with some of the layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import Device
from .memory import Fit, fit
from .need import Need

__all__ = ["fewest_nodes"]

_MOST_NODES = 8
"""Nodes of one replica, which each request passes one after another; a model that needs more is slow."""


def fewest_nodes(need: Need, device: Device, sizes: Sequence[int]) -> Fit | None:
    """Return the fewest nodes, from two on, and the fewest GPUs of each that hold a replica.

    Args:
        need: of the replica.
        device: one GPU.
        sizes: tensor parallel sizes within a node, smallest first.
    """
    most = min(_MOST_NODES, need.facts.layers)
    tried = (fit(need, device, gpus, nodes) for nodes in range(2, most + 1) for gpus in sizes)
    return next((attempt for attempt in tried if attempt.fits), None)
