"""A Deployment: each replica is one pod on one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.base import Resource, remote

from ..plan import Plan
from .objects import LABEL, in_cluster, labels
from .pod import SERVING, serving_pod
from .template import Pods
from .workload import AFTER, Workload

__all__ = ["DEPLOYMENT"]


def _templates(plan: Plan) -> Mapping[str, Any]:
    return {"template": serving_pod(plan, {**labels(plan), **SERVING})}


def _compose(plan: Plan, download: str, pods: Pods) -> Resource:
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
            **pods.templates,
        },
    }
    return in_cluster(
        plan,
        "deployment",
        manifest,
        label="the Model's Deployment",
        after=(*AFTER, download),
        ready=remote.all_replicas("Deployment", replicas),
        annotations={**plan.annotations, **pods.annotations},
    )


DEPLOYMENT = Workload(
    "vllm/deployment", several_nodes=False, endpoint_labels={}, templates=_templates, compose=_compose
)
