"""What the nodes of a GPU pool carry: labels and taints, and tags that tell of them before there are any."""

from __future__ import annotations

from collections.abc import Sequence

from functions.api import NodePool
from functions.base import Invalid

from ..plan import Pool

__all__ = ["check", "labels", "taints"]

_GPU = "nvidia.com/gpu"
_GPU_TAINT = {"key": _GPU, "value": "true", "effect": "NO_SCHEDULE"}
_EFFECTS = {
    "NoSchedule": "NO_SCHEDULE",
    "PreferNoSchedule": "PREFER_NO_SCHEDULE",
    "NoExecute": "NO_EXECUTE",
}

_NOT_YOURS = ("freehold.dev/", "nvidia.com/", "eks.amazonaws.com/", "k8s.amazonaws.com/")
"""Prefixes of labels that this package, the GPU Operator, EKS and the autoscaler set."""
_RESERVED = ("kubernetes.io", "k8s.io")
"""A kubelet that is told to set labels of these domains does not start (NodeRestriction)."""
_TAINT_KEY = 63
"""Characters in a taint's key: https://docs.aws.amazon.com/eks/latest/APIReference/API_Taint.html."""


def check(pools: Sequence[NodePool]) -> None:
    """Refuse labels and taints that a node of EKS cannot have.

    Raises:
        Invalid: for the first of them.
    """
    for index, pool in enumerate(pools):
        at = f"spec.nodePools[{index}]"
        for key in pool.labels:
            if key.startswith(_NOT_YOURS) or key.partition("/")[0].endswith(_RESERVED):
                raise Invalid(
                    f"{at}.labels",
                    f"{key} is not yours to set: Kubernetes, EKS or what runs on the node does",
                    "Use a prefix of your own, such as example.com/team",
                )
        for number, taint in enumerate(pool.taints):
            if len(taint.key) > _TAINT_KEY:
                raise Invalid(
                    f"{at}.taints[{number}].key",
                    f"EKS takes keys of at most {_TAINT_KEY} characters, and this one has {len(taint.key)}",
                    "Use a shorter one",
                )
            if taint.key == _GPU:
                raise Invalid(
                    f"{at}.taints[{number}].key", f"every GPU pool has taint {_GPU} already", "Leave it out"
                )


def labels(pool: Pool) -> dict[str, str]:
    """Return the labels of its nodes."""
    return {**pool.labels, **pool.node_selector}


def taints(pool: Pool) -> list[dict[str, str]]:
    """Return the taints of its nodes, as EKS spells them."""
    own = [{"key": t.key, "value": t.value, "effect": _EFFECTS[t.effect]} for t in pool.taints]
    return [_GPU_TAINT, *({k: v for k, v in taint.items() if v} for taint in own)]
