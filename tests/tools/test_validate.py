from pathlib import Path

import pytest

from tools import paths
from tools.cli import main
from tools.errors import Exit
from tools.manifests import Manifest, dump
from tools.validate import validate


def _object(manifest: Manifest, **spec: object) -> Manifest:
    return {
        "apiVersion": "kubernetes.m.crossplane.io/v1alpha1",
        "kind": "Object",
        "metadata": {"name": "o", "namespace": "n"},
        "spec": {"forProvider": {"manifest": manifest}, **spec},
    }


def _manifest(api_version: str, kind: str, **fields: object) -> Manifest:
    metadata = {"name": "m", "namespace": "n"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def test_valid_manifests_have_no_problems(schemas: Path) -> None:
    inside = _manifest("v1", "ConfigMap", data={"a": "b"})
    assert validate([inside, _object(inside), _object(_object(inside))], schemas) == []


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (_manifest("v1", "ConfigMap", date={}), "ConfigMap n/m: date: unknown field"),
        (
            _manifest("kubernetes.m.crossplane.io/v1alpha1", "Object", spec={"forProvidr": {}}),
            "Object n/m: spec.forProvidr: unknown field",
        ),
        (
            _manifest("foo.dev/v1", "Bar"),
            "Bar n/m: no schema for foo.dev/v1 Bar in ",
        ),
        (
            _manifest("helm.m.crossplane.io/v1beta1", "Release") | {"metadata": {"name": "m"}},
            "Release m: metadata.namespace: Required value",
        ),
        (
            _manifest("v1", "ConfigMap", metadata={"name": "M", "labels": {"a": "-"}}),
            "ConfigMap M: metadata.name: Invalid value",
        ),
        (
            _object(_object(_manifest("v1", "Secret", dta={}))),
            "Secret n/m in Object n/o in Object n/o: dta: unknown field",
        ),
        (
            _object(_manifest("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", spec={"a": 1})),
            "LeaderWorkerSet n/m in Object n/o: spec.",
        ),
    ],
)
def test_what_an_api_server_would_refuse(manifest: Manifest, problem: str, schemas: Path) -> None:
    found = [str(p) for p in validate([manifest], schemas)]
    assert any(text.startswith(problem) for text in found), found


def test_of_what_is_only_observed_a_name_is_enough(schemas: Path) -> None:
    named = _manifest("gateway.networking.k8s.io/v1", "Gateway")
    assert validate([_object(named)], schemas) != []
    assert validate([_object(named, managementPolicies=["Observe"])], schemas) == []


def test_claims_need_no_folder_of_schemas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEMAS", str(tmp_path / "none"))
    assert main(["validate", str(paths.EXAMPLES)]) == Exit.DONE
    claim = _manifest("freehold.dev/v1alpha1", "Model", metadata={"name": "m"}, spec={"modle": "x"})
    (tmp_path / "claim.yaml").write_text(dump([claim]))
    capsys.readouterr()
    assert main(["validate", str(tmp_path)]) == Exit.FAILED
    printed = capsys.readouterr()
    assert "Model m: spec.modle: unknown field" in printed.out.splitlines()
    assert printed.err == "manifests: 1; of these an API server would refuse: 1\n"


def test_other_manifests_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEMAS", str(tmp_path / "none"))
    assert main(["validate", str(paths.PACKAGE / "install.yaml")]) == Exit.FAILED
    assert "no folder of schemas; name one with SCHEMAS=DIR" in capsys.readouterr().err


def test_a_file_that_is_no_kubeconfig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    claim = str(paths.EXAMPLES / "models" / "minimal.yaml")
    assert main(["validate", claim, "--kubeconfig", str(tmp_path / "kubeconfig")]) == Exit.FAILED
    assert "kubeconfig is no kubeconfig: " in capsys.readouterr().err
