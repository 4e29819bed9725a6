"""What serves: a Deployment, or a LeaderWorkerSet where a replica needs several nodes."""

from __future__ import annotations

from collections.abc import Container

from functions.base import Resource, remote

from ..plan import Plan
from .leader_worker_set import AFTER, GROUP, group
from .namespace import SERVING
from .pod import template
from .remote import LABEL, in_cluster, labels

__all__ = ["WORKLOADS", "serving", "workload"]

WORKLOADS = ("vllm/deployment", f"vllm/{GROUP}")
"""Composed resources that serve; a Model has one of them."""


def workload(plan: Plan, download: str) -> Resource:
    """Compose what serves, to be created once the weights' download is ready."""
    what = download.removeprefix("vllm/")
    return _deployment(plan, what) if plan.placement.nodes == 1 else group(plan, what)


def serving(names: Container[str]) -> str:
    """Return the composed resource that serves, among some; empty when none does."""
    return next((name for name in WORKLOADS if name in names), "")


def _deployment(plan: Plan, download: str) -> Resource:
    selector = {LABEL: plan.name, **SERVING}
    replicas = plan.spec.replicas.min
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "vllm", "namespace": plan.placement.namespace},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "minReadySeconds": 10,
            "progressDeadlineSeconds": plan.startup_seconds + 600,
            # A pod more than the pool has GPUs for would never be scheduled and stop the rollout.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": selector},
            "template": template(plan, {**labels(plan), **SERVING}),
        },
    }
    ready = remote.all_replicas("Deployment", replicas)
    return in_cluster(
        plan, "deployment", manifest, after=(*AFTER, download), ready=ready, annotations=plan.note
    )
