"""Limits of Models at the real gateway: what is above is refused, counted by the client, and released in time.

Envoy Gateway, Envoy and Envoy's rate-limit service are real, and so is what keeps the counters; engines are played,
but for the stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from functions.api import contract
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed
from tests.e2e.people import member
from tests.e2e.real import asking, gateways, pods
from tests.e2e.real.policies import calling
from tests.e2e.workload import place
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node.gateway import CEILING, HOST, LIMITED

TEAM = "team-a"
OWN = f"/{TEAM}/limited"
WEB, BATCH = "web-key-0123456789abcdef", "batch-key-0123456789abcdef"
_TRY = """
import http.client, json, ssl, time

context = ssl.create_default_context(cafile="/endpoint/ca.crt")

def asked(path, key, more):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **more}
    for _ in range(60):
        try:
            connection = http.client.HTTPSConnection(%r, context=context, timeout=60)
            connection.request("POST", path + "/v1/completions", json.dumps({"prompt": "x"}), headers)
            answer = connection.getresponse()
            answer.read()
            told = {k: v for k, v in answer.getheaders() if k.startswith("x-ratelimit") or k == "retry-after"}
            # Envoy tells the counters of an answer's tokens after the client has got the answer.
            time.sleep(1 if "x-play-tokens" in more else 0)
            return answer.status, told
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            # The agent of network policies hears of a new pod a moment after the pod has started.
            last = error
            time.sleep(0.5)
    raise last

first, then = json.loads(%r)
asked("/", "nobody", {})
# The counters' minute is the clock's. All is asked in one, near its end.
left = 60 - time.time() %% 60
if first:
    time.sleep((left - 15) %% 60)
print(json.dumps([asked(*each) for each in first]), flush=True)
if then:
    time.sleep(60.5 - time.time() %% 60)
print(json.dumps([asked(*each) for each in then]))
"""
Try = tuple[str, str, dict[str, str]]
Answer = tuple[int, dict[str, str]]


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


def answers(
    api: Api, claim: Manifest, first: list[Try], then: list[Try]
) -> tuple[list[Answer], list[Answer]]:
    """Return status and headers of requests by path, key and headers: some in one minute, others in the next."""
    code = _TRY % (HOST, json.dumps([first, then]))
    printed = pods.run(api, asking.app(claim, code), 180).splitlines()
    one, two = (list(map(tuple, json.loads(line))) for line in printed[-2:])
    return one, two


@pytest.fixture(scope="module")
def models(api: Api, gateway: Manifest) -> Iterator[list[Manifest]]:
    """A Model with limits and two clients, and two of a namespace with a ceiling; their engines are played."""
    del gateway
    for team in (TEAM, LIMITED):
        pods.namespace(api, team)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "limited-clients", "namespace": TEAM},
        "stringData": {"web": WEB, "batch": BATCH},
    }
    api.apply(secret)
    with gateways.played(api, (TEAM, "limited"), (LIMITED, "one"), (LIMITED, "two")) as claims:
        clients = [
            {
                "name": "web",
                "secretRef": {"name": "limited-clients", "key": "web"},
                "limits": {"requestsPerMinute": 3},
            },
            {
                "name": "batch",
                "secretRef": {"name": "limited-clients", "key": "batch"},
                "limits": {"tokensPerMinute": 100, "tokensPerMonth": 100_000},
            },
        ]
        access = {"clients": clients, "limits": {"requestsPerMinute": 400}}
        member(api, TEAM).patch(claims[0], {"spec": {"access": access}})
        wait_for("the limits, and the clients' keys", lambda: _known(api, claims[0]), 120)
        yield [refreshed(api, claim) for claim in claims]


def _policy(api: Api, claim: Manifest) -> Manifest:
    found: Manifest = api.get(
        "gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "vllm", place(api, claim)
    )
    return found


def _known(api: Api, claim: Manifest) -> bool:
    if "rateLimit" not in _policy(api, claim)["spec"]:
        return False
    _, [(status, told)] = answers(api, claim, [], [(OWN, BATCH, {})])
    return status == 200 and bool(told)


def test_a_limit_is_met_and_released_and_anothers_is_not(api: Api, models: list[Manifest]) -> None:
    """Requests of one client and tokens of another: each is told what is left, and when to come again.

    The ceiling of a namespace is of all its Models together; it is asked in the same minute as what is released.
    """
    claim, one, two = models
    conditions = [c for each in _policy(api, claim)["status"]["ancestors"] for c in each["conditions"]]
    assert {c["type"]: c["status"] for c in conditions}["Accepted"] == "True", conditions
    many, few = {"x-play-tokens": "90"}, {"x-play-tokens": "20"}
    web: Try = (OWN, WEB, {})
    batch: Try = (OWN, BATCH, few)
    own: Try = (OWN, gateways.key(api, claim), {})
    ceiling: list[Try] = [(f"/{LIMITED}/one", gateways.key(api, one), {})] * (CEILING - 1)
    ceiling += [(f"/{LIMITED}/two", gateways.key(api, two), {})] * 3
    asked = [*[web] * 5, (OWN, BATCH, many), batch, batch, batch, own]
    first, then = answers(api, claim, asked, [web, batch, own, *ceiling])
    assert [status for status, _ in first[:5]] == [200, 200, 200, 429, 429]
    assert [told["x-ratelimit-remaining"] for _, told in first[:4]] == ["2", "1", "0", "0"]
    assert 0 < int(first[4][1]["retry-after"]) <= 60
    # What an answer took is known once it has ended: the one that goes beyond comes whole.
    assert [status for status, _ in first[5:9]] == [200, 200, 429, 429]
    assert first[9][0] == 200
    assert [status for status, _ in then[:3]] == [200, 200, 200]
    assert [status for status, _ in then[3:]] == [*[200] * CEILING, 429, 429]


def test_nobody_else_reaches_the_counters(api: Api, models: list[Manifest]) -> None:
    del models
    address = api.get("v1", "Service", "valkey", contract.GATEWAY_NAMESPACE)["spec"]["clusterIP"]
    with calling(api, TEAM, address, 6379) as reached:
        assert not any(reached() for _ in range(5))
