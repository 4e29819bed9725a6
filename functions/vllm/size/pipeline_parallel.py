"""Pipeline parallelism: a replica on several nodes, each with some of the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .memory import Fit, fit, usable_gib
from .need import Need

__all__ = ["fewest_nodes"]

_MOST_NODES = 8
"""Nodes of one replica, which each request passes one after another; a model that needs more is slow."""


def fewest_nodes(need: Need, memory_mib: int, sizes: Sequence[int]) -> Fit | None:
    """Return the fewest nodes, from two on, and the fewest GPUs of each that hold a replica.

    Args:
        need: of the replica.
        memory_mib: of one GPU.
        sizes: tensor parallel sizes within a node, smallest first.
    """
    most = min(_MOST_NODES, need.facts.layers)
    tried = (_over_nodes(need, memory_mib, gpus, nodes) for nodes in range(2, most + 1) for gpus in sizes)
    return next((attempt for attempt in tried if attempt.fits), None)


def _over_nodes(need: Need, memory_mib: int, gpus: int, nodes: int) -> Fit:
    """Divide a replica among nodes by its layers, and on each node by tensor parallelism.

    The node with the most layers counts: where layers do not divide evenly, some nodes have one
    more, as in vLLM (`get_pp_indices` of vllm/distributed/utils.py).
    """
    one = fit(need, memory_mib, gpus)
    layers = need.facts.layers
    share = math.ceil(layers / nodes) / layers
    return one._replace(
        nodes=nodes,
        weights_gib=one.weights_gib * share,
        cache_gib=one.cache_gib * share,
        loading_gib=one.loading_gib * share,
        # Nodes exchange activations through NCCL, as GPUs of one node do.
        usable_gib=usable_gib(need, memory_mib, gpus, nodes),
    )
