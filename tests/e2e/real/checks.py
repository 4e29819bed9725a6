"""What the tests hold a Model on the real node to; test_faults.py shows that each sees a fault of ours.

Each raises AssertionError for a Model that is not as it should be.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from functions.api import Trouble
from tests.e2e.conftest import Plane
from tests.e2e.observing import refreshed, told
from tests.e2e.real import pods
from tests.e2e.real.inside import processes_of, reaches_from
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


def becomes_ready(real: Plane, claim: Manifest) -> Manifest:
    """Return a Model's claim once it is Ready; raise as soon as it says that a pod fails."""

    def ready() -> bool:
        found = refreshed(real.api, claim)
        conditions = found.get("status", {}).get("conditions", ())
        failing = [c for c in conditions if c["status"] == "False" and c["reason"] in _NEVER_ON_THE_WAY]
        assert failing == [], "\n".join(told(found))
        return condition(found, "Ready").get("status") == "True"

    try:
        wait_for("Ready", ready, READY_SECONDS)
    except ToolError as error:
        raise AssertionError("\n".join(_known(real.api, claim))) from error
    return refreshed(real.api, claim)


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
