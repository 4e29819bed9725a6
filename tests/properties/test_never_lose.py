"""Rule 1 over live clusters and Models: whatever is taken away, nothing live disappears."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.cluster_stack.gateway import COMPONENT
from functions.cluster_stack.gateway.limits import PARTS as LIMITS
from functions.cluster_stack.own import own_names
from tests.properties.pipeline import run
from tests.properties.worlds import (
    World,
    changing_model,
    clusters,
    ended,
    half_made,
    is_reading,
    models,
    moving_model,
    name_of,
    read_model,
    reading_model,
    world,
)

EVERY = [*clusters(), *models()]

# A FATAL is for a spec that is invalid, never for something missing. These are all the
# causes that taking an optional field away may have, by the field.
_REQUIRED_PARTS = (
    *("key", "id", "vpcId", "subnets", "zone"),
    *("issuer", "audience", "values", "namespace", "service"),
)
INVALID_WITHOUT = {
    "host": ["spec.gateway.host"],
    "tls": ["spec.gateway.tls"],
    "secretRef": ["name exactly one of gateway.tls.secretRef"],
    "issuerRef": ["name exactly one of gateway.tls.secretRef"],
    "serviceAnnotations": ["needs gateway.serviceAnnotations"],
    "aws": ["name exactly one of aws and existing"],
    "existing": ["name exactly one of aws and existing"],
    "gpu": ["names its GPU"],
    # Without it the default would be another machine, and a live pool's nodes all replaced.
    "instanceType": ["names its GPU", "cannot change while it lives"],
    "systemPool": ["cannot change while it lives"],
    "count": ["cannot change while it lives", "no AWS machine has"],
    "capacity": ["cannot change while it lives", "capacity Reserved and reservation go together"],
    "reservation": ["capacity Reserved and reservation go together"],
    "kind": ["cannot change while it lives"],
    "fabric": ["cannot change while it lives"],
    "sharing": ["cannot change while it lives"],
    "diskGiB": ["cannot change while it lives"],
    "mode": ["goes with mode"],
    "profile": ["goes with mode"],
    "slicesPerGPU": ["goes with mode"],
    "existingNetwork": ["cannot move"],
    # The default maximum, one node, is below the minimum of a pool of more.
    "max": ["nodes.min must not be larger than nodes.max", "fabric RDMA connects several nodes"],
    # The default maximum, one node, is too few for a fabric as well.
    "nodes": ["fabric RDMA connects several nodes"],
    # A GPU pool may have none, which is the default; the system pool may not.
    "min": ["aws.systemPool.nodes.min is at least 1"],
    "jwksURI": ["name exactly one of jwks and jwksURI"],
    "claims": ["access.jwt needs claims, scopes or serviceAccounts"],
    "scopes": ["access.jwt needs claims, scopes or serviceAccounts"],
    "serviceAccounts": ["access.jwt needs claims, scopes or serviceAccounts"],
    # Of a taint, a reservation, a network and its subnets, an issuer of tokens, a pod's service account and a
    # collector.
    **{field: ["is missing"] for field in _REQUIRED_PARTS},
}
HUB_TOKEN = {"vllm/hub-token-owner", "vllm/hub-token-delivery"}
GATEWAY = {
    *own_names(COMPONENT),
    *(
        f"node-pools/{what}-after-load-balancer"
        for what in ("cluster", "cluster-auth", "provider-config-kubernetes")
    ),
    # By which the gateway asks the agent for the list of Models.
    "cluster-stack/agent-service",
    "cluster-stack/agent-grant",
    # The records of the hosts of the examples.
    "node-pools/gateway-host-0e876a7b75c7e88f",
    "node-pools/gateway-host-4c26e545763566de",
}
"""What leaves first, before the chart that clears up after it."""
# What goes away with an optional field, since the spec says so.
TOKENS = {"vllm/token-route"}
"""Goes first; what closes it follows once it is gone."""
GOES_WITH = {
    "access": TOKENS,
    "jwt": TOKENS,
    "gateway": GATEWAY,
    # A live gateway's limits stay by a rule of the claim; so do its ceilings, as long as the spec has them.
    "limits": {f"cluster-stack/gateway-{part}" for part in LIMITS},
    "namespaces": {"cluster-stack/gateway-limits-ceilings"},
    "adminRoleArns": {"node-pools/access-entry-b53a6a", "node-pools/access-policy-b53a6a"},
    "source": HUB_TOKEN,
    "huggingFace": HUB_TOKEN,
    "tokenSecretRef": HUB_TOKEN,
    # One replica has no other that could serve while its node is drained.
    "replicas": {"vllm/pod-disruption-budget"},
    "min": {"vllm/pod-disruption-budget"},
}


def _some(items: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(items), unique_by=repr) if items else st.just([])


@pytest.mark.parametrize("example", EVERY)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_is_missing(example: str, data: st.DataObject) -> None:
    _take_away(world(example), data)


@pytest.mark.parametrize(
    ("example", "rounds"), [("aws/shared", 1), ("aws/shared", 5), ("aws/large", 5), ("aws/large", 9)]
)
@settings(max_examples=20)
@given(data=st.data())
def test_whatever_is_missing_half_way(example: str, rounds: int, data: st.DataObject) -> None:
    _take_away(half_made(example, rounds), data)


@settings(max_examples=100)
@given(data=st.data())
def test_whatever_is_missing_while_a_model_changes(data: st.DataObject) -> None:
    _take_away(changing_model("models/minimal", "Qwen/Qwen3-4B"), data)


@settings(max_examples=100)
@given(data=st.data())
def test_whatever_is_missing_while_a_model_moves(data: st.DataObject) -> None:
    _take_away(moving_model("models/minimal"), data)


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_missing_of_a_model_whose_files_were_read(data: st.DataObject) -> None:
    _take_away(read_model(), data)


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_missing_while_files_are_read(data: st.DataObject) -> None:
    """All clusters are there: what reads in one that is gone goes, and another cluster reads."""
    live = reading_model()
    available = [o for o in live.available if o["kind"] == "XInferenceCluster"]
    lost = set(data.draw(_some(sorted(live.names())), label="observed resources lost"))
    answer = data.draw(st.booleans(), label="requirements answered")
    observed = [o for o in live.observed if name_of(o) not in lost]
    made = run({**live.xr, "status": {}}, observed, available, answer=answer)
    assert made.fatal is None
    assert live.names() - lost <= set(made.composed)


def test_what_reads_goes_once_the_status_has_what_it_read() -> None:
    live = read_model()
    assert not [name for name in live.names() if is_reading(name)]
    assert live.xr["status"]["model"]["name"] == "acme/house"
    seen = ended(reading_model().observed)
    unwritten = run(live.xr | {"status": {}}, seen, live.available)
    assert {name for name in unwritten.composed if is_reading(name)} == set(map(name_of, seen))


def _take_away(live: World, data: st.DataObject) -> None:
    """Take away whatever may be missing; what is left of the live resources is desired again."""
    lost = set(data.draw(_some(sorted(live.names())), label="observed resources lost"))
    unready = set(data.draw(_some(sorted(live.names())), label="not ready"))
    available = data.draw(_some(live.available), label="required resources left")
    answer = data.draw(st.booleans(), label="requirements answered")
    known = data.draw(st.booleans(), label="providers installed")
    forgotten = data.draw(_some(sorted(live.xr["status"])), label="status lost")
    xr = {**live.xr, "status": {k: v for k, v in live.xr["status"].items() if k not in forgotten}}
    observed = [_unready(o) if name_of(o) in unready else o for o in live.observed if name_of(o) not in lost]
    made = run(xr, observed, available, answer=answer, known=known)
    assert made.fatal is None
    assert live.names() - lost <= set(made.composed)
    assert set(made.conditions) >= {c["type"] for c in live.xr["status"]["conditions"]}


def _unready(live: dict[str, Any]) -> dict[str, Any]:
    if "conditions" not in live.get("status", {}):
        return live
    broken = copy.deepcopy(live)
    broken["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "Broken"}]
    return broken


@pytest.mark.parametrize("example", EVERY)
def test_each_optional_field(example: str) -> None:
    live = world(example)
    for path in _fields(live.xr["spec"]):
        if path[0] == "claimRef":
            continue
        xr = copy.deepcopy(live.xr)
        _remove(xr["spec"], path)
        made = run(xr, live.observed, live.available)
        field = str(path[-1])
        if made.fatal is not None:
            required = (
                field in ("nodePools", "model", "name", "region", "kubeconfigSecretRef", "controlPlane")
                or "architecture" in path
            )
            causes = INVALID_WITHOUT.get(field, [])
            assert required or any(cause in made.fatal for cause in causes), (path, made.fatal)
        else:
            assert live.names() - GOES_WITH.get(field, set()) <= set(made.composed), path


def _fields(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field of a spec; items of lists are not fields."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from _fields(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _fields(value, (*path, index))


def _remove(spec: Any, path: tuple[str | int, ...]) -> None:
    for key in path[:-1]:
        spec = spec[key]
    del spec[path[-1]]


@pytest.mark.parametrize("example", EVERY)
@settings(max_examples=10)
@given(data=st.data())
def test_the_same_request_gives_the_same_bytes(example: str, data: st.DataObject) -> None:
    live = world(example)
    shuffled = data.draw(st.permutations(live.observed))
    available = data.draw(st.permutations(live.available))
    assert run(live.xr, live.observed, live.available).wire == run(live.xr, shuffled, available).wire


@pytest.mark.parametrize("example", EVERY)
def test_nothing_changes_once_settled(example: str) -> None:
    live = world(example)
    made = run(live.xr, live.observed, live.available)
    assert set(made.composed) == live.names()
    assert made.status == {k: v for k, v in live.xr["status"].items() if k != "conditions"}


@pytest.mark.parametrize("example", EVERY)
def test_only_our_fields_are_desired(example: str) -> None:
    """Carried on from observed objects alone, everything is desired as it was composed."""
    live = world(example)
    composed = run(live.xr, live.observed, live.available).composed
    lost = {**live.xr, "status": {}}
    carried = run(lost, live.observed, [], answer=False).composed
    for name in live.names():
        assert _body(carried[name]) == _body(composed[name]), name


def _body(manifest: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in manifest.items() if k != "metadata"}
