"""One machine with a control plane and a real node for all tests of this folder, which one worker runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import machines
from tests.e2e.conftest import REAL_PREFIX, Plane, furnished
from tests.e2e.observing import FREEHOLD, refreshed, told, wait_ready
from tests.e2e.people import member
from tests.e2e.real import asking, gateways, leaving
from tests.e2e.real.checks import becomes_ready
from tests.e2e.real.policies import refuses
from tests.e2e.workload import ask_to_go, clear, wait_gone, wait_told
from tools import paths
from tools.control_plane import plane
from tools.control_plane.api import identity
from tools.control_plane.layout import Layout
from tools.control_plane.waiting import wait_for
from tools.manifests import Manifest
from tools.node import gateway as node_gateway
from tools.node import served
from tools.node.real import end

TEAM = "team-a"
_CLUSTER_SECONDS = 180
_MODELS_LEAVE_SECONDS, _LEAVES_SECONDS = 180, 240


@pytest.fixture(scope="package")
def real() -> Iterator[Plane]:
    """Start the machine, or use the running one whose folder E2E_REAL names.

    Where nothing is refused there, no test of this folder runs: agents of network policies fail open, and any
    test of one would pass.
    """
    machines.require()
    given = os.environ.get("E2E_REAL")
    if given:
        layout = Layout(Path(given).absolute())
        yield furnished(Plane(layout, layout.api()))
        return
    where = Layout(paths.MADE / f"{REAL_PREFIX}{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    before = machines.traces(where.folder)
    try:
        running = furnished(Plane(where, plane.up(where, served.node())))
        refuses(running.api)
        with leaving.hurried(running.api):
            yield running
    finally:
        end(where)
    assert machines.traces(where.folder) == before


@pytest.fixture(scope="package")
def cluster(real: Plane) -> Iterator[Manifest]:
    """The control plane's own cluster, once Models can be placed on it, which come from a Hub on the node.

    One that is there before the tests, on a machine that somebody else has started, stays.
    """
    served.offer_images(real.layout)
    for manifest in served.hub():
        real.api.apply(manifest)
    secret, claim = served.cluster(real.layout, "here")
    stays = real.api.find(*identity(claim)) is not None
    if not stays:
        real.api.apply(secret)
        real.api.apply(claim)
    yield wait_ready(real.api, claim, _CLUSTER_SECONDS)
    if not stays:
        clear(real.api, claim)


@pytest.fixture(scope="package")
def gateway(real: Plane, cluster: Manifest) -> Iterator[Manifest]:
    """The cluster with a gateway that works; once nobody asks for it, it leaves the cluster.

    One for all modules: it takes a minute to come, and longer to go.
    """
    stays = "gateway" in refreshed(real.api, cluster)["spec"]
    if not stays:
        node_gateway.offer(real.layout)
        # Nothing is slower by it: all else of the gateway comes meanwhile, and waits for its certificate, which is
        # the made one then: who trusts no more than what Models hand out is answered.
        _is_told_of_a_wrong_certificate(real, cluster)
    yield node_gateway.working(real.api, cluster)
    if not stays:
        gone = lambda: not real.api.items(FREEHOLD, "XModel")  # noqa: E731
        wait_for("the Models to be gone", gone, _MODELS_LEAVE_SECONDS)
        node_gateway.ask(real.api, cluster, None)
        wait_gone(real.api, node_gateway.IN_CLUSTER, seconds=_LEAVES_SECONDS)
        wait_told(real.api, cluster, "ComponentsReady=True Available")
        assert "gateway" not in refreshed(real.api, cluster)["status"]


def _is_told_of_a_wrong_certificate(real: Plane, cluster: Manifest) -> None:
    space = cluster["metadata"]["namespace"]
    real.api.apply(node_gateway.certificate(real.layout, space, "models.example.com"))
    node_gateway.ask(real.api, cluster, node_gateway.asked(real.layout))
    words = "ComponentsReady=False CertificateInvalid: [platform] The gateway does not work: "
    wait_told(real.api, cluster, words, _CLUSTER_SECONDS)
    assert f"is for other names than {node_gateway.HOST}" in "\n".join(told(refreshed(real.api, cluster)))


@pytest.fixture(scope="package")
def chat(real: Plane, gateway: Manifest) -> Iterator[Manifest]:
    """A Model that answers at the gateway. Prints how long that took, from the claim."""
    del gateway
    claim, began = member(real.api, TEAM).create(served.model(TEAM, "tiny")), time.monotonic()
    found = becomes_ready(real, claim)
    ready = time.monotonic() - began
    answer = asking.chat(real.api, found)
    total = time.monotonic() - began
    print(f"Ready {ready:.1f} s after the claim; through the gateway, a token {answer['first']:.2f} s after")
    print(f"the request, and {total:.1f} s after the claim, of which a pod that asks took some to start")
    assert answer["tokens"] >= 1
    yield found
    ask_to_go(real.api, claim)


@pytest.fixture(scope="package")
def other(real: Plane, gateway: Manifest) -> Iterator[Manifest]:
    """Another Model, which has a route and a key, and no pods."""
    del gateway
    with gateways.without_pods(real.api, (TEAM, "other")) as [claim]:
        yield claim
