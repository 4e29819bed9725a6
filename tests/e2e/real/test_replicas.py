"""Two replicas of a Model on the real node: a rollout loses no request, and what would lose some is seen.

Callers repeat once what is refused before it begins; see steady.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import pytest

from tests.e2e.conftest import Plane
from tests.e2e.observing import wait_ready
from tests.e2e.people import member
from tests.e2e.real import asking, steady
from tests.e2e.real.checks import READY_SECONDS, becomes_ready
from tests.e2e.real.steady import Asked, Caller, Steady, loses_nothing
from tests.e2e.workload import ask_to_go, place, serving
from tools.control_plane.api import Api, ApiError, identity
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import served

TEAM = "team-a"
SMALL = {"resources": {"cpu": "100m", "memory": "4Gi"}}
BEFORE, AFTER = 8192, 16384
"""Tokens of context, before the rollout and after it."""
CALLERS = [Caller(f"service-{number}", tokens=16) for number in range(3)]
LONG = 3000
"""Tokens of a stream that takes some seconds, and less than the drain of 45 s on a slow machine."""
_REFUSED = "violate the pod's disruption budget"
_EARLY = 4
"""Seconds before a pod is told to stop at which a caller begins to have streams there."""


@dataclass(frozen=True)
class Rollout:
    """What happened while other pods came in place of a Model's."""

    asked: list[Asked]
    """By callers of the Service."""
    streams: list[Asked]
    """Of the pod that went first, until it refused some."""
    stopped: float
    """When that pod was told to stop, in seconds since 1970, or up to a second earlier."""
    eviction: str
    """What was said to who would evict the other pod then; empty where nothing refused it."""


@pytest.fixture(scope="module")
def api(real: Plane) -> Api:
    return real.api


@pytest.fixture(scope="module")
def claim(real: Plane, cluster: Manifest) -> Iterator[Manifest]:
    """A Model of two replicas, once it is Ready."""
    del cluster
    asked = served.model(TEAM, "twice", contextLength=BEFORE, replicas={"min": 2}, engine=SMALL)
    made = member(real.api, TEAM).create(asked)
    try:
        yield becomes_ready(real, made)
    finally:
        # Whoever deletes the cluster waits for it.
        ask_to_go(real.api, made)


@pytest.fixture(scope="module")
def rollout(api: Api, claim: Manifest) -> Rollout:
    """Change the Model under requests, and wait until all its pods are new."""
    old = living(api, claim)
    with steady.sending(api, claim, "steady", CALLERS) as requests, ExitStack() as until_the_end:
        member(api, TEAM).patch(claim, {"spec": {"contextLength": AFTER}})
        wait_for("a pod to go", lambda: going(api, old) != [])
        [first] = going(api, old)
        stopped = told_to_stop(first)
        caller = Caller("first", LONG, first["status"]["podIP"], at=stopped - _EARLY, pause=0)
        streams = until_the_end.enter_context(steady.sending(api, claim, "streams", [caller]))
        [other] = [pod for pod in old if pod["metadata"]["uid"] != first["metadata"]["uid"]]
        wait_for("the budget to be used up", lambda: may_go(api, claim) == 0)
        eviction = why_not_evicted(api, other)
        wait_for("the first pod to be gone", lambda: gone(api, first), 120)
        wait_for("two new pods", lambda: are_new(api, claim, old), 2 * READY_SECONDS)
        return Rollout(requests.settled(CALLERS), streams.asked(), stopped, eviction)


def test_both_replicas_serve(api: Api, claim: Manifest) -> None:
    found = living(api, claim)
    addresses = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found}
    assert len(addresses) == 2
    assert ready_addresses(api, claim) == set(addresses.values())
    callers = [Caller(name, 16, address, pause=60) for name, address in addresses.items()]
    with steady.sending(api, claim, "both", callers) as requests:
        wait_for("both to answer", lambda: len(ended(requests)) == 2)
        loses_nothing(ended(requests))


def test_an_eviction_is_possible_while_both_serve(api: Api, claim: Manifest) -> None:
    """Only tried; else the refusal during the rollout says little."""
    assert why_not_evicted(api, living(api, claim)[0], dry_run=True) == ""


def test_a_rollout_loses_no_request(rollout: Rollout) -> None:
    loses_nothing(rollout.asked)
    seconds = [each.ended - each.sent for each in rollout.asked if each.ended]
    repeated = sum(each.tries > 1 for each in rollout.asked)
    print(f"{len(seconds)} requests, {repeated} repeated, the longest took {max(seconds):.1f} s")


