"""What is carried on of a live object: what we once desired of it, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.base.own_fields import own_fields
from functions.base.wire import Fields, to_struct
from tests.base.apiserver import COMPOSED, Keys, entry, fields_of, observe

POD: Keys = {
    "spec.hosts": (),
    "spec.containers": ("name",),
    "spec.containers.ports": ("containerPort", "protocol"),
}


class Applied(NamedTuple):
    name: str
    desired: str
    fields: str
    """As structured-merge-diff v6.3.2 writes it (typed.ToFieldSet), with `POD` as its schema."""


APPLIED = [
    Applied(
        "granular-maps-and-atomic-lists",
        '{"spec":{"replicas":2,"forProvider":{"region":"here","subnetIds":["a","b"]}},'
        '"metadata":{"labels":{"a":"b"}},"data":{"k":"v"}}',
        '{"f:data":{"f:k":{}},"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:forProvider":'
        '{"f:region":{},"f:subnetIds":{}},"f:replicas":{}}}',
    ),
    Applied(
        "empty-map-and-set",
        '{"spec":{"forProvider":{},"hosts":["b","a"]}}',
        r'{"f:spec":{"f:forProvider":{},"f:hosts":{"v:\"a\"":{},"v:\"b\"":{}}}}',
    ),
    Applied(
        "keyed-in-keyed",
        '{"spec":{"containers":[{"name":"main","args":["-v"],"resources":{"limits":{"cpu":1}},"ports":'
        '[{"containerPort":8000,"protocol":"TCP","name":"http"}]},{"name":"side"}]}}',
        r'{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:args":{},"f:name":{},"f:ports":'
        r'{"k:{\"containerPort\":8000,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},'
        r'"f:protocol":{}}},"f:resources":{"f:limits":{"f:cpu":{}}}},'
        r'"k:{\"name\":\"side\"}":{".":{},"f:name":{}}}}}',
    ),
    Applied("empty-merged-lists", '{"spec":{"containers":[],"hosts":[]}}', "{}"),
    Applied(
        "no-schema",
        '{"spec":{"manifest":{"kind":"Deployment","spec":{"template":{"spec":{"containers":[{"name":"x"}],'
        '"volumes":[{"emptyDir":{}}]}},"strategy":{}}}}}',
        '{"f:spec":{"f:manifest":{"f:kind":{},"f:spec":{".":{},"f:strategy":{},"f:template":{".":{},'
        '"f:spec":{".":{},"f:containers":{},"f:volumes":{}}}}}}}',
    ),
]


def without_dots(fields: Any) -> Any:
    """Leave out the marks of keys that exist by themselves, except for list items."""
    return {k: without_dots(v) for k, v in fields.items() if k != "."}


@pytest.mark.parametrize("case", APPLIED, ids=lambda c: c.name)
def test_fixtures_are_what_an_api_server_records(case: Applied) -> None:
    made = fields_of(json.loads(case.desired), POD)
    assert without_dots(made) == without_dots(json.loads(case.fields))


@pytest.mark.parametrize("case", APPLIED, ids=lambda c: c.name)
def test_what_was_applied_comes_back(case: Applied) -> None:
    identity = {"apiVersion": "v1", "kind": "K"}
    desired = {"metadata": {}, **json.loads(case.desired), **identity}
    managed = [entry(COMPOSED, json.loads(case.fields), "Apply")]
    live = copy.deepcopy(desired)
    live["metadata"]["managedFields"] = managed
    if case.name == "empty-merged-lists":
        del desired["spec"]  # owns nothing, so there is nothing of ours to lose
    assert own_fields(live) == desired


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "n"}, "spec": spec}


class Case(NamedTuple):
    name: str
    reason: str
    live: dict[str, Any]
    want: dict[str, Any]


def live(desired: dict[str, Any], change: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """Observe `desired`, then let others write `change` into its spec."""
    seen = observe(desired, POD, [entry("provider", other) for other in others])
    _merge(seen["spec"], change)
    return seen


def _merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


SCALED: dict[str, Any] = {"f:spec": {"f:forProvider": {".": {}, "f:size": {}}}}
LATE: dict[str, Any] = {"f:spec": {"f:forProvider": {"f:arn": {}}}}
CONTAINER = {"name": "main", "image": "i"}
CASES = [
    Case(
        "late-initialised",
        "a provider fills in what was left out, and may change its mind",
        live(thing(forProvider={"region": "r"}), {"forProvider": {"arn": "a"}}, LATE),
        thing(forProvider={"region": "r"}),
    ),
    Case(
        "late-initialised-into-an-empty-map",
        "an empty map is ours; what others put into it is not",
        live(thing(forProvider={}), {"forProvider": {"arn": "a"}}, LATE),
        thing(forProvider={}),
    ),
    Case(
        "defaulted",
        "a schema's default belongs to nobody",
        live(thing(forProvider={"region": "r"}), {"deletionPolicy": "Delete"}),
        thing(forProvider={"region": "r"}),
    ),
    Case(
        "autoscaled",
        "rule 5: a size that was only seeded is another's",
        live(thing(initProvider={"size": 1}), {"forProvider": {"size": 5}}, SCALED),
        thing(initProvider={"size": 1}),
    ),
    Case(
        "item-of-another",
        "an injected side car is not ours",
        live(
            thing(containers=[CONTAINER]),
            {"containers": [CONTAINER, {"name": "injected", "image": "i"}]},
            {"f:spec": {"f:containers": {'k:{"name":"injected"}': {".": {}, "f:image": {}, "f:name": {}}}}},
        ),
        thing(containers=[CONTAINER]),
    ),
    Case(
        "defaulted-key-of-a-nested-item",
        "an item is found by its key although the key was defaulted",
        {
            **thing(containers=[{"name": "main", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]),
            "metadata": {
                "managedFields": [
                    entry(
                        COMPOSED,
                        {
                            "f:spec": {
                                "f:containers": {
                                    'k:{"name":"main"}': {
                                        ".": {},
                                        "f:name": {},
                                        "f:ports": {
                                            'k:{"containerPort":1,"protocol":"TCP"}': {
                                                ".": {},
                                                "f:containerPort": {},
                                            }
                                        },
                                    }
                                }
                            }
                        },
                        "Apply",
                    )
                ]
            },
        },
        {
            **thing(containers=[{"name": "main", "ports": [{"containerPort": 1}]}]),
            "metadata": {},
        },
    ),
    Case(
        "item-of-another-that-shares-a-key",
        "an item is known by all its keys",
        live(
            thing(containers=[{"name": "main", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]),
            {
                "containers": [
                    {
                        "name": "main",
                        "ports": [
                            {"containerPort": 1, "protocol": "UDP"},
                            {"containerPort": 1, "protocol": "TCP"},
                        ],
                    }
                ]
            },
        ),
        thing(containers=[{"name": "main", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]),
    ),
    Case(
        "into-an-empty-map-of-an-item",
        "an empty map inside a list item is no different",
        live(
            thing(containers=[{"name": "main", "resources": {}}]),
            {"containers": [{"name": "main", "resources": {"limits": {"cpu": 1}}}]},
            {"f:spec": {"f:containers": {'k:{"name":"main"}': {"f:resources": {"f:limits": {"f:cpu": {}}}}}}},
        ),
        thing(containers=[{"name": "main", "resources": {}}]),
    ),
    Case(
        "value-of-another-in-a-set",
        "a set is owned value by value",
        live(thing(hosts=["a"]), {"hosts": ["a", "b"]}, {"f:spec": {"f:hosts": {'v:"b"': {}}}}),
        thing(hosts=["a"]),
    ),
    Case(
        "shared",
        "a field that another manager set to the same value is still ours",
        live(thing(region="r"), {}, {"f:spec": {"f:region": {}}}),
        thing(region="r"),
    ),
    Case(
        "taken-over",
        "a field that we no longer own is not claimed back",
        live({**thing(size=1)}, {"other": 7}, {"f:spec": {"f:other": {}}}),
        thing(size=1),
    ),
    Case(
        "falsy-values",
        "false, zero, null and the empty text and list are values",
        live(thing(a=False, b=0, c=None, d="", e=[]), {}),
        thing(a=False, b=0, c=None, d="", e=[]),
    ),
    Case(
        "another-manager-only",
        "recorded, but not as ours: only its identity is desired, so nothing changes",
        {
            **thing(a=1),
            "metadata": {"name": "x", "managedFields": [entry("kubectl", {"f:spec": {"f:a": {}}})]},
        },
        {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}},
    ),
    Case(
        "no-managed-fields",
        "a fixture: its whole spec, since leaving it out would delete it",
        {
            **thing(a={"b": [1]}),
            "status": {"x": 1},
            "metadata": {"name": "x", "namespace": "n", "uid": "u", "labels": {"a": "b"}},
        },
        thing(a={"b": [1]}),
    ),
    Case(
        "secret",
        "not everything has a spec",
        observe(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "x"},
                "type": "Opaque",
                "data": {"k": "djE="},
            }
        ),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "x"},
            "type": "Opaque",
            "data": {"k": "djE="},
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_own_fields(case: Case) -> None:
    assert own_fields(case.live) == case.want, case.reason
    assert own_fields(Fields(to_struct(case.live))) == case.want, f"{case.reason} (read in place)"


def test_metadata_is_identity_and_our_labels_and_annotations() -> None:
    ours = {"labels": {"pool": "a"}, "annotations": {"freehold.dev/placement": "{}"}}
    desired = {**thing(a=1), "metadata": {"name": "x", "namespace": "n", **ours}}
    seen = observe(desired)
    seen["metadata"]["labels"]["theirs"] = "x"
    seen["metadata"]["annotations"] |= {"crossplane.io/external-name": "arn", "kubectl.kubernetes.io/x": "y"}
    assert own_fields(seen) == desired


def test_status_is_never_ours() -> None:
    seen = observe(thing(a=1), status={"conditions": [{"type": "Ready", "status": "True"}]})
    seen["metadata"]["managedFields"][-1]["fieldsV1"]["f:status"] = {"f:conditions": {}}
    assert own_fields(seen) == thing(a=1)


NAMES = st.text("abcdef./-", min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
ITEM = st.fixed_dictionaries({"name": NAMES}, optional={"args": VALUES})
ITEMS = st.lists(ITEM, min_size=1, max_size=3, unique_by=lambda item: str(item["name"]))
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "forProvider": st.dictionaries(NAMES, VALUES, max_size=3),
        "containers": ITEMS,
        "hosts": st.lists(NAMES, min_size=1, max_size=3, unique=True),
        "x": VALUES,
    },
)


@given(SPECS, st.dictionaries(NAMES, NAMES, min_size=1, max_size=2), st.data())
def test_what_others_add_never_becomes_ours(
    spec: dict[str, Any], labels: dict[str, str], data: st.DataObject
) -> None:
    desired = {**thing(**spec), "data": {"k": "v"}, "metadata": {"name": "x", "labels": labels}}
    seen = observe(desired, POD, status={"ready": True})
    theirs = _add_foreign(seen, data)
    seen["metadata"]["managedFields"].insert(0, entry("other", theirs))
    assert own_fields(seen) == desired


def _add_foreign(node: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """Let another manager add fields to maps anywhere outside lists; return what it owns."""
    fields: dict[str, Any] = {}
    if data.draw(st.booleans()):
        node["foreign"] = data.draw(VALUES)
        fields["f:foreign"] = fields_of({"x": node["foreign"]})["f:x"]
    for key, value in node.items():
        if isinstance(value, dict) and key not in ("metadata", "status", "foreign"):
            below = _add_foreign(value, data)
            if below:
                fields[f"f:{key}"] = below
    containers = node.get("containers")
    if isinstance(containers, list) and "f:containers" not in fields and data.draw(st.booleans()):
        containers.insert(0, {"name": "FOREIGN", "args": [1]})
        fields["f:containers"] = {'k:{"name":"FOREIGN"}': {".": {}, "f:name": {}, "f:args": {}}}
    return fields
