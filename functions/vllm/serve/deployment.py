"""A Deployment: each replica is one pod on one node."""

from __future__ import annotations

from functions.base import Resource, remote

from ..plan import Plan
from .objects import LABEL, in_cluster, labels
from .pod import SERVING, serving_pod
from .workload import AFTER, Workload

__all__ = ["DEPLOYMENT"]


def _compose(plan: Plan, download: str) -> Resource:
    replicas = plan.spec.replicas.min
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": plan.engine.name, "namespace": plan.placement.namespace},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "minReadySeconds": 10,
            "progressDeadlineSeconds": plan.startup_seconds + 600,
            # A pod more than the pool has GPUs for would never be scheduled and stop the rollout.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": {LABEL: plan.name, **SERVING}},
            "template": serving_pod(plan, {**labels(plan), **SERVING}),
        },
    }
    return in_cluster(
        plan,
        "deployment",
        manifest,
        label="the Model's Deployment",
        after=(*AFTER, download),
        ready=remote.all_replicas("Deployment", replicas),
        annotations=plan.annotations,
    )


DEPLOYMENT = Workload("vllm/deployment", several_nodes=False, endpoint_labels={}, compose=_compose)
