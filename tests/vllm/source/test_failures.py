"""A download that failed is told on the claim, holds nothing, and is tried again."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Condition, Outcome, Progress, Status, View, Whose
from functions.vllm.compose import compose
from functions.vllm.source.failures import LATER, SOON
from functions.vllm.source.huggingface import HUGGING_FACE
from tests.vllm.world import DOWNLOAD, EU, SPEC, VOLUME, live, manifests, request, stays

POLICY = "Container download for pod x/{0} failed with exit code {1} matching FailJob rule at index 1"
TOKEN = {"source": {"huggingFace": {"tokenSecretRef": {"name": "hub"}}}}
GATED = {"model": "meta-llama/Llama-3.1-8B-Instruct"}


def downloading(spec: dict[str, Any], said: list[dict[str, Any]], **more: Any) -> tuple[Outcome, str]:
    """Run over a Model that waits for its download, whose Job says something; return its name, too."""
    before = compose(request(spec, EU, given=more.get("given")))
    observed = live(before)
    del observed["vllm/deployment"]
    name = next(name for name in observed if name.startswith("vllm/download-"))
    observed[name]["status"] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "atProvider": {"manifest": {"status": {"conditions": said}}},
    }
    later = {**spec, **more.get("change", {})}
    asked = request(later, EU, given=more.get("given"), status=dict(before.status), observed=observed)
    return compose(asked), name


def failure(code: int) -> dict[str, Any]:
    """Return the condition of a Job whose pod ended with an exit code that the Job's policy names."""
    message = POLICY.format("download-1-x", code)
    return {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": message}


def weights_ready(outcome: Outcome) -> Condition:
    [condition] = [c for c in outcome.conditions if c.type == "WeightsReady"]
    assert isinstance(condition, Condition)
    return condition


def job_of(outcome: Outcome, name: str) -> dict[str, Any]:
    found: dict[str, Any] = manifests(outcome)[name]["spec"]["forProvider"]["manifest"]
    return found


@pytest.mark.parametrize(
    ("code", "spec", "whose", "words"),
    [
        (
            41,
            SPEC,
            Whose.MODEL,
            "Qwen/Qwen3-8B is gated: accept its terms at https://huggingface.co/Qwen/Qwen3-8B",
        ),
        (41, TOKEN, Whose.MODEL, "gated, and the token in Secret team-a/hub, key token, has no access to it"),
        (42, TOKEN, Whose.MODEL, "https://huggingface.co refuses the token in Secret team-a/hub, key token,"),
        (42, SPEC, Whose.MODEL, "https://huggingface.co asks for a token"),
        (
            43,
            SPEC,
            Whose.MODEL,
            "there is no model Qwen/Qwen3-8B at https://huggingface.co, or it is private",
        ),
        (44, {"revision": "v9"}, Whose.MODEL, "Qwen/Qwen3-8B has no revision v9: set spec.revision to"),
        (45, SPEC, Whose.MODEL, "holds no weights that can be served"),
        (46, SPEC, Whose.MODEL, "do not fit the volume of 20 GiB: set spec.source.volumeGiB to more"),
        (
            47,
            SPEC,
            Whose.PLATFORM,
            "user 2000 may not write to the volume of the default StorageClass in platform/eu",
        ),
        (48, SPEC, Whose.PLATFORM, "is not trusted: set weights.caBundle in function-vllm's input"),
        (
            51,
            SPEC,
            Whose.INFRASTRUCTURE,
            "(429): wait; a token in spec.source.huggingFace.tokenSecretRef raises",
        ),
        (52, SPEC, Whose.PLATFORM, "pods of platform/eu do not reach https://huggingface.co"),
        (53, SPEC, Whose.INFRASTRUCTURE, "did not arrive whole"),
        (137, SPEC, Whose.PLATFORM, "the download of the weights failed: Container download for pod"),
    ],
)
def test_why_is_told(code: int, spec: dict[str, Any], whose: Whose, words: str) -> None:
    outcome, name = downloading({**SPEC, **spec}, [failure(code)])
    condition = weights_ready(outcome)
    known = HUGGING_FACE.causes.get(code)
    assert condition.status is Status.FALSE
    assert condition.reason == (known.reason if known else "DownloadFailed")
    assert words in condition.message
    assert condition.whose is whose
    again = job_of(outcome, name)["spec"]["ttlSecondsAfterFinished"]
    assert again == (LATER if 41 <= code <= 48 and code != 46 else SOON).first_seconds
    assert condition.message.endswith(
        f". It is tried again {again // 60} minutes after it failed. To try at once, set "
        "spec.source.restartedAt to the time"
    )


def tried(outcome: Outcome, name: str, uid: str, said: list[dict[str, Any]]) -> Outcome:
    """Run once more over a Model whose download is now the Job of this UID, which says something."""
    observed = live(outcome)
    del observed["vllm/deployment"]
    observed[name]["status"] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "atProvider": {"manifest": {"metadata": {"uid": uid}, "status": {"conditions": said}}},
    }
    return compose(request(SPEC, EU, status=dict(outcome.status), observed=observed))


