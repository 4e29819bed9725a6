"""What every place owes to a cluster, its Models and its users; a new place is shown to fit by a double."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.api import places
from functions.base import Invalid, Request
from functions.base.assemble import Desired, assemble
from functions.node_pools.compose import function
from functions.node_pools.created import place
from functions.node_pools.registry import PLACES
from tests.node_pools.double import DOUBLE, KINDS, SpecWithDouble
from tests.node_pools.requests import COMPOSITE, L4, aws, cluster, existing, reported
from tools.observe import found_nodes

PLACE_FIELDS = {place.name for place in places.PLACES}
FUNCTION = function((*PLACES, place(DOUBLE)), SpecWithDouble)
ROUNDS = 30
LONGEST = {"composite": "c" * 57 + "-x7k2p", "claim": {"namespace": "n" * 63, "name": "c" * 63}}


@dataclass(frozen=True)
class Case:
    """A spec of a place."""

    place: str
    spec: Mapping[str, Any]
    tags: str = ""
    """Field of managed resources that holds tags; empty where nothing in a cloud is created."""
    untagged: frozenset[str] = frozenset()
    """Kinds that take no tags."""
    owner: str = "platform"
    """Value of the tag that says whose the cluster is."""
    claim: Mapping[str, str] | None = None
    """Empty for a composite without a claim, who may use anything; None for the usual claim."""


AWS_UNTAGGED = frozenset(
    {
        "AccessPolicyAssociation",
        "ClusterAuth",
        "MountTarget",
        "RolePolicy",
        "RolePolicyAttachment",
        "Route",
        "RouteTableAssociation",
    }
)
RESERVED = {
    "name": "reserved",
    "gpu": {"model": "L40S"},
    "capacity": "Reserved",
    "reservation": {"id": "cr-0123456789abcdef0"},
    "zones": ["euc1-az2"],
}
SHARED = {"name": "shared", "gpu": {"model": "T4"}, "sharing": {"mode": "MPS", "slicesPerGPU": 4}}
RDMA = {
    "name": "rdma",
    "instanceType": "p5.48xlarge",
    "fabric": "RDMA",
    "nodes": {"max": 4},
    "zones": ["use1-az6"],
}
NETWORK = {
    "vpcId": "vpc-0123456789abcdef0",
    "subnets": [{"id": f"subnet-0123456789abcdef{i}", "zone": f"euc1-az{i}"} for i in (1, 2, 3)],
}
CASES = {
    "aws": Case("aws", aws(L4, RESERVED, SHARED), "tags", AWS_UNTAGGED),
    "aws fabric": Case("aws", aws(L4, RDMA, region="us-east-1"), "tags", AWS_UNTAGGED),
    "aws network": Case("aws", aws(existingNetwork=NETWORK), "tags", AWS_UNTAGGED),
    "existing": Case("existing", existing(L4, SHARED)),
    "double": Case(
        "double",
        {"double": {"region": "there"}, "nodePools": [L4, SHARED]},
        KINDS.tags,
        owner=COMPOSITE,
        claim={},
    ),
}
NAMES = sorted(CASES)


def test_every_place_has_a_case() -> None:
    # Proves: the fields of the spec, the rules of admission, the registry and this test are one list.
    assert {place.name for place in PLACES} == PLACE_FIELDS
    assert {case.place for case in CASES.values()} == {*PLACE_FIELDS, "double"}


# Playing a cluster.


def answered(request: Request) -> Request:
    """Return the request with what it requires: nodes of the pools, and no Models."""
    nodes = found_nodes(map(dict, request.observed.values()), dict(request.composite))
    asked = copy.copy(request)
    FUNCTION.compose(asked)
    answers = {
        key: tuple(
            node
            for node in nodes
            if selector.kind == "Object"
            and dict(selector.labels).items() <= node["metadata"]["labels"].items()
        )
        for key, selector in asked.requirements.items()
    }
    return replace(request, answers=answers, requirements={})


def run(request: Request) -> tuple[Desired, Mapping[str, Any]]:
    outcome = FUNCTION.compose(request)
    return assemble(request, FUNCTION, outcome), outcome.status


@cache
def world(name: str, longest: bool = False) -> tuple[Request, list[set[str]]]:
    """Play a case until nothing is added: the settled request, and what each wave added."""
    more: dict[str, Any] = {"claim": CASES[name].claim, **(LONGEST if longest else {})}
    if CASES[name].claim is not None:
        more["claim"] = CASES[name].claim
    given = {
        "kubeconfigNamespaces": ["*"],
        "providerConfigs": [{"cloud": "aws", "name": "default", "namespaces": ["*"]}],
    }
    request = cluster(CASES[name].spec, given=given, **more)
    waves: list[set[str]] = []
    for _ in range(ROUNDS):
        request = answered(request)
        desired, status = run(request)
        added = set(desired.manifests) - set(request.observed)
        observed = {n: reported(m) for n, m in desired.manifests.items()}
        after = replace(request, composite={**request.composite, "status": dict(status)}, observed=observed)
        if (after.composite, after.observed) == (request.composite, request.observed):
            return request, waves
        waves += [added] if added else []
        request = after
    raise AssertionError("never settled")


def manifests(name: str, **how: Any) -> dict[str, dict[str, Any]]:
    return {n: dict(m) for n, m in run(world(name, **how)[0])[0].manifests.items()}


def managed(made: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the managed resources of clouds."""
    inside = ("kubernetes.m.crossplane.io/", "helm.m.crossplane.io/")
    return {
        n: m
        for n, m in made.items()
        if "forProvider" in m.get("spec", {}) and not m["apiVersion"].startswith(inside)
    }


