"""What the gateway records of requests, at the real Envoys on the real node."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.real.gateways import key
from tests.e2e.real.test_shared_address import PATH, TEAM, chat_of, said
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest

_SECONDS = 60
_SAYS = "A sentence that is in no record"


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def records(api: Api, since: float) -> list[dict[str, Any]]:
    """Return what the Envoys have recorded of requests that began after a time, in its order."""
    found = []
    for pod in api.items("v1", "Pod", contract.GATEWAY_NAMESPACE):
        if pod["metadata"]["labels"].get(contract.COMPONENT) == contract.GATEWAY_PROXY:
            for line in api.log(pod, "envoy").splitlines():
                # Envoy's own log is there, too.
                if line.startswith("{"):
                    found.append(json.loads(line))
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    return sorted((each for each in found if each["time"] >= began), key=lambda each: str(each["time"]))


def events(stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream."""
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]


def test_tokens_of_each_request_are_recorded_and_nothing_of_what_was_said(api: Api, chat: Manifest) -> None:
    """At the Model's own address, with and without a stream that says its usage; what is refused, too."""
    own, began = key(api, chat), time.time()
    at, asked = f"/{TEAM}/tiny{PATH}", [{"role": "user", "content": _SAYS}]
    body = chat_of("", messages=asked)
    told = {"stream": True, "stream_options": {"include_usage": True}}
    whole, stream, silent, refused = said(
        api,
        chat,
        ("POST", at, own, body),
        ("POST", at, own, {**body, **told}),
        ("POST", at, own, {**body, "stream": True}),
        ("POST", at, "a-wrong-key", body),
    )
    assert [each[0] for each in (whole, stream, silent, refused)] == [200, 200, 200, 401]
    wait_for("four records", lambda: len(records(api, began)) >= 4, _SECONDS)
    found = records(api, began)
    assert [each["status"] for each in found] == [200, 200, 200, 401]
    assert {each["client"] for each in found[:3]} == {f"{TEAM}.tiny"}
    assert {(each["model"], each["api"]) for each in found[:3]} == {(f"{TEAM}/tiny", "chat/completions")}
    counted = [(each["tokensIn"], each["tokensOut"], each["estimated"]) for each in found]
    # A model of random weights may end an answer before `max_tokens`: each says its own.
    *_, last = (event for event in events(stream[2]) if event.get("usage"))
    for record, usage in zip(counted[:2], (json.loads(whole[2])["usage"], last["usage"]), strict=True):
        assert record == (usage["prompt_tokens"], usage["completion_tokens"], False)
    assert counted[2][2] is True
    assert counted[2][1] >= len(events(silent[2]))
    assert (found[3]["client"], *counted[3]) == (None, None, None, None)
    printed = json.dumps(found)
    assert _SAYS not in printed
    assert own not in printed
    assert "a-wrong-key" not in printed
