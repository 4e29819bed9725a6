"""The components, in the order in which they are composed, and what clusters are ready without.

This is the one place that lists them.
"""

from __future__ import annotations

from . import (
    agent,
    cluster_autoscaler,
    efa_device_plugin,
    gateway,
    gpu_operator,
    leader_worker_set,
    node_feature_discovery,
)
from .component import Auxiliary, Component

__all__ = ["AUXILIARIES", "COMPONENTS"]

COMPONENTS: tuple[Component, ...] = (
    node_feature_discovery.COMPONENT,
    gpu_operator.COMPONENT,
    cluster_autoscaler.COMPONENT,
    efa_device_plugin.COMPONENT,
    leader_worker_set.COMPONENT,
    gateway.COMPONENT,
)
AUXILIARIES: tuple[Auxiliary, ...] = (agent.AUXILIARY,)
