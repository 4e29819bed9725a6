"""The shipped compositions as a platform team changes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import Plane
from tools import paths
from tools.control_plane import charts
from tools.control_plane.plane import mirror
from tools.manifests import Manifest, load


@contextmanager
def changed(plane: Plane, name: str, step: str, more: Manifest) -> Iterator[None]:
    """Change the input of a composition's step, and change it back at the end."""
    plane.api.apply(composition(plane, name, step, more))
    try:
        yield
    finally:
        plane.api.apply(composition(plane, name, step, {}))


def composition(plane: Plane, name: str, step: str, more: Manifest) -> Manifest:
    """Return a shipped composition with another input of a step; mappings are merged, all else replaced."""
    [manifest] = load(paths.COMPOSITIONS / f"{name}.yaml")
    charts.mirrored(manifest, mirror(plane.layout))
    [given] = [each["input"] for each in manifest["spec"]["pipeline"] if each["step"] == step]
    for field, value in more.items():
        given[field] = given.get(field, {}) | value if isinstance(value, dict) else value
    return manifest