def test_each_try_waits_twice_as_long() -> None:
    """Each may boot a GPU node for a quarter of an hour: every five minutes kept one for good."""
    outcome, name = downloading(SPEC, [])
    waits = []
    for failures in range(1, 9):
        uid, said = f"job-{failures}", [failure(52)]
        outcome = tried(outcome, name, uid, said)
        # Seen again and again, a failure counts once.
        again = tried(outcome, name, uid, said)
        assert manifests(again)[name] == manifests(outcome)[name]
        waits.append(job_of(outcome, name)["spec"]["ttlSecondsAfterFinished"] // 60)
        if failures == 3:
            assert weights_ready(outcome).message.endswith(
                "It failed 3 times, and is tried again 20 minutes after the last. To try at once, set "
                "spec.source.restartedAt to the time"
            )
        # The next try runs, and Kubernetes is not to delete it.
        outcome = tried(outcome, name, f"job-{failures + 1}", [])
        assert "ttlSecondsAfterFinished" not in job_of(outcome, name)["spec"]
    assert waits == [5, 10, 20, 40, 80, 120, 120, 120]


def test_a_day_of_tries_takes_a_node_for_three_hours_at_most() -> None:
    for again, hours in ((SOON, 3.0), (LATER, 0.25)):
        day = 24 * 60 * 60
        last = again.most_seconds + (0 if again is LATER else 15 * 60)
        assert day / last * 0.25 <= hours
    assert LATER.seconds(9**9) == LATER.most_seconds


def test_words_of_a_long_wait() -> None:
    outcome, name = downloading(SPEC, [])
    for number in range(3):
        outcome = tried(outcome, name, f"job-{number}", [failure(41)])
    assert "It failed 3 times, and is tried again 4 hours after the last." in weights_ready(outcome).message


def test_a_pod_that_fails_without_a_word() -> None:
    said = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached ...",
    }
    condition = weights_ready(downloading(SPEC, [said])[0])
    assert (condition.reason, condition.whose) == ("DownloadFailed", Whose.PLATFORM)
    assert "kubectl logs --namespace team-a-qwen-69e9ae072db0ed27 --selector" in condition.message


def test_it_is_told_while_the_pod_still_ends() -> None:
    assert (
        weights_ready(downloading(SPEC, [{**failure(41), "type": "FailureTarget"}])[0]).reason == "GatedModel"
    )


@pytest.mark.parametrize(
    "said", [[], [{**failure(41), "status": "False"}], [{"type": "Complete", "status": "True"}]]
)
def test_nothing_to_tell(said: list[dict[str, Any]]) -> None:
    outcome, name = downloading(SPEC, said)
    assert isinstance(next(c for c in outcome.conditions if c.type == "WeightsReady"), Progress)
    assert "ttlSecondsAfterFinished" not in job_of(outcome, name)["spec"], "a Job that is done stays"


def test_only_what_a_try_cannot_mend_ends_the_job() -> None:
    """And a pod that its node loses does not count."""
    outcome = compose(request(SPEC, EU))
    lost, told = job_of(outcome, DOWNLOAD)["spec"]["podFailurePolicy"]["rules"]
    assert lost == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert told["action"] == "FailJob"
    assert not {0, 1, 137, 143} & set(told["onExitCodes"]["values"])


@pytest.mark.parametrize(
    "change",
    [
        {"source": {"huggingFace": {"tokenSecretRef": {"name": "other"}}}},
        {"source": {"volumeGiB": 99}},
        {"revision": "v2"},
        {"source": {"restartedAt": "12:30"}},
    ],
    ids=["token", "volume", "revision", "restartedAt"],
)
def test_a_change_is_tried_at_once(change: dict[str, Any]) -> None:
    outcome, name = downloading(SPEC, [failure(46)], change=change)
    assert name in outcome.gone or stays(outcome, name)
    assert isinstance(next(c for c in outcome.conditions if c.type == "WeightsReady"), Progress)
    [other] = [n for n in manifests(outcome) if n.startswith("vllm/download-") and n != name]
    assert "ttlSecondsAfterFinished" not in job_of(outcome, other)["spec"]


