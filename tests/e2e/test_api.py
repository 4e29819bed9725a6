"""The client of the tests and tools, with a real API server."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from functions.main import FUNCTIONS
from tests.e2e.conftest import Plane
from tests.e2e.people import member
from tools import paths
from tools.check import command
from tools.check.finding import Finding, State
from tools.check.reading import Live
from tools.control_plane.api import Api, ApiError, UnreachableError
from tools.control_plane.certificates import Authority
from tools.errors import ToolError
from tools.manifests import Manifest, load

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


def _checked(api: Api) -> dict[str, Finding]:
    """Return what `freehold check` finds missing, by what it looked for."""
    every = [
        each for title, check in command.CONTROL_PLANE for each in command.findings(Live(api), title, check)
    ]
    # Of the agent's pods it depends on whether there is a played node.
    return {each.subject: each for each in every if each.is_bad and not each.subject.endswith("'s pods")}


PLAYED = {
    "Crossplane",
    "Configuration configuration-freehold",
    *(f"Function function-{short}" for short in FUNCTIONS),
    *(f"Provider provider-{name}" for name in ("helm", "kubernetes")),
}
"""What a control plane of processes lacks: Crossplane in a pod, and packages that its package manager installed."""
NAMED = {"name": "freehold-namespaces"}


def test_a_check_names_what_the_control_plane_lacks_and_each_thing_that_goes(api: Api) -> None:
    assert set(_checked(api)) == PLAYED
    role, policy = (
        api.get(version, kind, name)
        for version, kind, name in (
            ("rbac.authorization.k8s.io/v1", "ClusterRole", "freehold-app-team"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", NAMED["name"]),
        )
    )
    made = {each["metadata"]["name"]: each for each in load(paths.COMPOSITIONS)}["model"]
    odd = {**made, "metadata": {"name": "odd"}, "spec": copy.deepcopy(made["spec"])}
    odd["spec"]["pipeline"][0]["functionRef"]["name"] = "nobodys"
    try:
        api.delete(policy)
        api.patch(role, {"rules": [{**role["rules"][0], "verbs": ["get"]}]})
        api.create(odd)
        lacks = _checked(api)
    finally:
        api.delete(odd)
        api.patch(role, {"rules": role["rules"]})
        api.apply({key: policy[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": NAMED})
    assert {subject: each.says for subject, each in lacks.items() if subject not in PLAYED} == {
        "ValidatingAdmissionPolicyBinding freehold-namespaces": "is not there",
        "ClusterRole freehold-app-team": "is not what install.yaml says at rules[0].verbs",
        "Composition odd": "names functions that are not installed (nobodys); installed: "
        + ", ".join(sorted(f"function-{short}" for short in FUNCTIONS)),
    }
    assert set(_checked(api)) == PLAYED


def test_a_check_by_somebody_who_may_not_look(api: Api) -> None:
    lacks = _checked(member(api, "team-a"))
    assert {each.state for each in lacks.values()} == {State.UNREADABLE}
    assert lacks["Crossplane"].says == (
        "cannot be looked at further: you may not get deployments.apps --namespace crossplane-system"
    )
    assert lacks["install.yaml"].says == "cannot be looked at further: you may not get namespaces"


def test_a_server_of_another_authority_is_not_spoken_to(control_plane: Plane, tmp_path: Path) -> None:
    config = json.loads(control_plane.layout.kubeconfig().read_text())
    config["clusters"][0]["cluster"]["certificate-authority"] = str(Authority(tmp_path).certificate)
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    with pytest.raises((ApiError, UnreachableError), match="CERTIFICATE_VERIFY_FAILED"):
        Api.of(tmp_path / "kubeconfig").get("v1", "Node", "one")
