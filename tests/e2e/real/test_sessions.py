"""Conversations at the real gateway, whose Envoys choose one of two played engines: always the same for each."""

from __future__ import annotations

import json

from tests.e2e.conftest import Plane
from tests.e2e.real import asking, gateways, pods
from tools.manifests import Manifest

TEAM, HEADER = "team-a", "x-session-id"


def test_a_conversation_stays_at_one_replica(real: Plane, gateway: Manifest) -> None:
    """At each of the gateway's two Envoys the same, over whose connections nobody decides; others go to both."""
    del gateway
    pods.namespace(real.api, TEAM)
    with gateways.played(real.api, (TEAM, "sessions"), engines=2, session={"header": HEADER}) as [claim]:
        pod = asking.app(claim, gateways.program("sessions"), HEADER=HEADER)
        answered = json.loads(pods.run(real.api, pod, 120))
    conversations = [set(each) for each in answered["conversations"]]
    assert [len(each) for each in conversations] == [1] * len(conversations), answered
    assert set.union(*conversations) == set(answered["others"]) == {f"played-engine-{n}" for n in range(2)}
