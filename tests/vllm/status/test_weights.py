"""What the agent reports of a download reaches the claim: the commit, and why one failed."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Condition, Outcome
from functions.vllm.compose import compose
from functions.vllm.status.pods import POD_REPORT
from tests.vllm.world import DOWNLOAD, EU, SPEC, first, live, request

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
JOB = DOWNLOAD.removeprefix("vllm/")


def ended(message: str, code: int = 0, job: str = JOB) -> dict[str, Any]:
    return {"job": job, "exitCode": code, "message": message, "at": "2026-11-28T19:00:00Z"}


def run(ending: dict[str, Any] | None, status: dict[str, Any] | None = None, **spec: Any) -> Outcome:
    made = first()
    observed = live(made)
    report = {"manifest": {"report": {"ending": ending} if ending else {}}}
    observed[POD_REPORT]["status"] = {"atProvider": report}
    if ending and ending["exitCode"]:
        message = (
            f"Container download for pod x/y failed with exit code {ending['exitCode']} matching FailJob rule"
        )
        failed = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": message}
        observed[DOWNLOAD]["status"] = {"atProvider": {"manifest": {"status": {"conditions": [failed]}}}}
        del observed["vllm/deployment"]
    return compose(request({**SPEC, **spec}, EU, status={**made.status, **(status or {})}, observed=observed))


def test_the_commit_is_recorded() -> None:
    told = run(ended(f'{{"commit": "{COMMIT}", "bytes": 16381470720, "files": 12}}'))
    expected = {"repository": "Qwen/Qwen3-8B", "revision": "main", "commit": COMMIT}
    assert told.status["weights"] == expected
    # The pod, and the agent's word of it, go before the Model does.
    assert run(None, {"weights": expected}).status["weights"] == expected


@pytest.mark.parametrize(
    "ending",
    [
        ended(f'{{"commit": "{OTHER}"}}', job="download-543937-other"),
        ended(f'{{"commit": "{OTHER}"}}', code=143),
        ended('{"commit": "main"}'),
        ended("Killed"),
        ended("[]"),
    ],
    ids=["of another download", "not to the end", "no commit", "no JSON", "no object"],
)
def test_what_says_no_commit(ending: dict[str, Any]) -> None:
    assert "commit" not in run(ending).status["weights"]


def test_a_commit_that_the_spec_names_needs_no_agent() -> None:
    assert run(None, revision=COMMIT).status["weights"]["commit"] == COMMIT


def test_another_revision_has_another_commit() -> None:
    recorded = {"weights": {"repository": "Qwen/Qwen3-8B", "revision": "main", "commit": COMMIT}}
    assert "commit" not in run(None, recorded, revision="v2").status["weights"]


def test_what_the_program_said_stands_with_the_cause() -> None:
    said = "the files are 30.2 GiB; 30.2 GiB are missing and the volume has 19.5 GiB left"
    outcome = run(ended(f'{{"reason": "VolumeFull", "message": "{said}"}}', code=46))
    [condition] = [c for c in outcome.conditions if c.type == "WeightsReady"]
    assert isinstance(condition, Condition)
    assert condition.reason == "VolumeFull"
    assert f"/tree/main ({said}). It is tried again" in condition.message
