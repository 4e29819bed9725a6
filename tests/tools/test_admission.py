from typing import Any

import pytest

from tests.tools.farm import made_claim
from tools import claims
from tools.admission import RefusedError, admit, require_admitted
from tools.definitions import Definitions
from tools.errors import ToolError


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"barley": {}}, "Farm team-a/home: spec: name exactly one of wheat, barley"),
        ({"size": 0}, "Farm team-a/home: spec.size: Invalid value: 0"),
        ({"wheat": {"acers": 1}}, "Farm team-a/home: spec.wheat.acers: unknown field"),
        ({"fields": [{}]}, "Farm team-a/home: spec.fields[0].name: Required value"),
        (
            {"fields": [{"name": "a"}, {"name": "a"}]},
            'Farm team-a/home: spec.fields[1]: Duplicate value: {"name":"a"}',
        ),
    ],
)
def test_a_bad_claim_is_refused_in_the_rules_words(
    definitions: Definitions, spec: dict[str, Any], problem: str
) -> None:
    [found] = admit([made_claim(**spec)], definitions)
    assert str(found).startswith(problem)


def test_a_good_claim_and_its_xr_are_admitted(definitions: Definitions) -> None:
    claim = made_claim(fields=[{"name": "a"}, {"name": "b"}])
    xr = claims.to_xr(claim, definitions.of(claim))
    require_admitted([claim, xr], definitions)


def test_every_problem_is_told(definitions: Definitions) -> None:
    bad = made_claim(barley={}, size=0)
    bad["metadata"]["name"] = "Bad_name"
    with pytest.raises(RefusedError) as refused:
        require_admitted([made_claim(), bad], definitions)
    assert [p.field for p in refused.value.problems] == ["metadata.name", "spec.size", "spec"]


def test_an_unknown_kind_is_refused_with_the_known_ones(definitions: Definitions) -> None:
    with pytest.raises(ToolError, match=r"known are Farm.test.freehold.dev, XFarm"):
        admit([made_claim() | {"kind": "Frm"}], definitions)


def test_a_version_that_is_not_served_is_refused(definitions: Definitions) -> None:
    claim = made_claim() | {"apiVersion": "test.freehold.dev/v9"}
    [problem] = admit([claim], definitions)
    assert problem.message == "test.freehold.dev/v9 is not served"
