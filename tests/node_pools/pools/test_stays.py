"""What a live cluster keeps, whatever the input or a newer catalog says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.catalog import regions
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster, existing, settled


@pytest.mark.parametrize("spec", [aws(), existing()], ids=["aws", "existing"])
@pytest.mark.parametrize("lost", [False, True], ids=["recorded", "record lost"])
def test_the_platform_namespace(spec: dict[str, Any], lost: bool) -> None:
    # Proves: a lost or changed input does not point the status at ProviderConfigs that do not exist.
    request, _ = settled(FUNCTION, spec, given={"platformNamespace": "platform-system"})
    status = {} if lost else request.composite["status"]
    outcome = FUNCTION.compose(cluster(spec, observed=dict(request.observed), status=status))
    assert outcome.status["access"]["namespace"] == "platform-system"


def test_the_subnets_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    # Proves: a node group, which cannot change its subnets, is not asked to by a newer catalog.
    request, _ = settled(FUNCTION, aws())
    before = _subnets(FUNCTION.compose(request))
    frankfurt = regions("aws")["eu-central-1"]
    fewer = replace(frankfurt, family_zones={**frankfurt.family_zones, "g6": ("euc1-az3",)})
    monkeypatch.setitem(regions("aws"), "eu-central-1", fewer)
    assert len(before) == 2
    assert _subnets(FUNCTION.compose(request)) == before


def _group(outcome: Any) -> Any:
    return next(r.manifest for r in outcome.resources if r.name == "node-pools/pool-l4")


def _subnets(outcome: Any) -> list[str]:
    return [ref["name"] for ref in _group(outcome)["spec"]["forProvider"]["subnetIdRefs"]]