def test_a_corrected_token_is_fetched_at_once() -> None:
    """The next try waits until the agent has delivered the token as it is now."""
    before = compose(request({**SPEC, **TOKEN}, EU))
    spec = {**SPEC, "source": {**TOKEN["source"], "restartedAt": "12:30"}}
    after = compose(request(spec, EU, status=dict(before.status), observed=live(before)))
    name = "vllm/hub-token-delivery"
    sources = [manifests(outcome)[name]["spec"]["source"] for outcome in (before, after)]
    assert "askedAt" not in sources[0]
    assert sources[1] == {**sources[0], "askedAt": "12:30"}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    delivered = [{"status": {**ready, "delivered": {**source, "uid": "u"}}} for source in sources]
    under_way = {n: m for n, m in live(before).items() if "/download-" not in n and n != "vllm/deployment"}
    asked = request(spec, EU, status=dict(before.status), observed=under_way)
    [delivery] = [r for r in compose(asked).resources if r.name == name]
    assert [delivery.ready(View(each)) for each in delivered] == [False, True]


def test_weights_that_are_there_are_not_downloaded_again() -> None:
    before = compose(request(SPEC, EU))
    spec = {**SPEC, "source": {"restartedAt": "12:30"}}
    after = compose(request(spec, EU, status=dict(before.status), observed=live(before)))
    assert stays(after, DOWNLOAD)
    assert not [n for n, m in manifests(after).items() if n.startswith("vllm/download-") and m]


def test_a_volume_grows_until_it_is_filled() -> None:
    outcome, _ = downloading(SPEC, [failure(46)], change={"source": {"volumeGiB": 99}})
    volume = manifests(outcome)[VOLUME]["spec"]["forProvider"]["manifest"]["spec"]
    assert volume["resources"]["requests"]["storage"] == "99Gi"
    before = compose(request(SPEC, EU))
    filled = compose(
        request({**SPEC, "source": {"volumeGiB": 99}}, EU, status=dict(before.status), observed=live(before))
    )
    assert stays(filled, VOLUME)


def test_a_gated_model_without_a_token_is_told_before_a_pod_runs() -> None:
    """V6: it held its GPUs for days, and its Job failed."""
    outcome = compose(request(GATED, EU))
    condition = weights_ready(outcome)
    assert (condition.reason, condition.whose) == ("GatedModel", Whose.MODEL)
    assert "spec.source.huggingFace.tokenSecretRef" in condition.message
    assert "tried again" not in condition.message
    assert [m for n, m in manifests(outcome).items() if n.startswith("vllm/download-")] == [None]


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ({**GATED, **TOKEN}, {}),
        (GATED, {"weights": {"endpoint": "https://hub.corp"}}),
    ],
    ids=["with a token", "from a mirror, which may need none"],
)
def test_a_gated_model_that_may_be_read(spec: dict[str, Any], given: dict[str, Any]) -> None:
    outcome = compose(request(spec, EU, given=given))
    assert all(m for n, m in manifests(outcome).items() if n.startswith("vllm/download-"))


def test_a_token_that_is_not_needed_any_more_goes() -> None:
    """The weights are in their volume: the Model runs on without it, also a gated one."""
    before = compose(request({**GATED, **TOKEN}, EU))
    after = compose(request(GATED, EU, status=dict(before.status), observed=live(before)))
    assert set(after.gone) == {"vllm/hub-token-owner", "vllm/hub-token-delivery"}
    assert isinstance(next(c for c in after.conditions if c.type == "WeightsReady"), Progress)
    assert manifests(after)["vllm/deployment"] == manifests(before)["vllm/deployment"]


def volume_of(uid: str) -> dict[str, Any]:
    return {"atProvider": {"manifest": {"metadata": {"uid": uid}}}}


@pytest.mark.parametrize(("uid", "again"), [("a", False), ("b", True), ("", False)])
def test_a_volume_that_is_created_again_is_filled_again(uid: str, again: bool) -> None:
    """V16: it is empty, and was served as complete. A volume that nothing is known of changes nothing."""
    ready = [{"type": "Ready", "status": "True"}]
    before = compose(request(SPEC, EU))
    observed = live(before)
    observed[VOLUME]["status"] = {"conditions": ready, **volume_of("a")}
    observed = {n: m for n, m in observed.items() if n != DOWNLOAD and n != "vllm/deployment"}
    filled = compose(request(SPEC, EU, status=dict(before.status), observed=observed))
    done = {**live(filled), VOLUME: {**observed[VOLUME], "status": {"conditions": ready, **volume_of(uid)}}}
    [name] = [n for n in done if n.startswith("vllm/download-")]
    outcome = compose(request(SPEC, EU, status=dict(before.status), observed=done))
    assert (name in outcome.gone) == again
    others = [n for n, m in manifests(outcome).items() if n.startswith("vllm/download-") and m]
    assert bool(others) == again
    assert manifests(outcome)["vllm/deployment"], "its pods wait for the weights"
