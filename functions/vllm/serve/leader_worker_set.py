"""A LeaderWorkerSet: each replica is a group of pods on several nodes, one pod on each.

Each pod holds some of the layers (pipeline parallelism) and divides them among its node's GPUs
(tensor parallelism). Between nodes go activations alone, which an ordinary network carries. Workers
have no endpoint: the leader answers, and a pod that restarts restarts its whole group. Traffic
between the pods of a group is not encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.base import Resource, remote

from ..engine import Peer
from ..plan import Plan
from .objects import in_cluster, labels
from .pod import SERVING, serving_pod
from .template import Pods
from .workload import AFTER, Workload

__all__ = ["LEADER_WORKER_SET"]

_NAME = "group"
"""Not the Service's: the controller creates a headless Service of the LeaderWorkerSet's own name."""
_LEADER = {"freehold.dev/answers": "true"}
"""Label of the pod that answers requests for its group."""
# https://lws.sigs.k8s.io/docs/reference/labels-annotations-and-environment-variables/
_INDEX, _LEADER_ADDRESS = "$(LWS_WORKER_INDEX)", "$(LWS_LEADER_ADDRESS)"


def _templates(plan: Plan) -> Mapping[str, Any]:
    own = {**labels(plan), **SERVING}
    leader, worker = (Peer(_INDEX, _LEADER_ADDRESS, leads) for leads in (True, False))
    return {
        "leaderTemplate": serving_pod(plan, {**own, **_LEADER}, leader),
        "workerTemplate": serving_pod(plan, own, worker),
    }


def _compose(plan: Plan, download: str, pods: Pods) -> Resource:
    replicas = plan.spec.replicas.min
    manifest = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": _NAME, "namespace": plan.placement.namespace},
        "spec": {
            "replicas": replicas,
            "startupPolicy": "LeaderCreated",
            # A group more than the pool has GPUs for would never be scheduled and stop the rollout.
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "leaderWorkerTemplate": {
                "size": plan.placement.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                **pods.templates,
            },
        },
    }
    return in_cluster(
        plan,
        "leader-worker-set",
        manifest,
        label="the Model's LeaderWorkerSet",
        after=(*AFTER, download),
        ready=remote.all_replicas("LeaderWorkerSet", replicas),
        annotations={**plan.annotations, **pods.annotations},
    )


LEADER_WORKER_SET = Workload(
    "vllm/leader-worker-set",
    several_nodes=True,
    endpoint_labels=_LEADER,
    templates=_templates,
    compose=_compose,
)
