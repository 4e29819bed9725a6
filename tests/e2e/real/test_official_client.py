"""The official client of OpenAI with the values of the Secret beside the claim, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.conftest import Plane
from tests.e2e.real import asking, gateways, pods
from tools.images.kinds import openai_client
from tools.manifests import Manifest
from tools.node import images, served


def test_it_works_unchanged(real: Plane, chat: Manifest) -> None:
    images.offer(real.layout, openai_client.KIND.name)
    pod = asking.app(chat, gateways.program("official_client"), "official-client")
    pod["spec"]["containers"][0]["image"] = openai_client.KIND.reference
    said: dict[str, Any] = json.loads(pods.run(real.api, pod, 180))
    print(said)
    assert said["models"] == [served.MODEL]
    assert said["stream"]["pieces"] >= 1
    assert said["stream"]["usage"] >= 1
    assert said["chat"] in ("length", "stop")
    assert said["completion"] == "text_completion"
    assert said["response"] == "response"
    assert said["wrong key"] == "AuthenticationError"
