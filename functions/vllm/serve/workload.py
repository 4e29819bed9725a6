"""What is known of a kind of workload that runs the serving pods: one value for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from functions.base import Resource

from ..plan import Plan
from .network_policy import DEFAULT_DENY, SERVING_POLICY
from .template import Pods

__all__ = ["AFTER", "Workload"]

AFTER = (DEFAULT_DENY, SERVING_POLICY)
"""Composed resources that serving pods wait for, beside their weights."""


class Workload(NamedTuple):
    """A kind of workload."""

    resource: str
    """Name of the composed resource."""
    several_nodes: bool
    """Whether a replica has a pod on each of several nodes."""
    endpoint_labels: Mapping[str, str]
    """Labels of the pods that answer requests, where not every pod does."""
    templates: Callable[[Plan], Mapping[str, Any]]
    """Render the templates of its pods, by their name in the workload."""
    compose: Callable[[Plan, str, Pods], Resource]
    """Compose it of its pods, to be created once the weights' download, a composed resource, is ready."""
