"""The client of the tests and tools, with a real API server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Plane
from tools.control_plane.api import Api, ApiError, UnreachableError
from tools.control_plane.certificates import Authority
from tools.errors import ToolError
from tools.manifests import Manifest

SETTINGS: Manifest = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "team-a", "labels": {"of": "a-test"}},
    "data": {"colour": "red"},
}


def test_an_object_comes_changes_and_goes(api: Api) -> None:
    made = api.create(SETTINGS)
    assert api.get("v1", "ConfigMap", "settings", "team-a") == made
    [listed] = api.items("v1", "ConfigMap", selector="of=a-test")
    assert (listed["kind"], listed["data"]) == ("ConfigMap", SETTINGS["data"])
    assert api.patch(made, {"data": {"colour": None, "size": "1"}})["data"] == {"size": "1"}
    applied = api.apply({**SETTINGS, "data": {"size": "2"}}, manager="somebody")
    assert {"somebody"} < {entry["manager"] for entry in applied["metadata"]["managedFields"]}
    api.delete(made)
    assert api.find("v1", "ConfigMap", "settings", "team-a") is None


def test_a_dry_run_makes_nothing(api: Api) -> None:
    for tried in (api.create(SETTINGS, dry_run=True), api.apply(SETTINGS, dry_run=True)):
        assert tried["metadata"]["uid"]
    assert api.find("v1", "ConfigMap", "settings", "team-a") is None


def test_a_field_that_the_schema_does_not_have_is_refused_in_words(api: Api) -> None:
    wrong = {**SETTINGS, "colour": "red"}
    with pytest.raises(ApiError, match='unknown field "colour"'):
        api.create(wrong)
    with pytest.raises(ApiError, match=r"\.colour: field not declared in schema"):
        api.apply(wrong)


def test_a_status_is_patched_alone(api: Api) -> None:
    node: Manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "of-a-test"}}
    api.create(node)
    change = {"status": {"phase": "Running"}, "spec": {"unschedulable": True}}
    patched = api.patch(node, change, "status")
    assert patched["status"]["phase"] == "Running"
    assert "unschedulable" not in patched["spec"]
    api.delete(node)


def test_a_kind_that_the_server_does_not_have(api: Api) -> None:
    with pytest.raises(ToolError, match="knows no Unicorn in v1"):
        api.get("v1", "Unicorn", "one")
    with pytest.raises(ApiError, match=r"kinds of unicorns\.example/v1: 404"):
        api.get("unicorns.example/v1", "Unicorn", "one")
    assert api.find("unicorns.example/v1", "Unicorn", "one") is None


def test_a_user_who_may_nothing(api: Api) -> None:
    nobody = api.acting_as("nobody")
    with pytest.raises(ApiError, match='User "nobody" cannot get resource "nodes"') as refused:
        nobody.get("v1", "Node", "one")
    assert refused.value.code == 403


def test_a_server_of_another_authority_is_not_spoken_to(control_plane: Plane, tmp_path: Path) -> None:
    config = json.loads(control_plane.layout.kubeconfig().read_text())
    config["clusters"][0]["cluster"]["certificate-authority"] = str(Authority(tmp_path).certificate)
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    with pytest.raises((ApiError, UnreachableError), match="CERTIFICATE_VERIFY_FAILED"):
        Api.of(tmp_path / "kubeconfig").get("v1", "Node", "one")
