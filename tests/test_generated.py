"""XRDs and input CRDs are what the models say; compositions and packages agree with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from functions.main import FUNCTIONS
from tools.generate import COMPOSITES, Composite, generated

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("path", "text"), list(generated()), ids=lambda value: str(value)[:60])
def test_drift(path: Path, text: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == text, (
        f"{path} differs from functions/api: make generate"
    )


@pytest.mark.parametrize("path", sorted((ROOT / "xrds").glob("*.yaml")), ids=lambda p: p.stem)
def test_enforced_composition(path: Path) -> None:
    xrd = yaml.safe_load(path.read_text())
    name = xrd["spec"]["enforcedCompositionRef"]["name"]
    composition = yaml.safe_load((ROOT / f"compositions/{name}.yaml").read_text())
    assert composition["metadata"]["name"] == name
    assert composition["spec"]["compositeTypeRef"]["kind"] == xrd["spec"]["names"]["kind"]
    assert xrd["spec"]["scope"] == "LegacyCluster"


def test_every_function_is_in_a_pipeline_and_a_package() -> None:
    steps = {
        step["functionRef"]["name"]
        for path in (ROOT / "compositions").glob("*.yaml")
        for step in yaml.safe_load(path.read_text())["spec"]["pipeline"]
    }
    packages = {p.parent.name for p in (ROOT / "package").glob("function-*/crossplane.yaml")}
    assert steps == packages == {f"function-{name}" for name in FUNCTIONS}


@pytest.mark.parametrize("path", sorted((ROOT / "xrds").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_field_is_described(path: Path) -> None:
    def undescribed(schema: dict[str, object], at: str) -> list[str]:
        found = [] if schema.get("description") else [at]
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        for name, sub in properties.items():
            found += undescribed(sub, f"{at}.{name}")
        return found

    schema = yaml.safe_load(path.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in ("spec", "status"):
        assert undescribed(schema["properties"][part], part) == []


@pytest.mark.parametrize("path", sorted((ROOT / "xrds").glob("*.yaml")), ids=lambda p: p.stem)
def test_rules_stand_in_the_spec_alone(path: Path) -> None:
    # Proves: a status, whose lists have no bounds, costs nothing of what the API server allows for CEL.
    schema = yaml.safe_load(path.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "x-kubernetes-validations" in str(schema["properties"]["spec"])
    assert "x-kubernetes-validations" not in str(schema["properties"]["status"])


@pytest.mark.parametrize("composite", COMPOSITES, ids=lambda c: c.kind)
def test_no_column_shows_one_of_several(composite: Composite) -> None:
    """The API server prints the first match of a column's path, so a path into a list hides the rest.

    pkg/registry/customresource/tableconvertor in k8s.io/apiextensions-apiserver.
    """
    for column in composite.columns:
        assert "[" not in column.path, column
