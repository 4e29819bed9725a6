"""Live claims, played in process until nothing changes: what the properties take things away from."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.properties.pipeline import Run, run
from tools.claims import to_xr, with_defaults
from tools.definitions import Definitions
from tools.manifests import RESOURCE_NAME, load, version_of
from tools.observe import found_nodes, observe

EXAMPLES = Path(__file__).parents[2] / "examples"
ROUNDS = 60


@dataclass(frozen=True)
class World:
    """A settled composite."""

    xr: dict[str, Any]
    observed: list[dict[str, Any]]
    available: list[dict[str, Any]]
    """What else it may require."""

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
    return settled(_as_xr(claim), [], available)


def settled(xr: dict[str, Any], observed: list[dict[str, Any]], available: list[dict[str, Any]]) -> World:
    """Play a composite, with what lives of it, until nothing changes."""
    for _ in range(ROUNDS):
        made = run(xr, observed, [*available, *found_nodes(observed, xr)])
        assert made.fatal is None, made.fatal
        after, seen = with_answer(xr, made), ended(observed_of(made, xr))
        if after == xr and [name_of(o) for o in seen] == [name_of(o) for o in observed]:
            # A world in which nothing lives would prove nothing.
            statuses = {c["type"]: c["status"] for c in xr["status"]["conditions"]}
            assert seen, statuses
            assert set(statuses.values()) == {"True"}, statuses
            return World(xr, seen, available)
        xr, observed = after, seen
    raise AssertionError("never settled")


def _as_xr(claim: dict[str, Any]) -> dict[str, Any]:
    definitions = Definitions()
    definition = definitions.of(claim)
    xr: dict[str, Any] = with_defaults(to_xr(claim, definition), definition.schema(version_of(claim)))
    return xr


def _start(example: str) -> dict[str, Any]:
    return _as_xr(load(EXAMPLES / f"{example}.yaml")[0])


@cache
def world(example: str) -> World:
    """The world of `examples/EXAMPLE.yaml`; Models find every cluster of the examples and its offer."""
    available = [] if not example.startswith("models/") else [m for c in clusters() for m in _known(c)]
    return settle(load(EXAMPLES / f"{example}.yaml")[0], available)


def _known(cluster: str) -> list[dict[str, Any]]:
    """What a Model may require of a cluster: its composite, and its offer as that composed it."""
    live = world(cluster)
    return [live.xr, next(o for o in live.observed if name_of(o) == "node-pools/offer")]


def while_made(example: str) -> Iterator[Run]:
    """Every look at an example until all of it is there: what exists is ready, the rest is not there yet."""
    xr, available = _start(example), world(example).available
    observed: list[dict[str, Any]] = []
    while name_of_all(observed) != world(example).names():
        made = run(xr, observed, available)
        yield made
        if set(made.composed) == name_of_all(observed):
            return
        xr, observed = with_answer(xr, made), observed_of(made, xr)


def name_of_all(observed: list[dict[str, Any]]) -> set[str]:
    """The composition resource names of observed resources."""
    return set(map(name_of, observed))


@cache
def half_made(example: str, rounds: int) -> World:
    """The world of an example after some rounds: what exists is ready, the rest is not there yet."""
    xr, available = _start(example), world(example).available
    observed: list[dict[str, Any]] = []
    for _ in range(rounds):
        made = run(xr, observed, available)
        xr, observed = with_answer(xr, made), observed_of(made, xr)
    return World(xr, observed, available)


@cache
def changing_model(example: str, model: str) -> World:
    """The world of a Model whose spec names another model, which is still being downloaded."""
    live = world(example)
    xr = {**live.xr, "spec": {**live.xr["spec"], "model": model}}
    for _ in range(2):  # the volume, then the download
        made = run(xr, live.observed, live.available)
        xr, seen = with_answer(xr, made), observed_of(made, xr)
        new = [_creating(o) for o in seen if name_of(o) not in live.names()]
        live = World(xr, [*live.observed, *(o for o in new if "/download-" in name_of(o))], live.available)
        live = World(xr, [*live.observed, *(o for o in seen if _is_new_volume(o, live))], live.available)
    assert sum("/weights-" in name for name in live.names()) == 2
    assert sum("/download-" in name for name in live.names()) == 2
    return live


@cache
def moving_model(example: str) -> World:
    """The world of a Model that moves to a second pool of its cluster, where it loads and does not serve yet."""
    live = world(example)
    place = live.xr["status"]["placement"]
    namespace, _, name = place["claim"].partition("/")
    choice = {"namespace": namespace, "name": name, "nodePool": "second"}
    xr = {**live.xr, "spec": {**live.xr["spec"], "cluster": choice}}
    available = [
        _with_second_pool(o) if o["metadata"]["name"] == place["cluster"] else o for o in live.available
    ]
    observed = live.observed
    for _ in range(ROUNDS):
        made = run(xr, observed, available)
        assert made.fatal is None, made.fatal
        xr, seen = with_answer(xr, made), observed_of(made, xr)
        seen = [_creating(o) if _is_new_workload(o, live) else o for o in seen]
        if len(seen) == len(observed):
            break
        observed = seen
    moving = World(xr, observed, available)
    assert live.names() < moving.names()
    assert any(_is_new_workload(o, live) for o in observed)
    return moving


REPORT = {
    "commit": "c0ffee",
    "architectures": "Qwen3ForCausalLM",
    "config": {
        "model_type": "qwen3",
        "num_hidden_layers": 28,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "torch_dtype": "bfloat16",
    },
    "weights": {"bytes": 1_192_099_840},
}
"""What the reading pod says of a model that no catalog has."""


def is_reading(name: str) -> bool:
    """Tell whether a composed resource reads a model's files."""
    return name.startswith("vllm/files-")


