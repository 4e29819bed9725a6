"""A control plane for these tests: started before the first, stopped after the last."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.e2e.cloud import Cloud
from tests.e2e.gpu_operator import GPUOperator, bury
from tests.e2e.people import member
from tools import paths
from tools.control_plane import plane
from tools.control_plane.api import Api
from tools.control_plane.layout import Layout
from tools.control_plane.processes import Processes
from tools.machine import machine
from tools.manifests import Manifest, load

_PREFIX, REAL_PREFIX = "e2e-", "real-"
"""Of the names of the control planes' folders: those with played nodes, and those with a real one."""
CLOUDS = (".aws.m.upbound.io",)
"""API groups whose provider is played; provider-kubernetes and provider-helm are real."""
NAMESPACES = ("platform", "research", "team-a", "team-b")
SLOWEST = (
    # On the one machine with a real node.
    "test_install.py",
    "test_node.py",
    "test_model.py",
    "test_faults.py",
    "test_several_nodes.py",
    "test_replicas.py",
    "test_places.py",
    "test_lost.py",
    "test_aws.py",
    "test_pods.py",
    "test_secrets.py",
    "test_keys.py",
    "test_certificates.py",
    "test_downloads.py",
    "test_existing.py",
    "test_identity.py",
    "test_mutants.py",
    "test_models.py",
    "test_namespaces.py",
    "test_load.py",
    "test_revisions.py",
    "test_tenants.py",
    "test_restarts.py",
    "test_slow.py",
    "test_leader_worker_set.py",
)
"""Modules that begin first, the longest at the top: a long one that begins last runs alone at the end.

Modules of one or two tests stand higher than their time says, since xdist hands out the next module with them.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Have Ctrl-C end a run; allow for connections that a killed API server leaves to the garbage collector."""
    unclosed = "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
    config.addinivalue_line("filterwarnings", unclosed)
    # Ignored where a shell has started this in the background, and control planes would stay.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the real node's modules first, which have one machine, and the slowest; the order within a module stays."""
    order = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: (item.path.parent.name != "real", order.get(item.path.name, len(order))))


class ModuleByModule(LoadFileScheduling):  # type: ignore[misc]  # xdist's schedulers have no types
    """One worker runs a module from beginning to end; of the deliberate faults any worker takes any.

    One runs all modules with a real node, which is one machine.
    """

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        if "/real/" in scope:
            return "tests/e2e/real"
        return nodeid if scope.endswith("test_mutants.py") else scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ModuleByModule:
    """Have xdist distribute the tests by `ModuleByModule`."""
    return ModuleByModule(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the control planes of workers that ended without doing so; without workers, fixtures have done it."""
    if not session.config.pluginmanager.has_plugin("dsession"):
        return
    for folder in (*paths.MADE.glob(f"{_PREFIX}*"), *paths.MADE.glob(f"{REAL_PREFIX}*")):
        plane.down(Layout(folder))
        machine.sweep(folder)


@dataclass(frozen=True)
class Plane:
    """A running control plane."""

    layout: Layout
    api: Api
    """As its administrator."""

    @property
    def processes(self) -> Processes:
        """Its processes."""
        return Processes(self.layout.folder)


@contextmanager
def started(name: str) -> Iterator[Plane]:
    """Start a control plane of a name, and stop it at the end."""
    where = Layout(paths.MADE / f"{_PREFIX}{name}")
    try:
        yield furnished(Plane(where, plane.up(where)))
    finally:
        plane.down(where)


def furnished(running: Plane) -> Plane:
    """Make the namespaces that the tests use."""
    for name in NAMESPACES:
        running.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return running


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Plane]:
    """Start a control plane for each worker, or use the running one whose folder E2E_PLANE names."""
    running = os.environ.get("E2E_PLANE")
    if running:
        where = Layout(Path(running).absolute())
        yield furnished(Plane(where, where.api()))
        return
    with started(os.environ.get("PYTEST_XDIST_WORKER", "main")) as own:
        yield own


@pytest.fixture(scope="session")
def api(control_plane: Plane) -> Api:
    """Return the API as the administrator sees it."""
    return control_plane.api


@pytest.fixture(scope="module")
def team(api: Api) -> Api:
    """Return the API as a user of an app team sees it."""
    return member(api, "team-a")


@pytest.fixture(scope="module")
def cloud(control_plane: Plane) -> Iterator[Cloud]:
    """Play a cloud for the tests of a module, and the GPU Operator inside the cloud's clusters."""
    api = control_plane.api
    with (
        Cloud(api, CLOUDS, control_plane.layout.portable_kubeconfig()) as running,
        GPUOperator(api) as operator,
    ):
        yield running
        bury(api)  # while the played node's kubelet can still stop pods
    assert [*running.errors, *operator.errors] == []


def examples() -> dict[str, Manifest]:
    """Return every example by the name of its file."""
    return {
        str(path.relative_to(paths.EXAMPLES).with_suffix("")): load(path)[0]
        for path in sorted(paths.EXAMPLES.glob("*/*.yaml"))
    }
