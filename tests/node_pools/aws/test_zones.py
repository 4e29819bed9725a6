"""Which zones a cluster is in, and what a user reads who names others."""

from __future__ import annotations

from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import L4, aws, cluster, live

FRANKFURT = ["euc1-az1", "euc1-az2", "euc1-az3"]
US = "us-east-1"


def zones(*pools: dict[str, Any], status: dict[str, Any] | None = None, **place: Any) -> list[str]:
    found: list[str] = FUNCTION.compose(cluster(aws(*pools, **place), status=status)).status["network"][
        "zones"
    ]
    return found


def gpu(model: str, count: int = 8) -> dict[str, Any]:
    return {"name": f"p-{model[:4].lower()}", "gpu": {"model": model, "count": count}}


@pytest.mark.parametrize(
    ("pools", "wanted"),
    [
        pytest.param([gpu("B200")], ["use1-az1", "use1-az2", "use1-az6"], id="the-only-zone-of-one"),
        pytest.param([gpu("L4", 1)], ["use1-az1", "use1-az2", "use1-az4"], id="three-that-have-it"),
        pytest.param(
            [gpu("L4", 1), gpu("A100-80GB"), gpu("B200")],
            ["use1-az1", "use1-az4", "use1-az6"],
            id="those-that-have-most",
        ),
    ],
)
def test_chooses(pools: list[dict[str, Any]], wanted: list[str]) -> None:
    # Proves: every pool has a zone first, then as many as can be; never one without EKS (use1-az3).
    assert zones(*pools, region=US) == wanted


def test_the_users_zones_and_then_the_recorded_ones_win() -> None:
    # Proves: spec over record over catalog, and that the record's order stands: subnets have places.
    given = ["eu-central-1c", "eu-central-1a", "eu-central-1b"]
    assert zones(zones=given) == given
    assert zones(status={"network": {"zones": given}}) == given
    assert zones(zones=sorted(given), status={"network": {"zones": given}}) == given


def test_living_subnets_stand_in_for_a_lost_record() -> None:
    # Proves: without the status, zones are read from the subnets that are there.
    given = ["euc1-az3", "euc1-az1", "euc1-az2"]
    observed = {
        f"node-pools/subnet-private-{i}": live({"spec": {"forProvider": {"availabilityZoneId": zone}}})
        for i, zone in enumerate(given)
    }
    found = FUNCTION.compose(cluster(aws(), observed=observed)).status["network"]["zones"]
    assert found == given


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param(
            {"zones": ["euc1-az1", "euc1-az2", "use1-az1"]},
            "spec.aws.zones[2]: use1-az1 is not a zone of eu-central-1. Give one by id (such as euc1-az1) or "
            "by name (such as eu-central-1a).",
            id="id-of-another-region",
        ),
        pytest.param(
            {"zones": ["eu-west-1a", "eu-central-1b", "eu-central-1c"]},
            "spec.aws.zones[0]: eu-west-1a is not a zone of eu-central-1. Give one by id (such as euc1-az1) "
            "or by name (such as eu-central-1a).",
            id="name-of-another-region",
        ),
        pytest.param(
            {"region": US, "zones": ["use1-az1", "use1-bos1-az1", "use1-az2"]},
            "spec.aws.zones[1]: use1-bos1-az1 is a Local or Wavelength Zone, where EKS runs no managed "
            "nodes. Give one by id (such as use1-az1) or by name (such as us-east-1a).",
            id="local-zone-by-id",
        ),
        pytest.param(
            {"region": US, "zones": ["us-east-1a", "us-east-1b", "us-east-1-wl1-bos-wlz-1"]},
            "spec.aws.zones[2]: us-east-1-wl1-bos-wlz-1 is a Local or Wavelength Zone, where EKS runs no "
            "managed nodes. Give one by id (such as use1-az1) or by name (such as us-east-1a).",
            id="wavelength-zone-by-name",
        ),
        pytest.param(
            {"zones": ["eu-central-1a", "eu-central-1a", "eu-central-1c"]},
            "spec.aws.zones: a zone is there twice in eu-central-1a, eu-central-1a, eu-central-1c. Name 3 "
            "different zones.",
            id="twice",
        ),
        pytest.param(
            {"zones": ["euc1-az1", "eu-central-1b", "eu-central-1c"]},
            "spec.aws.zones: zones are given by id and by name, so two of them may be the same. Give all by "
            "id, which means the same in every account.",
            id="mixed",
        ),
        pytest.param(
            {"region": US, "zones": ["use1-az1", "use1-az2", "use1-az3"]},
            "spec.aws.zones[2]: EKS does not run in use1-az3. Use another zone.",
            id="without-eks",
        ),
        pytest.param(
            {"region": "sa-east-1"},
            "spec.aws.zones: the zones of sa-east-1 are not known. Name 3 that have the pools' machines, or "
            "use another region.",
            id="zones-not-known",
        ),
        pytest.param(
            {"region": "eu-centrl-1"},
            "spec.aws.region: eu-centrl-1 is not a region that the catalog knows. Did you mean eu-central-1? "
            "If it is new, name 3 zones in spec.aws.zones.",
            id="region-mistyped",
        ),
        pytest.param(
            {"region": "zz-nowhere-9"},
            "spec.aws.region: zz-nowhere-9 is not a region that the catalog knows. If it is new, name 3 "
            "zones in spec.aws.zones.",
            id="region-like-no-other",
        ),
    ],
)
def test_what_cannot_be(place: dict[str, Any], message: str) -> None:
    # Proves: the exact text, with the path of the zone.
    with pytest.raises(Invalid) as caught:
        zones(L4, **place)
    assert str(caught.value) == message


def test_a_region_with_too_few_zones() -> None:
    # Proves: naming zones is no remedy where EKS has but two; the text says so.
    with pytest.raises(Invalid) as caught:
        zones(gpu("T4", 1), region="us-west-1")
    assert str(caught.value) == (
        "spec.aws.region: us-west-1 has only 2 zones for EKS, and a cluster needs 3. Use another region."
    )


def test_a_region_that_is_not_known_is_taken_with_zones() -> None:
    # Proves: a region newer than the catalog can be used by who names its zones.
    given = ["mx-central-1a", "mx-central-1b", "mx-central-1c"]
    assert zones(region="mx-central-1", zones=given) == given


def test_a_living_cluster_does_not_move() -> None:
    # Proves: other zones than the recorded ones are refused.
    with pytest.raises(Invalid) as caught:
        zones(region=US, zones=["use1-az1", "use1-az2", "use1-az4"], status={"network": {"zones": FRANKFURT}})
    assert str(caught.value) == (
        "spec.aws.zones: the cluster is in euc1-az1, euc1-az2, euc1-az3 and cannot move to use1-az1, "
        "use1-az2, use1-az4. Restore them, or claim a new cluster."
    )
