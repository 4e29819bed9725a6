"""One machine with a control plane and a real node for all tests of this folder, which one worker runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import machines
from tests.e2e.conftest import REAL_PREFIX, Plane, furnished
from tests.e2e.observing import wait_ready
from tests.e2e.real.policies import refuses
from tests.e2e.workload import clear
from tools import paths
from tools.control_plane import plane
from tools.control_plane.layout import Layout
from tools.manifests import Manifest
from tools.node import served
from tools.node.real import end

_CLUSTER_SECONDS = 180
collect_ignore = [] if os.environ.get("E2E_GATEWAY") else ["test_gateway.py", "test_calling.py"]
"""The real gateway's modules are not finished, and run only where the variable asks (docs/decisions.md)."""


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
        yield running
    finally:
        end(where)
    assert machines.traces(where.folder) == before


@pytest.fixture(scope="package")
def cluster(real: Plane) -> Iterator[Manifest]:
    """The control plane's own cluster, once Models can be placed on it, which come from a Hub on the node."""
    served.offer_images(real.layout)
    for manifest in served.hub():
        real.api.apply(manifest)
    secret, claim = served.cluster(real.layout, "here")
    real.api.apply(secret)
    real.api.apply(claim)
    yield wait_ready(real.api, claim, _CLUSTER_SECONDS)
    clear(real.api, claim)
