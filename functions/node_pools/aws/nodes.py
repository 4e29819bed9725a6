"""What the nodes of a GPU pool carry: labels and taints, and tags that tell of them before there are any."""

from __future__ import annotations

from ..plan import Pool

__all__ = ["labels", "taints"]

_GPU_TAINT = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
_EFFECTS = {
    "NoSchedule": "NO_SCHEDULE",
    "PreferNoSchedule": "PREFER_NO_SCHEDULE",
    "NoExecute": "NO_EXECUTE",
}


def labels(pool: Pool) -> dict[str, str]:
    """Return the labels of its nodes."""
    return {**pool.labels, **pool.node_selector}


def taints(pool: Pool) -> list[dict[str, str]]:
    """Return the taints of its nodes, as EKS spells them."""
    own = [{"key": t.key, "value": t.value, "effect": _EFFECTS[t.effect]} for t in pool.taints]
    return [_GPU_TAINT, *({k: v for k, v in taint.items() if v} for taint in own)]
