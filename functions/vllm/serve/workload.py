"""What is known of a kind of workload that runs the serving pods: one value for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from functions.base import Resource

from ..plan import Plan
from .network_policy import DEFAULT_DENY, SERVING_POLICY

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
    compose: Callable[[Plan, str], Resource]
    """Compose it, to be created once the download of the weights, a composed resource, is ready."""
