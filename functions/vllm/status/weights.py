"""Which weights a Model has: the commit that its revision meant when they were downloaded."""

from __future__ import annotations

import json
import re

from functions.api import Ending, WeightsStatus
from functions.base import Request

from ..plan import Plan
from .pods import reported

__all__ = ["said_by_download", "weights_status"]

_COMMIT = re.compile(r"[0-9a-f]{40}")


def weights_status(request: Request, plan: Plan, download: str) -> WeightsStatus:
    """Return the status of the weights; what is recorded of the same weights stays.

    Args:
        request: the Model's.
        plan: of the Model.
        download: the composed resource of the download that fills the volume.
    """
    model, revision = plan.spec.model, plan.spec.revision
    recorded = request.status(WeightsStatus, "weights")
    same = recorded is not None and (recorded.repository, recorded.revision) == (model, revision)
    named = revision if _COMMIT.fullmatch(revision) else None
    commit = _commit(_ending(request, download)) or (recorded.commit if same and recorded else None) or named
    return WeightsStatus(repository=model, revision=revision, commit=commit)


def said_by_download(request: Request, download: str) -> str:
    """Return what a failed download said, as the agent reports; empty where it does not."""
    ending = _ending(request, download)
    return str(_message(ending).get("message") or "") if ending and ending.exit_code else ""


def _ending(request: Request, download: str) -> Ending | None:
    report = reported(request)
    ending = report.ending if report else None
    return ending if ending and ending.job == download.removeprefix("vllm/") else None


def _commit(ending: Ending | None) -> str | None:
    found = str(_message(ending).get("commit") or "") if ending and ending.exit_code == 0 else ""
    return found if _COMMIT.fullmatch(found) else None


def _message(ending: Ending) -> dict[str, object]:
    try:
        found = json.loads(ending.message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
