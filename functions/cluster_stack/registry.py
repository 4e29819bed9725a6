"""The components, in the order in which they are composed: the one place that lists them."""

from __future__ import annotations

from . import cluster_autoscaler, efa_device_plugin, gpu_operator, leader_worker_set, node_feature_discovery
from .component import Component

__all__ = ["COMPONENTS"]

COMPONENTS: tuple[Component, ...] = (
    node_feature_discovery.COMPONENT,
    gpu_operator.COMPONENT,
    cluster_autoscaler.COMPONENT,
    efa_device_plugin.COMPONENT,
    leader_worker_set.COMPONENT,
)
