"""Live claims, played in process until nothing changes: what the properties take things away from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.properties.pipeline import Run, run
from tools.claims import to_xr
from tools.defaults import with_defaults
from tools.definitions import Definitions
from tools.manifests import RESOURCE_NAME, load, version_of
from tools.observe import observe

EXAMPLES = Path(__file__).parents[2] / "examples"
ROUNDS = 60


@dataclass(frozen=True)
class World:
    """A settled composite."""

    xr: dict[str, Any]
    observed: list[dict[str, Any]]
    available: list[dict[str, Any]]
    """Other composites that it may require."""

    def names(self) -> set[str]:
        """Names of its composed resources."""
        return {name_of(live) for live in self.observed}


def name_of(live: Mapping[str, Any]) -> str:
    """The composition resource name of an observed resource."""
    return str(live["metadata"]["annotations"][RESOURCE_NAME])


def observed_of(made: Run, xr: dict[str, Any]) -> list[dict[str, Any]]:
    """What a cluster shows of composed resources, all ready."""
    annotated = []
    for name, manifest in made.composed.items():
        manifest = copy.deepcopy(manifest)
        manifest["metadata"].setdefault("annotations", {})[RESOURCE_NAME] = name
        annotated.append(manifest)
    return observe(annotated, xr)


def with_answer(xr: dict[str, Any], made: Run) -> dict[str, Any]:
    """The composite with the status and conditions of a run."""
    words = {0: "Unknown", 1: "Unknown", 2: "True", 3: "False"}
    conditions = [
        {"type": c.type, "status": words[c.status], "reason": c.reason, "message": c.message}
        for c in made.conditions.values()
    ]
    return {**xr, "status": {**made.status, "conditions": conditions}}


def settle(claim: dict[str, Any], available: list[dict[str, Any]]) -> World:
    """Play a claim until nothing changes."""
    definitions = Definitions()
    definition = definitions.of(claim)
    xr = with_defaults(to_xr(claim, definition), definition.schema(version_of(claim)))
    observed: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        made = run(xr, observed, available)
        assert made.fatal is None, made.fatal
        after, seen = with_answer(xr, made), observed_of(made, xr)
        if after == xr and [name_of(o) for o in seen] == [name_of(o) for o in observed]:
            # A world in which nothing lives would prove nothing.
            statuses = {c["type"]: c["status"] for c in xr["status"]["conditions"]}
            assert seen, statuses
            assert set(statuses.values()) == {"True"}, statuses
            return World(xr, seen, available)
        xr, observed = after, seen
    raise AssertionError("never settled")


@cache
def world(example: str) -> World:
    """The world of `examples/EXAMPLE.yaml`; Models find every cluster of the examples."""
    available = [] if not example.startswith("models/") else [world(c).xr for c in clusters()]
    return settle(load(EXAMPLES / f"{example}.yaml")[0], available)


def clusters() -> list[str]:
    """Names of the cluster examples."""
    return sorted(_names("aws") + _names("existing"))


def models() -> list[str]:
    """Names of the model examples."""
    return sorted(_names("models"))


def _names(folder: str) -> list[str]:
    return [f"{folder}/{path.stem}" for path in (EXAMPLES / folder).glob("*.yaml")]