def test_a_stream_that_is_open_when_its_pod_is_told_to_stop_ends_whole(rollout: Rollout) -> None:
    begun = [each for each in rollout.streams if each.begun]
    loses_nothing(begun)
    last = begun[-1]
    assert last.begun is not None
    assert last.ended is not None
    print(
        f"open from {last.begun - rollout.stopped:.1f} to {last.ended - rollout.stopped:.1f} s after the signal"
    )
    assert last.begun < rollout.stopped
    assert last.ended > rollout.stopped + 1
    assert [each for each in rollout.streams if not each.begun], "the pod takes requests after the signal"


def test_an_eviction_meanwhile_is_refused(rollout: Rollout) -> None:
    assert _REFUSED in rollout.eviction


def test_the_new_pods_serve_what_was_asked(api: Api, claim: Manifest, rollout: Rollout) -> None:
    del rollout
    wait_ready(api, claim, READY_SECONDS)
    models = asking.read(api, TEAM, f"{claim['status']['endpoint']['baseURL']}/models")
    assert f'"max_model_len":{AFTER}' in models


def test_a_pod_that_has_no_time_to_stop_loses_a_request(api: Api, claim: Manifest, rollout: Rollout) -> None:
    """So what is seen of the rollout can be seen to fail."""
    del rollout
    pod = living(api, claim)[0]
    # Longer than what is left to the pod, also where nothing else takes CPU.
    caller = Caller("cut", AFTER - 100, pod["status"]["podIP"])
    with steady.sending(api, claim, "cut", [caller]) as streams:
        wait_for("a stream", lambda: any(each.begun for each in streams.asked()))
        api.call("DELETE", api.path(*identity(pod)), {"gracePeriodSeconds": 1})
        wait_for("the stream to end", lambda: ended(streams) != [], 90)
        with pytest.raises(AssertionError, match=r"1 of 1 requests are lost:\ncut, .*: the stream") as seen:
            loses_nothing([each for each in ended(streams) if each.begun])
        print(seen.value)


def living(api: Api, claim: Manifest) -> list[Manifest]:
    """Return a Model's serving pods that nobody has asked to go."""
    return [pod for pod in serving(api, claim) if "deletionTimestamp" not in pod["metadata"]]


def going(api: Api, pods: Sequence[Manifest]) -> list[Manifest]:
    """Return those pods that have been asked to go and are there."""
    found = [api.find(*identity(pod)) for pod in pods]
    return [pod for pod in found if pod is not None and "deletionTimestamp" in pod["metadata"]]


def gone(api: Api, pod: Manifest) -> bool:
    """Say whether a pod is gone; a Deployment gives no other the same name."""
    return api.find(*identity(pod)) is None


def are_new(api: Api, claim: Manifest, old: Sequence[Manifest]) -> bool:
    """Say whether a Model has two pods that answer, none of them an old one."""
    found = living(api, claim)
    before = {pod["metadata"]["uid"] for pod in old}
    addresses = {pod["status"].get("podIP") for pod in found}
    new = len(found) == 2 and before.isdisjoint(pod["metadata"]["uid"] for pod in found)
    return new and ready_addresses(api, claim) == addresses


def ready_addresses(api: Api, claim: Manifest) -> set[str]:
    """Return the addresses of the pods to which a Model's Service leads."""
    service = served.service(api, claim)["metadata"]
    slices = api.items(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        service["namespace"],
        f"kubernetes.io/service-name={service['name']}",
    )
    return {
        address
        for each in slices
        for endpoint in each["endpoints"] or ()
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


def told_to_stop(pod: Manifest) -> float:
    """Return when a pod that goes is told to stop: after its grace began, and after what it does first."""
    metadata, [container] = pod["metadata"], pod["spec"]["containers"]
    over = datetime.fromisoformat(metadata["deletionTimestamp"]).timestamp()
    first = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    return float(over - metadata["deletionGracePeriodSeconds"] + first)


def may_go(api: Api, claim: Manifest) -> int:
    """Return how many of a Model's pods its PodDisruptionBudget lets be evicted, as its controller has counted."""
    [budget] = api.items("policy/v1", "PodDisruptionBudget", place(api, claim))
    return int(budget["status"]["disruptionsAllowed"])


def why_not_evicted(api: Api, pod: Manifest, *, dry_run: bool = False) -> str:
    """Ask for a pod's eviction, as whoever drains its node does; return the refusal, empty where there is none."""
    name = {key: pod["metadata"][key] for key in ("name", "namespace")}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
    query = {"dryRun": "All"} if dry_run else {}
    try:
        api.call("POST", f"{api.path(*identity(pod))}/eviction", eviction, query=query)
    except ApiError as error:
        return str(error)
    return ""


def ended(requests: Steady) -> list[Asked]:
    """Return the requests of which all is known."""
    return [each for each in requests.asked() if each.ended]
