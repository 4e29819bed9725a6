"""An API server takes our CRDs, and those that Crossplane makes of our XRDs: one rule too many, and it takes none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tools.admission import ask
from tools.paths import ROOT

KINDS = ("CompositeResourceDefinition", "CustomResourceDefinition")
DEFINITIONS: dict[str, Any] = {
    made["metadata"]["name"]: made
    for folder in ("xrds", "package")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    for made in yaml.safe_load_all(path.read_text())
    if made and made.get("kind") in KINDS
}


def test_the_definitions_are_found() -> None:
    assert {name.partition(".")[0] for name in DEFINITIONS} >= {
        "xmodels",
        "xinferenceclusters",
        "vllminputs",
        "modelreports",
        "secretdeliveries",
        "crdupgrades",
    }


@pytest.mark.parametrize("name", DEFINITIONS)
def test_an_api_server_takes_it(name: str) -> None:
    [answer] = ask([DEFINITIONS[name]], [])
    assert answer.problems == ()


def test_a_rule_that_may_cost_too_much_is_told() -> None:
    made = copy.deepcopy(DEFINITIONS["xmodels.freehold.dev"])
    spec = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["engine"]["properties"]["args"]["maxItems"]
    [answer] = ask([made], [])
    told = [message for field, message, _ in answer.problems if "[args]" in field]
    assert any("estimated rule cost exceeds budget" in message for message in told), told
