from typing import Any

import pytest

from tools.apiserver import builtin_problems, repeated_keys
from tools.manifests import Manifest
from tools.schemas import Schemas

SCHEMA: dict[str, Any] = {
    "properties": {
        "pools": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "zone"],
            "items": {"properties": {"name": {}, "zone": {"default": "a"}}},
        },
        "tags": {"x-kubernetes-list-type": "set", "items": {}},
        "plain": {"items": {}},
    }
}


@pytest.mark.parametrize(
    ("manifest", "fields"),
    [
        ({"pools": [{"name": "x"}, {"name": "y"}]}, []),
        ({"pools": [{"name": "x"}, {"name": "x", "zone": "b"}]}, []),
        ({"pools": [{"name": "x"}, {"name": "x", "zone": "a"}]}, ["pools[1]"]),
        ({"tags": ["a", "b", "a"]}, ["tags[2]"]),
        ({"plain": ["a", "a"]}, []),
    ],
)
def test_keys_of_map_and_set_lists_are_unique(manifest: Manifest, fields: list[str]) -> None:
    assert [field for field, _ in repeated_keys(manifest, SCHEMA)] == fields


def _deployment() -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 1}]}]},
            },
        },
    }


def _problems(manifest: Manifest, schemas: Schemas) -> list[str]:
    builtin = schemas.builtin("apps", "v1")
    assert builtin is not None
    return [f"{field} {message}" for field, message in builtin_problems(manifest, builtin)]


def test_a_deployment_in_order(schemas: Schemas) -> None:
    assert _problems(_deployment(), schemas) == []


def test_required_fields_of_builtin_kinds(schemas: Schemas) -> None:
    deployment = _deployment()
    del deployment["spec"]["template"]["spec"]["containers"][0]["name"]
    deployment["spec"]["template"]["spec"]["volumes"] = [{"emptyDir": {}}]
    assert _problems(deployment, schemas) == [
        "spec.template.spec.containers[0].name is required",
        "spec.template.spec.volumes[0].name is required",
    ]


def test_repeated_keys_in_builtin_kinds(schemas: Schemas) -> None:
    deployment = _deployment()
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["ports"] = [{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]
    [problem] = _problems(deployment, schemas)
    assert problem.startswith("spec.template.spec.containers[0].ports[1] repeats")


def test_a_selector_must_select_the_workloads_own_pods(schemas: Schemas) -> None:
    deployment = _deployment()
    deployment["spec"]["selector"]["matchLabels"]["a"] = "c"
    [problem] = _problems(deployment, schemas)
    assert problem.startswith("spec.selector.matchLabels[a] is 'c'")