@cache
def reading_model() -> World:
    """The world of a Model that the catalog does not have, while a pod reads its files."""
    start = _start("models/minimal")
    xr = {**start, "spec": {**start["spec"], "model": "acme/house"}}
    available, observed = world("models/minimal").available, list[dict[str, Any]]()
    for _ in range(3):  # the namespace, the policy, the pod
        made = run(xr, observed, available)
        xr, observed = with_answer(xr, made), observed_of(made, xr)
    assert any(name_of(o).startswith("vllm/files-pod-") for o in observed)
    return World(xr, observed, available)


@cache
def read_model() -> World:
    """The world of a Model that the catalog does not have, whose files are read."""
    return settled(reading_model().xr, ended(reading_model().observed), reading_model().available)


def ended(observed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same resources with a reading pod that has said what it read."""
    return [_ended(o) if name_of(o).startswith("vllm/files-pod-") else o for o in observed]


def _ended(pod: dict[str, Any]) -> dict[str, Any]:
    state = {"state": {"terminated": {"exitCode": 0, "message": json.dumps(REPORT)}}}
    status = {"phase": "Succeeded", "containerStatuses": [state]}
    return {**pod, "status": {**pod["status"], "atProvider": {"manifest": {"status": status}}}}


def _with_second_pool(cluster: dict[str, Any]) -> dict[str, Any]:
    pools = cluster["status"]["nodePools"]
    second = {**pools[0], "name": "second", "nodeSelector": {"freehold.dev/node-pool": "second"}}
    return {**cluster, "status": {**cluster["status"], "nodePools": [*pools, second]}}


def _is_new_workload(seen: dict[str, Any], live: World) -> bool:
    return name_of(seen).endswith("/deployment") and name_of(seen) not in live.names()


def _is_new_volume(seen: dict[str, Any], live: World) -> bool:
    return "/weights-" in name_of(seen) and name_of(seen) not in live.names()


def _creating(seen: dict[str, Any]) -> dict[str, Any]:
    waiting = [{"type": "Ready", "status": "False", "reason": "Creating"}]
    return {**seen, "status": {**seen.get("status", {}), "conditions": waiting}}


def clusters() -> list[str]:
    """Names of the cluster examples."""
    return sorted(_names("aws") + _names("existing"))


def models() -> list[str]:
    """Names of the model examples."""
    return sorted(_names("models"))


def _names(folder: str) -> list[str]:
    return [f"{folder}/{path.stem}" for path in (EXAMPLES / folder).glob("*.yaml")]
