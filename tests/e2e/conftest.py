"""One control plane for all these tests: started before the first, stopped after the last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tools import paths
from tools.control_plane import layout, plane
from tools.control_plane.api import Api
from tools.control_plane.layout import Layout
from tools.control_plane.processes import Processes
from tools.manifests import Manifest, load

NAMESPACES = ("platform", "research", "team-a", "team-b")


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


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Plane]:
    """Start a control plane, or use that of `make control-plane` where E2E_REUSE is set."""
    reused = bool(os.environ.get("E2E_REUSE"))
    where = layout.default() if reused else Layout(paths.MADE / "e2e")
    api = where.api() if reused else plane.up(where)
    for name in NAMESPACES:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield Plane(where, api)
    if not reused:
        plane.down(where)


@pytest.fixture(scope="session")
def api(control_plane: Plane) -> Api:
    """The API as the administrator sees it."""
    return control_plane.api


def examples() -> dict[str, Manifest]:
    """Return every example by the name of its file."""
    return {
        str(path.relative_to(paths.EXAMPLES).with_suffix("")): load(path)[0]
        for path in sorted(paths.EXAMPLES.glob("*/*.yaml"))
    }
