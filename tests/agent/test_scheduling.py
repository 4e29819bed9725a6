"""The scheduler's words, as kube-scheduler 1.35 writes them into the PodScheduled condition."""

from __future__ import annotations

import pytest

from agent.scheduling import unscheduled
from functions.api import Trouble

PREEMPTION = (
    " no new claims to deallocate, preemption: 0/3 nodes are available: "
    "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
)


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("no nodes available to schedule pods", Trouble.NO_MATCHING_NODE),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            Trouble.NO_MATCHING_NODE,
        ),
        (
            "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, "
            "2 node(s) didn't match Pod's node affinity/selector.",
            Trouble.NO_FREE_GPUS,
        ),
        ("0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb.", Trouble.NO_FREE_GPUS),
        ("0/1 nodes are available: 1 Insufficient vpc.amazonaws.com/efa.", Trouble.NO_FREE_GPUS),
        # A node without GPUs lacks them, and is no node of the pool: what the pool's own node lacks is CPU.
        (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}.",
            Trouble.NO_ROOM,
        ),
        ("0/1 nodes are available: 1 Insufficient memory.", Trouble.NO_ROOM),
        ("0/1 nodes are available: 1 Too many pods.", Trouble.NO_ROOM),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {team: research}.", Trouble.NODES_TAINTED),
        ("0/1 nodes are available: 1 node(s) had untolerated taint(s).", Trouble.NODES_TAINTED),
        ("0/1 nodes are available: 1 node(s) were unschedulable.", Trouble.NODES_TAINTED),
        (
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, "
            "1 node(s) didn't match PersistentVolume's node affinity.",
            Trouble.VOLUME_ELSEWHERE,
        ),
        # Of an older Kubernetes.
        ("0/1 nodes are available: 1 node(s) had volume node affinity conflict.", Trouble.VOLUME_ELSEWHERE),
        (
            "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
            Trouble.VOLUME_ELSEWHERE,
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            Trouble.VOLUME_PENDING,
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "weights-1a2b3c" not found.',
            Trouble.VOLUME_PENDING,
        ),
        ("Scheduling is blocked due to non-empty scheduling gates", Trouble.UNSCHEDULABLE),
        ("", Trouble.UNSCHEDULABLE),
    ],
)
def test_whose_it_is(words: str, trouble: Trouble) -> None:
    assert unscheduled(words + PREEMPTION if words.endswith(".") else words) == (trouble, words)
