"""Why a download failed for good: what its Job says, what a user is told, and when it is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from functions.base import View, Whose

from ..plan import Plan

__all__ = ["GROWS", "LATER", "SOON", "UNKNOWN", "Again", "Cause", "cause_of", "failed"]


class Again(NamedTuple):
    """When a download that failed is tried again: each time twice as late as the time before.

    Each try needs a node of the pool for a quarter of an hour, where an autoscaler has removed all of them.
    """

    first_seconds: int
    most_seconds: int

    def seconds(self, failures: int) -> int:
        """Return how long after its last failure a download is tried again, having failed so often."""
        # More would double nothing, and a count is only as true as an annotation.
        doublings = min(max(failures, 1) - 1, 16)
        return min(self.first_seconds << doublings, self.most_seconds)


SOON = Again(5 * 60, 2 * 60 * 60)
"""For what passes by itself: the last of them take a node for 3 hours of a day."""
LATER = Again(60 * 60, 24 * 60 * 60)
"""For what somebody mends, who can then have it tried at once: a quarter of an hour of a day."""
GROWS = Again(5 * 60, 24 * 60 * 60)
"""For a volume that is too small: the try after it was raised may come before the disk has grown."""
UNKNOWN = "DownloadFailed"
"""Reason of a failure that says no more."""
_MANIFEST = ("status", "atProvider", "manifest")
_EXIT_CODE = re.compile(r"exit code (\d+)")


class Cause(NamedTuple):
    """Why a download failed."""

    reason: str
    """CamelCase."""
    whose: Whose
    """Who can mend it."""
    text: Callable[[Plan], str]
    """What is wrong and what to do, without a full stop at the end."""
    again: Again | None
    """When it is tried again; None where it was not tried at all."""


def failed(job: View | None) -> str:
    """Return what an observed Job says of its failure for good; empty while it has not failed.

    Args:
        job: the Object of provider-kubernetes that stands for the Job.
    """
    for condition in job.each(*_MANIFEST, "status", "conditions") if job else ():
        # FailureTarget comes first, while pods still end.
        if condition.text("type") in ("Failed", "FailureTarget") and condition.text("status") == "True":
            return condition.text("message") or condition.text("reason") or "it failed"
    return ""


def cause_of(message: str, known: Mapping[int, Cause]) -> Cause:
    """Return the cause of a failure.

    Args:
        message: of the Job: "Container download for pod NAME failed with exit code 41 matching FailJob rule".
        known: the causes that the source of the weights tells apart, by exit code.
    """
    found = _EXIT_CODE.search(message)
    cause = known.get(int(found[1])) if found else None
    return cause or Cause(UNKNOWN, Whose.PLATFORM, lambda plan: _unknown(plan, message), SOON)


def _unknown(plan: Plan, message: str) -> str:
    return (
        f"the download of the weights failed: {message.rstrip('. ')}. Ask the owner of "
        f"{plan.placement.claim} "
        f"what `kubectl logs --namespace {plan.placement.namespace} --selector "
        f"freehold.dev/component=download` "
        "says there"
    )
