"""Why a download failed for good: what its Job says, and what a user is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from functions.base import View, Whose

from ..plan import Plan

__all__ = ["LATER", "SOON", "UNKNOWN", "Cause", "cause_of", "failed"]

SOON, LATER = 5 * 60, 60 * 60
"""Seconds until a download that failed is tried again: for what passes by itself, and for what somebody "
"mends.

Each try needs a node of the pool for a quarter of an hour, where an autoscaler has removed all of them.
"""
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
    again_seconds: int
    """When it is tried again; 0 where it was not tried at all."""


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
