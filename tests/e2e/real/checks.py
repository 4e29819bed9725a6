"""What the tests hold a Model on the real node to; test_faults.py shows that each sees a fault of ours.

Each raises AssertionError for a Model that is not as it should be.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from functions.api import Trouble
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told
from tests.e2e.real import pods
from tests.e2e.real.inside import answers, processes_of, reaches_from
from tests.e2e.real.policies import calling
from tests.e2e.workload import serving
from tools.control_plane.api import Api, condition
from tools.control_plane.waiting import wait_for
from tools.errors import ToolError
from tools.manifests import Manifest
from tools.node import dns

READY_SECONDS = 400
_STRANGERS = ("team-a", "team-b", "default")
"""Namespaces whose pods try to reach a Model; its own claim's is left out."""
_NEVER_ON_THE_WAY = (
    Trouble.CRASH_LOOP,
    Trouble.OUT_OF_MEMORY,
    Trouble.PROBE_FAILING,
    Trouble.CONTAINER_NOT_STARTED,
    Trouble.IMAGE_PULL,
)
"""Troubles that no pod of a Model has which will serve; others, such as of volumes, pass by themselves."""
_NOBODY = "connect: connection refused"
"""Of a probe's event: nothing listens at its port."""


def becomes_ready(real: Plane, claim: Manifest) -> Manifest:
    """Return a Model's claim once it is Ready; raise as soon as it says that a pod fails.

    Or as soon as an engine answers, and the kubelet's probes do not find it: to the kubelet, and so to the claim,
    it still loads.
    """
    since: dict[str, float] = {}

    def ready() -> bool:
        found = refreshed(real.api, claim)
        conditions = found.get("status", {}).get("conditions", ())
        failing = [c for c in conditions if c["status"] == "False" and c["reason"] in _NEVER_ON_THE_WAY]
        assert failing == [], "\n".join(told(found))
        if condition(found, "Ready").get("status") == "True":
            return True
        _is_found_by_its_probes(real, found, since)
        return False

    try:
        wait_for("Ready", ready, READY_SECONDS)
    except ToolError as error:
        raise AssertionError("\n".join(_known(real.api, claim))) from error
    return refreshed(real.api, claim)


def _is_found_by_its_probes(real: Plane, claim: Manifest, since: dict[str, float]) -> None:
    """Raise AssertionError for an engine that answers where its Service leads, and whose probes meet nobody.

    Args:
        real: the control plane.
        claim: the Model's, as it is now.
        since: when each pod was seen to answer first, by its address, in seconds since 1970; is added to.
    """
    namespace = claim.get("status", {}).get("placement", {}).get("namespace")
    if not namespace:
        return
    refusals = [
        each for each in real.api.items("v1", "Event", namespace) if _NOBODY in each.get("message", "")
    ]
    # That of a group's names has no port.
    services = [s["spec"] for s in real.api.items("v1", "Service", namespace) if "ports" in s["spec"]]
    for port in (spec["ports"][0]["targetPort"] for spec in services if refusals):
        for pod in serving(real.api, claim):
            name, address = pod["metadata"]["name"], pod["status"].get("podIP", "")
            if address and address not in since and answers(real, address, port, "/v1/models"):
                since[address] = time.time()
            late = [
                each["message"]
                for each in refusals
                if each["involvedObject"]["name"] == name
                if address in since and _seconds(each["lastTimestamp"]) > since[address] + 1
            ]
            assert late == [], f"pod {name}: it answers at port {port}, and {late[0]}"


def _seconds(timestamp: str) -> float:
    """Return a time of Kubernetes' in seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp()


def _known(api: Api, claim: Manifest) -> Iterator[str]:
    """Yield what is known of a Model that does not become Ready."""
    found = refreshed(api, claim)
    yield from told(found)
    namespace = found.get("status", {}).get("placement", {}).get("namespace", "")
    for pod in api.items("v1", "Pod", namespace) if namespace else ():
        yield json.dumps(pod["status"])[:2000]
        yield pods.log(api, pod)[-2000:]


def is_reached_from_its_own_namespace_alone(real: Plane, claim: Manifest) -> None:
    """Have pods of the claim's namespace and of others call the serving pod, which listens."""
    own = claim["metadata"]["namespace"]
    [pod] = serving(real.api, claim)
    address, port = pod["status"]["podIP"], pod["spec"]["containers"][0]["ports"][0]["containerPort"]
    with calling(real.api, own, address, port) as reached:
        wait_for("the claim's namespace to be let in", reached, 30)
    for other in _STRANGERS:
        if other != own:
            with calling(real.api, other, address, port) as reached:
                assert not any(reached() for _ in range(5)), f"namespace {other} reaches a Model of {own}"


def reaches_nobody(real: Plane, claim: Manifest) -> None:
    """Try from the serving pod's own network, and from another pod's, where all but the outside is reached."""
    [pod] = serving(real.api, claim)
    hub = real.api.get("v1", "Service", "hub", "hub")["spec"]["clusterIP"]
    [hubs_pod] = real.api.items("v1", "Pod", "hub")
    inside = {
        "the API server": ("10.96.0.1", 443),
        "the name server": (dns.ADDRESS, 53),
        "a Service": (hub, 8080),
        "a pod": (hubs_pod["status"]["podIP"], 8080),
    }
    outside = {"the metadata of a cloud": ("169.254.169.254", 80), "the internet": ("192.0.2.1", 443)}
    free, closed = (processes_of(real, each)[0] for each in (hubs_pod, pod))
    unreached = [name for name, target in inside.items() if not reaches_from(free, *target)]
    assert unreached == [], "what a pod without a policy does not reach"
    reached = [name for name, target in (inside | outside).items() if reaches_from(closed, *target)]
    assert reached == [], "what a serving pod reaches"


def send(real: Plane, pod: Manifest, number: int) -> None:
    """Send a signal to the first process of the engine's container, with which the others end."""
    engine = [p for p in processes_of(real, pod) if "vllm" in Path(f"/proc/{p}/cmdline").read_text()]
    os.kill(min(engine), number)


def restarts(pod: Manifest) -> int:
    """Return how often the engine's container was started again."""
    return sum(int(status["restartCount"]) for status in pod["status"]["containerStatuses"])
