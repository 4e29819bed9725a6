"""Pipeline parallelism: a model over several nodes, each with some of the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .memory import Fit, Need, fit, usable_gib

__all__ = ["over_nodes", "staged"]

_MOST_NODES = 8
"""Stages that requests pass one after another; more would rather be another model or GPU."""


def staged(what: Need, memory_mib: int, gpus: int, nodes: int) -> Fit:
    """Return how the need sits on so many GPUs of so many nodes.

    What counts is the largest stage: layers that do not divide evenly leave one more on some
    nodes, as vLLM does (`get_pp_indices` of vllm/distributed/utils.py).
    """
    on_one = fit(what, memory_mib, gpus)
    if nodes == 1:
        return on_one
    layers = what.facts.layers
    share = math.ceil(layers / nodes) / layers
    return replace(
        on_one,
        nodes=nodes,
        weights_gib=on_one.weights_gib * share,
        cache_gib=on_one.cache_gib * share,
        loading_gib=on_one.loading_gib * share,
        # Nodes exchange through NCCL as GPUs do.
        usable_gib=usable_gib(what.facts, memory_mib, gpus, nodes),
    )


def over_nodes(what: Need, memory_mib: int, counts: Sequence[int]) -> Fit | None:
    """Return the fewest nodes, from two on, and the fewest GPUs of each that hold the model."""
    most = min(_MOST_NODES, what.facts.layers)
    tried = (staged(what, memory_mib, gpus, nodes) for nodes in range(2, most + 1) for gpus in counts)
    return next((attempt for attempt in tried if attempt.fits), None)
