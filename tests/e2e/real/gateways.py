"""What the tests of a gateway have in common: keys, Models whose engine is played, loads of pods."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.observing import refreshed, wait_ready
from tests.e2e.people import member
from tests.e2e.real import asking, pods
from tests.e2e.real.checks import READY_SECONDS
from tests.e2e.workload import ask_to_go, place
from tools.control_plane.api import Api
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import served

_PROGRAMS = Path(__file__).parent / "programs"
_START_SECONDS = 90


def program(name: str) -> str:
    """Return a program that a pod runs."""
    return (_PROGRAMS / f"{name}.py").read_text()


def key(api: Api, claim: Manifest) -> str:
    """Return a Model's key, from the Secret beside the claim; empty while there is none."""
    name = refreshed(api, claim)["status"]["endpoint"]["secretName"]
    found = api.find("v1", "Secret", name, claim["metadata"]["namespace"])
    return base64.b64decode(found["data"].get("OPENAI_API_KEY", "")).decode() if found else ""


@contextmanager
def without_pods(api: Api, *named: tuple[str, str], **spec: Any) -> Iterator[list[Manifest]]:
    """Claim Models without pods, by namespace and name; give them once they have routes and keys.

    At the end they are asked to go, which takes a minute: nobody waits for it before the cluster or its gateway goes.
    """
    made = [
        member(api, namespace).create(served.model(namespace, name, replicas={"min": 0}, **spec))
        for namespace, name in named
    ]
    for claim in made:
        wait_ready(api, claim, READY_SECONDS)
        has_endpoint = lambda claim=claim: bool(refreshed(api, claim)["status"].get("endpoint"))  # noqa: E731
        wait_for("its endpoint", has_endpoint)
        wait_for("its key", lambda claim=claim: bool(key(api, claim)))  # type: ignore[misc]
    yield [refreshed(api, claim) for claim in made]
    for claim in made:
        ask_to_go(api, claim)


@contextmanager
def played(
    api: Api, *named: tuple[str, str], engines: int = 1, session: Mapping[str, str] | None = None
) -> Iterator[list[Manifest]]:
    """Give Models whose routes, keys and policies are the functions', and whose engine is `programs/engine.py`.

    Args:
        api: of the control plane, which is the node's.
        named: the Models, by namespace and name.
        engines: pods of each.
        session: as in the spec.
    """
    # It takes more at once than the engine that it plays.
    routing = {"queuePerReplica": 2000, **({"session": dict(session)} if session else {})}
    with without_pods(api, *named, routing=routing) as claims:
        for claim in claims:
            for number in range(engines):
                pods.started(api, _engine(api, claim, number))
        yield claims


def _engine(api: Api, claim: Manifest, number: int) -> Manifest:
    """Return a pod to which a Model's Service leads."""
    service = served.service(api, claim)["spec"]
    port = service["ports"][0]["port"]
    return pods.pod(
        place(api, claim),
        f"played-engine-{number}",
        program("engine"),
        labels=service["selector"],
        env=[{"name": "PORT", "value": str(port)}],
        readinessProbe={"tcpSocket": {"port": port}, "periodSeconds": 1},
    )


def load(claim: Manifest, kind: str, seconds: int, count: int = 1) -> Manifest:
    """Return a pod beside a claim that is a load, as `programs/load.py` says."""
    given = {"KIND": kind, "SECONDS": str(seconds), "COUNT": str(count)}
    return asking.app(claim, program("load"), f"load-{kind}", **given)


def begun(api: Api, pod: Manifest) -> None:
    """Start a load; return once its Model is reached."""
    api.create(pod)
    wait_for("the load to begin", lambda: "begun" in _printed(api, pod), _START_SECONDS)


def _printed(api: Api, pod: Manifest) -> str:
    phase = pods.phase(api, pod)
    assert phase != "Failed", pods.log(api, pod)
    return pods.log(api, pod) if phase in ("Running", "Succeeded") else ""


def ended(api: Api, pod: Manifest, seconds: float) -> dict[str, Any]:
    """Return what came of a load once it ends, and remove its pod."""
    name = pod["metadata"]["name"]
    wait_for(f"{name} to end", lambda: pods.phase(api, pod) in ("Succeeded", "Failed"), seconds)
    printed, phase = pods.log(api, pod), pods.phase(api, pod)
    pods.remove(api, pod)
    assert phase == "Succeeded", printed
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found
