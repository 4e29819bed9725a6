"""The record that a placed Model leaves beside its cluster, and how the cluster finds it.

A ConfigMap in the platform namespace, where tenants cannot write: its labels are believed.
It changes only when a Model is scaled or placed anew, so it seldom wakes the cluster, which
counts its GPUs in use by pool and GPUs.
"""

from __future__ import annotations

__all__ = ["CLUSTER", "CLUSTER_POOL", "GPUS", "MODEL"]

CLUSTER = "freehold.dev/cluster"
"""Label: the XInferenceCluster's name, as far as a label holds it."""
CLUSTER_POOL = "freehold.dev/node-pool"
"""Label: the node pool's name."""
GPUS = "freehold.dev/gpus"
"""Label: GPUs, or slices where they are shared, on all nodes of all the Model's replicas."""
MODEL = "model"
"""Key of its data: the Model's claim, as namespace/name."""
