import pytest

from tools.manifests import Manifest
from tools.names import problems


def _fields(manifest: Manifest) -> list[str]:
    return [field for field, _ in problems(manifest)]


@pytest.mark.parametrize(
    ("api_version", "kind", "name", "fine"),
    [
        ("v1", "ConfigMap", "a.b-c", True),
        ("v1", "ConfigMap", "a" * 253, True),
        ("v1", "ConfigMap", "a" * 254, False),
        ("v1", "ConfigMap", "Upper", False),
        ("v1", "ConfigMap", "trailing-", False),
        ("v1", "ConfigMap", "under_score", False),
        ("v1", "ConfigMap", "a..b", False),
        ("v1", "Namespace", "a.b", False),
        ("v1", "Namespace", "a" * 64, False),
        ("v1", "Service", "1st", False),
        ("v1", "Service", "first", True),
        ("apps/v1", "Deployment", "a" * 64, False),
        ("batch/v1", "CronJob", "a" * 53, False),
        ("helm.m.crossplane.io/v1beta1", "Release", "a" * 53, True),
        ("helm.m.crossplane.io/v1beta1", "Release", "a" * 54, False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:node", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "a/b", False),
    ],
)
def test_names(api_version: str, kind: str, name: str, fine: bool) -> None:
    manifest: Manifest = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
    assert _fields(manifest) == ([] if fine else ["metadata.name"])


@pytest.mark.parametrize(
    ("key", "value", "fine"),
    [
        ("freehold.dev/model", "qwen3-8b", True),
        ("a", "", True),
        ("a", "x" * 64, False),
        ("a", "Qwen/Qwen3-8B", False),
        ("a", "-x", False),
        ("a", True, False),
        ("Upper.dev/a", "x", False),
        ("/a", "x", False),
        ("a" * 64, "x", False),
    ],
)
def test_labels(key: str, value: object, fine: bool) -> None:
    manifest: Manifest = {"kind": "Pod", "metadata": {"name": "a", "labels": {key: value}}}
    assert _fields(manifest) == ([] if fine else [f"metadata.labels[{key}]"])


def test_annotations_may_hold_any_string() -> None:
    annotations = {"freehold.dev/note": "Any, {thing}\n", "freehold.dev/number": 1}
    manifest: Manifest = {"kind": "Pod", "metadata": {"name": "a", "annotations": annotations}}
    assert _fields(manifest) == ["metadata.annotations[freehold.dev/number]"]


def test_a_name_or_the_start_of_one_is_needed() -> None:
    assert _fields({"kind": "Pod", "metadata": {}}) == ["metadata.name"]
    assert _fields({"kind": "Pod", "metadata": {"generateName": "a-"}}) == []


def test_a_namespace_is_a_dns_label() -> None:
    manifest: Manifest = {"kind": "Pod", "metadata": {"name": "a", "namespace": "a.b"}}
    assert _fields(manifest) == ["metadata.namespace"]
