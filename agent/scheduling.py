"""Why the scheduler places a pod nowhere, from the scheduler's own words.

The words are those of the framework's FitError and of the plugins' reasons: pkg/scheduler/framework
in kubernetes/kubernetes, v1.35.
"""

from __future__ import annotations

import re

from functions.api import Trouble

__all__ = ["unscheduled"]

_PREEMPTION = re.compile(r"\s*(no new claims to deallocate,\s*)?preemption: .*", re.DOTALL)
"""The second half of the message: why taking devices or nodes from other pods does not help."""
_LACKS = re.compile(r"Insufficient ([a-z0-9./-]+)")
_CAUSES = (
    (Trouble.VOLUME_PENDING, re.compile(r'unbound immediate PersistentVolumeClaims|persistentvolumeclaim "')),
    (
        Trouble.VOLUME_ELSEWHERE,
        re.compile(
            # An older Kubernetes' words, and those of 1.35.
            r"volume node affinity conflict|didn't match PersistentVolume's node affinity"
            r"|no available volume zone|didn't find available persistent volumes"
            r"|didn't satisfy.*volume.*topology"
        ),
    ),
    (Trouble.NODES_TAINTED, re.compile(r"untolerated taint|were unschedulable|had taint")),
)
_NO_ROOM = re.compile(r"Too many pods|exceed max volume count|enough free storage|Insufficient \w")
_NO_NODE = re.compile(
    r"no nodes available|0/0 nodes|didn't match Pod's node affinity|didn't match node selector"
)


def unscheduled(message: str) -> tuple[Trouble, str]:
    """Return why a pod is not scheduled, and the scheduler's words without those on preemption.

    Where nodes differ, what the pod would wait for comes first: its volume, then a GPU, then other
    room; a taint or missing labels only where no node could run the pod at all.
    """
    words = _PREEMPTION.sub("", message).strip()
    devices = [name for name in _LACKS.findall(words) if "/" in name]
    volume, elsewhere, tainted = _CAUSES
    for trouble, pattern in (volume, elsewhere):
        if pattern.search(words):
            return trouble, words
    if devices:
        return Trouble.NO_FREE_GPUS, words
    if _NO_ROOM.search(words):
        return Trouble.NO_ROOM, words
    if tainted[1].search(words):
        return tainted[0], words
    return (Trouble.NO_MATCHING_NODE if _NO_NODE.search(words) else Trouble.UNSCHEDULABLE), words
