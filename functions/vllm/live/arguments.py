"""Arguments that a live Model's engine has."""

from __future__ import annotations

from collections.abc import Sequence

from functions.base import Request, View

from ..serve import live_workload

__all__ = ["runs_with"]

_SPEC = ("spec", "forProvider", "manifest", "spec")
_PODS = (
    ("template", "spec"),
    ("leaderWorkerTemplate", "leaderTemplate", "spec"),
    ("leaderWorkerTemplate", "workerTemplate", "spec"),
)
"""Where a Deployment and a LeaderWorkerSet have their pods."""


def runs_with(request: Request, items: Sequence[str]) -> bool:
    """Tell whether the live workload has these arguments, one after the other.

    Args:
        request: the Model's, as if the placement were its only one.
        items: of spec.engine.args.
    """
    live = request.resource(live_workload(request.observed))
    return bool(items) and live is not None and any(_has(live, path, items) for path in _PODS)


def _has(live: View, path: Sequence[str], items: Sequence[str]) -> bool:
    for container in live.each(*_SPEC, *path, "containers"):
        args = list(container.texts("args"))
        if any(args[at : at + len(items)] == list(items) for at in range(len(args))):
            return True
    return False
