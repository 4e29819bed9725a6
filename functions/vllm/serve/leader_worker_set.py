"""A replica on several nodes: a LeaderWorkerSet whose pods each hold a stage of the layers.

Tensor parallelism stays in the node; from node to node go activations alone, which an ordinary
network carries. Workers have no endpoint: the leader answers, and a pod that restarts takes its
group along. What the nodes say to one another is not encrypted.
"""

from __future__ import annotations

from functions.base import Resource, remote

from ..plan import Plan
from .namespace import LEADER, SERVING
from .pod import template
from .remote import in_cluster, labels

__all__ = ["AFTER", "GROUP", "group"]

GROUP = "leader-worker-set"
"""Name in the composition."""
AFTER = ("network-policy-default-deny", "network-policy-serving")
"""What pods that serve wait for, beside their weights."""
_NAME = "group"
"""Not the Service's: the controller makes a headless Service of the set's own name."""
_RENDEZVOUS_PORT = 29500


def group(plan: Plan, download: str) -> Resource:
    """Compose the LeaderWorkerSet."""
    replicas, pods = plan.spec.replicas.min, {**labels(plan), **SERVING}
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
                "leaderTemplate": template(plan, {**pods, **LEADER}, _args(plan)),
                "workerTemplate": template(plan, pods, [*_args(plan), "--headless"], answers=False),
            },
        },
    }
    ready = remote.all_replicas("LeaderWorkerSet", replicas)
    return in_cluster(plan, GROUP, manifest, after=(*AFTER, download), ready=ready, annotations=plan.note)


def _args(plan: Plan) -> list[str]:
    """Have the engines find one another: https://docs.vllm.ai/en/latest/serving/parallelism_scaling/.

    The variables are the LeaderWorkerSet's: https://lws.sigs.k8s.io/docs/reference/labels-annotations-and-environment-variables/
    """
    return [
        f"--pipeline-parallel-size={plan.placement.nodes}",
        "--distributed-executor-backend=mp",
        f"--nnodes={plan.placement.nodes}",
        "--node-rank=$(LWS_WORKER_INDEX)",
        "--master-addr=$(LWS_LEADER_ADDRESS)",
        f"--master-port={_RENDEZVOUS_PORT}",
    ]
