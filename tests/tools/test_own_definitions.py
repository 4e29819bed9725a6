"""XRDs, compositions and their inputs are what Crossplane's own schemas and ours allow."""

import copy
from pathlib import Path

from tools.definitions import Definitions
from tools.validate import validate


def test_xrds_and_compositions_are_valid(schemas: Path) -> None:
    definitions = Definitions()
    manifests = [d.xrd for d in definitions.all] + [c.manifest for c in definitions.all_compositions]
    assert validate(manifests, schemas) == []


def test_a_wrong_input_of_a_composition_is_found(schemas: Path) -> None:
    composition = copy.deepcopy(Definitions().all_compositions[0].manifest)
    composition["spec"]["pipeline"][0]["input"]["typo"] = 1
    [problem] = validate([composition], schemas)
    step = composition["spec"]["pipeline"][0]["step"]
    assert problem.resource.endswith(f" in step {step} of Composition {composition['metadata']['name']}")
    assert (problem.field, problem.message) == ("typo", "unknown field")


def test_every_xrd_has_its_composition() -> None:
    definitions = Definitions()
    for definition in definitions.all:
        version = definition.xrd["spec"]["versions"][0]["name"]
        xr = {"apiVersion": f"{definition.group}/{version}", "kind": definition.kind}
        assert definitions.composition(xr).functions
