"""The report of a Model: counts, the worst trouble, how the download ended."""

from __future__ import annotations

import json
from typing import Any

from agent.report import crashes, report
from agent.troubles import warned
from functions.api import Ending, PodReport, PodsOf, PodTrouble, Trouble
from tests.agent.pods import UNREADY, container, ended, event, loads, pod, serves, waiting
from tools.openapi import structural

HASH = {"pod-template-hash": "7d9c"}
QUOTA = "exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2"
BACK_OFF = waiting("CrashLoopBackOff", "back-off")


def crashing(name: str = "vllm-7d9c-bad", code: int = 1, **more: Any) -> dict[str, Any]:
    return pod(
        name, conditions=UNREADY, containers=[container(BACK_OFF, restarts=3, last=ended(code))], **more
    )


def test_nothing_to_report() -> None:
    assert report([], [], {}) == PodReport()


def test_counts() -> None:
    found = report([serves("a", "l4-2"), serves("b", "l4-1"), loads("c")], [], {}).serving
    assert found == PodsOf(total=3, ready=2, restarts=0, nodes=["l4-1", "l4-2"])


def test_the_worst_is_told() -> None:
    no = {"status": "False", "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}
    unscheduled = pod("waits", phase="Pending", node=None, conditions={"PodScheduled": no})
    found = report([unscheduled, crashing(), serves()], [], {}).serving
    assert found is not None
    assert found.trouble is not None
    assert (found.trouble.reason, found.trouble.pod) == (Trouble.CRASH_LOOP, "vllm-7d9c-bad")
    assert (found.total, found.ready, found.restarts) == (3, 1, 3)


def test_the_order_of_what_comes_in_changes_nothing() -> None:
    pods = [crashing("a"), crashing("b"), serves("c"), loads("d")]
    assert report(pods, [], {}) == report(pods[::-1], [], {})


def test_a_quota_that_lets_no_pod_be_made() -> None:
    words = f'Error creating: pods "vllm-7d9c-zz9" is forbidden: {QUOTA}'
    refused = warned(event("FailedCreate", words, "vllm-7d9c", "ReplicaSet"))
    found = report([], [refused], {}).serving
    trouble = PodTrouble(reason=Trouble.PODS_REFUSED, message=QUOTA, since="2026-11-28T18:01:00Z")
    assert found == PodsOf(total=0, ready=0, restarts=0, trouble=trouble)
    # Of a group of pods, and of a download.
    assert report([], [refused._replace(kind="StatefulSet")], {}).serving == found
    assert report([], [refused._replace(kind="Job")], {}).download == found
    # A pod that came after it takes it back.
    later = report([loads(created="2026-11-28T18:02:30Z")], [refused], {}).serving
    assert later is not None
    assert later.trouble is None


def test_pods_refused_for_another_reason() -> None:
    words = 'Error creating: pods "vllm-7d9c-zz9" is forbidden: violates PodSecurity "restricted:latest"'
    found = report([], [warned(event("FailedCreate", words, "vllm-7d9c", "ReplicaSet"))], {}).serving
    assert found is not None
    assert found.trouble is not None
    assert (found.trouble.reason, found.trouble.message) == (
        Trouble.PODS_REFUSED,
        'violates PodSecurity "restricted:latest"',
    )


def evicted(name: str = "old", **labels: str) -> dict[str, Any]:
    gone = pod(name, phase="Failed", labels=labels, created="2026-11-28T12:00:00Z")
    gone["status"] |= {
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "containerStatuses": [container({"terminated": ended(137, finished="2026-11-28T17:59:58Z")})],
    }
    return gone


def trouble(*pods: dict[str, Any]) -> Trouble | None:
    found = report(pods, [], {}).serving
    return found.trouble.reason if found and found.trouble else None


def test_a_pod_that_takes_the_place_of_one_that_was_evicted() -> None:
    assert trouble(evicted(**HASH), loads(labels=HASH)) is Trouble.EVICTED
    # Not of one that was made by another template, nor long after, nor once it serves.
    assert trouble(evicted(**HASH), loads(labels={"pod-template-hash": "new"})) is None
    assert trouble(evicted(**HASH), loads(labels=HASH, created="2026-11-29T18:00:00Z")) is None
    assert trouble(evicted(**HASH), serves(labels=HASH)) is None


def test_a_worse_trouble_of_a_live_pod_goes_first() -> None:
    assert trouble(evicted(**HASH), crashing(labels=HASH)) is Trouble.CRASH_LOOP


def download(
    name: str, phase: str, code: int, at: str, message: str = "", restarts: int = 0
) -> dict[str, Any]:
    end = ended(code, "Completed" if code == 0 else "Error", at, message)
    state, last = ({"terminated": end}, None) if phase != "Running" else (BACK_OFF, end)
    status = container(state, name="download", restarts=restarts, last=last)
    labels = {"batch.kubernetes.io/job-name": "download-1a2b3c-4d5e6f"}
    return pod(name, "download", phase=phase, containers=[status], labels=labels, conditions=UNREADY)


def test_how_a_download_ended() -> None:
    done = json.dumps({"commit": "9b3c", "bytes": 16381470720, "files": 12})
    pods = [
        download("d-1", "Failed", 1, "2026-11-28T18:01:00Z", "disk full"),
        download("d-2", "Succeeded", 0, "2026-11-28T18:09:00Z", done),
    ]
    found = report(pods, [], {})
    assert found.ending == Ending(
        job="download-1a2b3c-4d5e6f", exit_code=0, message=done, at="2026-11-28T18:09:00Z"
    )
    assert found.download == PodsOf(total=0, ready=0, restarts=0)


def test_a_download_that_fails_again_and_again() -> None:
    found = report([download("d", "Running", 1, "2026-11-28T18:01:00Z", "401", restarts=2)], [], {})
    assert found.download is not None
    assert found.download.trouble is not None
    assert (
        found.download.trouble.message == "container download ended with exit code 1, restarted 2 times: 401"
    )
    assert found.ending is not None
    assert (found.ending.exit_code, found.ending.message) == (1, "401")


def test_a_download_that_has_failed_for_good() -> None:
    found = report([download("d", "Failed", 1, "2026-11-28T18:01:00Z", "401 Client Error")], [], {})
    assert found.download is not None
    assert found.download.trouble is not None
    assert found.download.trouble.reason is Trouble.CRASH_LOOP


def test_a_report_is_small_whatever_comes_in() -> None:
    words = "x" * 50_000
    many = [crashing(f"pod-{i}", node=f"{'n' * 200}-{i}") for i in range(40)]
    end = download("d", "Failed", 1, "2026-11-28T18:01:00Z", words)
    refused = warned(event("FailedCreate", words, "vllm", "ReplicaSet"))
    lines = dict.fromkeys(crashes(many), words)
    found = report([*many, end], [refused], lines).plain()
    assert len(json.dumps(found)) < 10_000
    assert_fits(found, structural(PodReport))


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    """Hold a value to the bounds of its schema, as the API server would."""
    if isinstance(value, dict):
        for key, each in value.items():
            assert_fits(each, schema["properties"][key])
    elif isinstance(value, list):
        assert len(value) <= schema["maxItems"]
    elif isinstance(value, str):
        assert len(value) <= schema.get("maxLength", 100), schema
