from tools.field_ownership import composed_manager, fields_v1
from tools.manifests import Manifest


def test_maps_are_owned_by_key_and_lists_as_a_whole() -> None:
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {
            "name": "a",
            "namespace": "b",
            "labels": {"x": "1"},
            "annotations": {"y": "2"},
            "ownerReferences": [{"uid": "u-1", "kind": "XFarm"}],
            "finalizers": ["f"],
        },
        "spec": {"number": 1, "list": [{"a": 1}], "map": {"inner": {"deep": None}}, "empty": {}},
        "data": {"k": "v"},
    }
    assert fields_v1(manifest) == {
        "f:metadata": {
            "f:labels": {"f:x": {}},
            "f:annotations": {"f:y": {}},
            "f:ownerReferences": {'k:{"uid":"u-1"}': {}},
            "f:finalizers": {'v:"f"': {}},
        },
        "f:spec": {
            "f:number": {},
            "f:list": {},
            "f:map": {"f:inner": {"f:deep": {}}},
            "f:empty": {},
        },
        "f:data": {"f:k": {}},
    }


def test_identity_is_owned_by_nobody() -> None:
    metadata = {"name": "a", "uid": "u", "resourceVersion": "1", "managedFields": []}
    assert fields_v1({"apiVersion": "v1", "kind": "A", "metadata": metadata}) == {}


def test_the_manager_is_the_one_that_crossplane_computes() -> None:
    xr = {"apiVersion": "g.dev/v1", "kind": "XFarm", "metadata": {"name": "home"}}
    # printf 'homeXFarm.g.dev' | sha256sum
    digest = "6c46a043a70b1ffcc21e016b8ec0cc543c5d5a0f0b8cd402ff25777783ed81ee"
    assert composed_manager(xr) == f"apiextensions.crossplane.io/composed/{digest}"