# What a place owes.


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_created_and_every_condition_is_true(name: str) -> None:
    # Proves: no two resources wait for each other, and nothing waits for what never comes.
    request, waves = world(name)
    desired, _ = run(request)
    assert not desired.held
    conditions = {c.type: (c.status.value, c.message) for c in desired.conditions.values()}
    assert {t: s for t, (s, _) in conditions.items()} == dict.fromkeys(FUNCTION.conditions, "True"), (
        conditions
    )
    assert len(waves) <= 15


@pytest.mark.parametrize("name", NAMES)
def test_references_resolve(name: str) -> None:
    # Proves: whatever is referred to by name is composed, in the same namespace.
    made = manifests(name)
    names = {(m["metadata"].get("namespace"), m["metadata"]["name"]) for m in made.values()}
    found = 0
    for manifest in made.values():
        where = manifest["metadata"].get("namespace")
        for path, ref in references(manifest.get("spec", {})):
            at = (ref.get("namespace", where), ref["name"])
            assert at in names or at in GIVEN, (manifest["kind"], path, ref)
            found += 1
    assert found > 2


GIVEN = {("platform", "kubeconfig-eu")}
"""Namespaces and names of objects that a spec names."""


def references(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the objects that an object refers to: fields that end in Ref or Refs, but for what is given."""
    if isinstance(node, list):
        for item in node:
            yield from references(item, path)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{path}.{key}"
        if key.endswith(("Ref", "Refs")) and key != "secretRef" and not key.endswith("SecretToRef"):
            is_given = key == "providerConfigRef" and value["kind"] == "ClusterProviderConfig"
            refs = value if isinstance(value, list) else [value]
            yield from () if is_given else ((here, ref) for ref in refs)
        elif key != "manifest":
            yield from references(value, here)


@pytest.mark.parametrize("name", NAMES)
def test_names_fit_and_differ(name: str) -> None:
    # Proves: with the longest names of claim, composite and node pools, each name is a DNS label.
    made = list(manifests(name, longest=True).values())
    for manifest in made:
        assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", manifest["metadata"]["name"]), manifest
        for value in manifest["metadata"].get("labels", {}).values():
            assert len(value) <= 63
    keys = [(m["apiVersion"], m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in made]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", NAMES)
def test_what_costs_money_says_whose_it_is(name: str) -> None:
    # Proves: every managed resource that takes tags has the cluster's, the user's owner among them.
    case, made = CASES[name], managed(manifests(name))
    assert bool(made) == bool(case.tags)
    for manifest in made.values():
        fields = manifest["spec"]["forProvider"]
        if manifest["kind"] in case.untagged:
            assert case.tags not in fields
        else:
            values = set(fields[case.tags].values())
            assert {"freehold", case.owner} <= values, manifest["kind"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_inside_goes_with_the_cluster_or_is_kept_by_a_guard(name: str) -> None:
    # Proves: no deletion waits for a cluster that is gone already.
    request, _ = world(name)
    made = manifests(name)
    status = run(request)[1]
    guarded = {m["spec"]["by"]["resourceRef"]["name"] for m in made.values() if "by" in m.get("spec", {})}
    for manifest in made.values():
        if manifest["apiVersion"].startswith(("kubernetes.m.", "helm.m.")) and "forProvider" in manifest.get(
            "spec", {}
        ):
            policies = set(manifest["spec"].get("managementPolicies", ["*"]))
            stays = not policies & {"*", "Delete"}
            assert stays or (not status["deletedWithClaim"] and manifest["metadata"]["name"] in guarded)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_nothing_live_is_lost_or_changed(name: str, data: st.DataObject) -> None:
    # Proves: whatever is missing of objects, status and answers, what is left is desired as it was.
    request, _ = world(name)
    before = run(request)[0].manifests
    some = st.lists(st.sampled_from(sorted(request.observed)), unique=True)
    lost = set(data.draw(some, label="observed resources lost"))
    keys = st.lists(st.sampled_from(sorted(request.composite["status"])), unique=True)
    forgotten = data.draw(keys, label="status lost")
    status = {k: v for k, v in request.composite["status"].items() if k not in forgotten}
    answers = request.answers if data.draw(st.booleans(), label="requirements answered") else {}
    observed = {n: o for n, o in request.observed.items() if n not in lost}
    composite = {**request.composite, "status": status}
    again = replace(
        request, composite=composite, observed=observed, answers=answers, requirements={}, required_kinds={}
    )
    after = run(again)[0].manifests
    assert set(observed) <= set(after)
    for n in set(observed) - {"node-pools/offer"}:  # which says what is known
        assert after[n] == before[n], n


@pytest.mark.parametrize("lost", [False, True], ids=["recorded", "status lost"])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("aws", "existing"),
        ("existing", "aws"),
        ("existing", "double"),
        ("double", "existing"),
        ("aws", "double"),
    ],
)
def test_a_live_cluster_stays_where_it_is(name: str, other: str, lost: bool) -> None:
    # Proves: another place is refused, though admission refuses it of claims already.
    if lost and "existing" not in (name, other):
        pytest.skip("which cloud it was only the status says")
    request, _ = world(name)
    claim = {k: v for k, v in request.composite["spec"].items() if k == "claimRef"}
    status = {} if lost else request.composite["status"]
    composite = {**request.composite, "spec": {**claim, **CASES[other].spec}, "status": status}
    if claim and other == "double":
        composite["spec"] = dict(CASES[other].spec)  # no list can name the double
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(replace(request, composite=composite))
    assert caught.value.field == f"spec.{other}"


CHANGES: dict[str, Mapping[str, Any]] = {
    "gpu": {"gpu": {"model": "A10G"}},
    "count": {"gpu": {"model": "L4", "count": 4}},
    "sharing": {"sharing": {"mode": "TimeSlicing", "slicesPerGPU": 2}},
    "instanceType": {"instanceType": "g6.2xlarge"},
    "capacity": {"capacity": "Spot"},
    "reservation": {"capacity": "Reserved", "reservation": {"id": "cr-0123456789abcdef1"}},
    "fabric": {"fabric": "RDMA"},
    "zones": {"zones": ["euc1-az1"]},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("lost", [False, True], ids=["recorded", "status lost"])
@pytest.mark.parametrize("name", ["aws", "double"])
def test_what_a_live_node_pool_is_cannot_change(name: str, change: str, lost: bool) -> None:
    # Proves: a spec that would replace all nodes of a pool is refused by the field's name, with a way.
    if (name, change, lost) == ("double", "zones", True):
        pytest.skip("the double has no zones: only the status can tell them")
    request, _ = world(name)
    pool = {**L4, **CHANGES[change]}
    spec = {**CASES[name].spec, "nodePools": [pool, *CASES[name].spec["nodePools"][1:]]}
    status = {} if lost else request.composite["status"]
    composite = {**request.composite, "spec": {**request.composite["spec"], **spec}, "status": status}
    with pytest.raises(Invalid) as caught:
        FUNCTION.compose(replace(request, composite=composite))
    assert caught.value.field.startswith("spec.nodePools[0].")
    assert caught.value.remedy


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("condition", ["Synced", "LastAsyncOperation"])
def test_every_failed_update_is_told(name: str, condition: str) -> None:
    # Proves: whatever a provider refuses of anything, a condition says so in the provider's own words.
    request, _ = world(name)
    for broken, seen in request.observed.items():
        if not told_by_a_provider(seen):
            continue
        ready = [c for c in seen["status"]["conditions"] if c["type"] != condition]
        refused = {"type": condition, "status": "False", "message": "the provider says no"}
        failing = {**seen, "status": {**seen["status"], "conditions": [*ready, refused]}}
        desired, _ = run(replace(request, observed={**request.observed, broken: failing}))
        told = [c.message for c in desired.conditions.values() if c.reason in ("Failing", "UpdateFailing")]
        assert any("the provider says no" in message for message in told), broken


def told_by_a_provider(seen: Mapping[str, Any]) -> bool:
    """Tell whether an object is a provider's: Crossplane itself tells what becomes of Usages."""
    return "forProvider" in seen.get("spec", {})
